//! Settings from three sources, in order of precedence: flags, environment (`BOLILLERO_*`), a TOML
//! file.
//!
//! clap merges flags and environment; this module adds the file. Unknown keys and variables are
//! rejected, so that a misspelt one is noticed. An empty variable counts as unset.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::Command;
use clap::builder::Resettable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use strsim::jaro_winkler;

use crate::exit::Ending;

/// The prefix of this program's environment variables.
const ENVIRONMENT_PREFIX: &str = "BOLILLERO_";
/// Names that are more alike than this, from 0 to 1, may be meant.
const NEAR: f64 = 0.8;
/// How many of them are named.
const NEAREST_MAX: usize = 2;

/// The passphrase is read from the environment or the terminal only: other users could see a flag.
pub(crate) const CA_PASSPHRASE: &str = "BOLILLERO_CA_PASSPHRASE";

/// Merges the given settings with those of the file; the given ones take precedence.
pub(crate) fn layered<T: Serialize + DeserializeOwned>(
    given: T,
    file: Option<&Path>,
) -> Result<T, Ending> {
    let Some(path) = file else { return Ok(given) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("can't read the configuration file {}", path.display()))
        .map_err(Ending::Wrong)?;
    merge(given, &text)
        .with_context(|| format!("in the configuration file {}", path.display()))
        .map_err(Ending::Wrong)
}

fn merge<T: Serialize + DeserializeOwned>(given: T, text: &str) -> anyhow::Result<T> {
    // Parse it as settings first, for error messages with line and key.
    toml::from_str::<T>(text).map_err(|error| without_passwords(&error, text))?;
    let mut table: toml::Table = toml::from_str(text)?;
    table.extend(toml::Table::try_from(given)?);
    Ok(table.try_into()?)
}

/// The error of a file; without the line, which may be a URL with a password.
fn without_passwords(error: &toml::de::Error, text: &str) -> anyhow::Error {
    let whole = error.to_string();
    if !whole.contains("://") {
        return anyhow!("{}", whole.trim_end());
    }
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    anyhow!("line {line}: {}", error.message().split("://").next().unwrap_or_default())
}

/// Returns a required setting, or an error that names it.
pub(crate) fn needed<T>(given: Option<T>, name: &str) -> Result<T, Ending> {
    let upper = name.to_uppercase().replace('-', "_");
    given.ok_or_else(|| {
        Ending::wrong(format!(
            "--{name} is required: set it as a flag, as BOLILLERO_{upper}, or in the configuration \
             file"
        ))
    })
}

/// Whether a flag was not given, so that it is not written either.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

/// The parsed contents of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSettings {
    /// The same settings, serialized as a file again.
    pub file: String,
    /// The values, and the resulting options or the error, as readable text.
    pub values: String,
}

impl ReadSettings {
    /// Parses the settings of a file alone; the error is the message for the user.
    pub(crate) fn of<T, O>(
        text: &str,
        options: impl FnOnce(&T) -> Result<O, Ending>,
    ) -> Result<Self, String>
    where
        T: Serialize + DeserializeOwned + Default + Debug,
        O: Debug,
    {
        let settings: T = merge(T::default(), text).map_err(|error| format!("{error:#}"))?;
        let file = toml::to_string(&settings).map_err(|error| error.to_string())?;
        let options = match options(&settings) {
            Ok(options) => format!("{options:?}"),
            Err(ending) => format!("{:#}", ending.into_error()),
        };
        Ok(Self { file, values: format!("{settings:?}, {options}") })
    }
}

/// Returns the command with its empty environment variables treated as unset.
pub(crate) fn without_empty_variables(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let value = argument.get_env().and_then(std::env::var_os);
        match value {
            Some(value) if value.is_empty() => argument.env(Resettable::Reset),
            _ => argument,
        }
    });
    command.mut_subcommands(without_empty_variables)
}

/// Rejects unknown variables that have this program's prefix.
pub(crate) fn check_environment(command: &Command) -> Result<(), Ending> {
    let known = known_variables(command);
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let unknown =
        names.filter(|name| name.starts_with(ENVIRONMENT_PREFIX) && !known.contains(name));
    let unknown: Vec<_> = unknown.map(|name| format!("{name}{}", meant(&name, &known))).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Ending::wrong(format!(
        "unknown environment variable {}: unset it, or set one that a command's --help names",
        unknown.join(", ")
    )))
}

/// Returns which of the known variables may be meant, if any is near.
fn meant(unknown: &str, known: &BTreeSet<String>) -> String {
    let part = |name: &str| name.trim_start_matches(ENVIRONMENT_PREFIX).to_owned();
    let near = known.iter().map(|name| (jaro_winkler(&part(name), &part(unknown)), name));
    let mut near: Vec<_> = near.filter(|(near, _)| *near > NEAR).collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let near: Vec<_> = near.iter().take(NEAREST_MAX).map(|(_, name)| name.as_str()).collect();
    match near.is_empty() {
        true => String::new(),
        false => format!(" (did you mean {}?)", near.join(" or ")),
    }
}

fn known_variables(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env());
    let mut known: BTreeSet<_> = own.map(|name| name.to_string_lossy().into_owned()).collect();
    known.insert(CA_PASSPHRASE.to_owned());
    for subcommand in command.get_subcommands() {
        known.extend(known_variables(subcommand));
    }
    known
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, Default, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        a: Option<u32>,
        b: Option<String>,
    }

    #[test]
    fn what_is_given_is_stronger_than_the_file() {
        let given = Sample { a: Some(1), b: None };
        let merged = merge(given, "a = 2\nb = 'x'").unwrap();
        assert_eq!(merged, Sample { a: Some(1), b: Some("x".to_owned()) });
    }

    #[test]
    fn variables_that_are_near_an_unknown_one_are_named() {
        let known = ["DATA", "DRAW", "WINDOW", "WINNERS_WAIT", "WINNING_NUMBER"];
        let known = known.map(|name| format!("BOLILLERO_{name}")).into();
        for (unknown, expected) in [
            ("BOLILLERO_DATE", " (did you mean BOLILLERO_DATA?)"),
            ("BOLILLERO_WINNER_WAIT", " (did you mean BOLILLERO_WINNERS_WAIT?)"),
            ("BOLILLERO_COLOR", ""),
        ] {
            assert_eq!(meant(unknown, &known), expected);
        }
    }

    #[test]
    fn a_password_in_a_line_that_is_wrong_is_not_shown() {
        for text in ["a = 2\nb = 'postgres://a:secret@h/x' x", "a = 'postgres://a:secret@h'"] {
            let words = format!("{:#}", merge(Sample::default(), text).unwrap_err());
            assert!(!words.contains("secret") && words.contains("line"), "{words}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let refused = merge(Sample::default(), "a = 2\nc = 1").unwrap_err();
        let words = format!("{refused:#}");
        assert!(words.contains("line 2") && words.contains('c'), "{words}");
    }
}
