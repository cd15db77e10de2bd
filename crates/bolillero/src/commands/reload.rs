//! What `serve` reads again at SIGHUP: its configuration file and its certificates.
//!
//! Of the settings, the level of the log takes effect at once. Others that changed are named: they
//! take effect at the next start. What can't be used leaves everything as it was.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::Signal;
use toml::Table;

use super::ServeArgs;
use super::bind::Certificates;
use crate::exit::Ending;
use crate::logging::LevelHandle;
use crate::settings;

/// The setting that is applied at once.
const LOG_LEVEL: &str = "log_level";

/// The settings that are in effect, and where they come from.
pub(super) struct Settings {
    /// What flags and variables say.
    pub(super) given: ServeArgs,
    pub(super) file: PathBuf,
    /// What was in effect at the start.
    pub(super) started: ServeArgs,
    pub(super) level: LevelHandle,
}

/// Reads again what there is at each SIGHUP.
pub(super) async fn at_each(
    mut hangups: Signal,
    settings: Option<Settings>,
    certificates: Option<Certificates>,
) {
    let settings = settings.map(Arc::new);
    while hangups.recv().await.is_some() {
        if settings.is_none() && certificates.is_none() {
            tracing::warn!(
                action = "load_settings",
                result = "fail",
                error = "SIGHUP reloads the configuration file and the certificates, and there \
                         are none (--config, --tls-listen)",
            );
        }
        if let Some(settings) = settings.clone() {
            // Panics are reported by their hook.
            let _ = tokio::task::spawn_blocking(move || settings.reload()).await;
        }
        if let Some(certificates) = &certificates {
            certificates.reload().await;
        }
    }
}

impl Settings {
    fn reload(&self) {
        match self.changed() {
            Ok(waiting) if waiting.is_empty() => {
                tracing::info!(action = "load_settings", result = "success");
            }
            Ok(waiting) => {
                tracing::warn!(
                    action = "load_settings",
                    result = "in_progress",
                    settings = waiting.join(", "),
                    error = "these settings changed, and take effect when the central is restarted",
                );
            }
            Err(error) => {
                tracing::error!(
                    action = "load_settings",
                    result = "fail",
                    error = %format_args!("{error:#}; the previous settings stay in effect"),
                );
            }
        }
    }

    /// Applies what can be; returns the other settings that are not those of the start.
    fn changed(&self) -> anyhow::Result<Vec<String>> {
        let now = settings::layered(self.given.clone(), Some(&self.file));
        let now = now.and_then(|now| now.check_values().map(|()| now));
        let now = now.map_err(Ending::into_error)?;
        let changed = differing(&Table::try_from(&self.started)?, &Table::try_from(&now)?);
        self.level.set(now.log_level());
        Ok(changed.into_iter().filter(|name| name != LOG_LEVEL).collect())
    }
}

/// Returns the keys whose values differ, or that only one of them has.
fn differing(before: &Table, now: &Table) -> Vec<String> {
    let all = before.keys().chain(now.keys().filter(|key| !before.contains_key(*key)));
    all.filter(|key| before.get(*key) != now.get(*key)).cloned().collect()
}
