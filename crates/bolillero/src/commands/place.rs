//! Where a central's ledger is: in a folder of its own, or in a store that it shares.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use central::Presence;
use engine::{Clock, Engine, Log};
use ledger::{Ledger, Scrub, ScrubFindings, ScrubNews, ScrubPace};
use ledger_postgres::{PostgresLog, Status, StoreState, Target, Watch};
use operators::{OperatorStore, OperatorsFolder};

use super::location::expect_whole;
use super::nodes::Neighbour;
use super::serve::SystemClock;
use crate::exit::Ending;
use crate::supervisor;

/// Where a central's ledger is.
pub(super) enum Place {
    Folder { data: PathBuf, options: ledger::Options },
    Shared { target: Target, require_standby: bool, node: String },
}

/// An engine over the ledger.
pub(super) struct Opened {
    pub(super) engine: Arc<Engine>,
    pub(super) kept: Kept,
    pub(super) keeping: Keeping,
}

/// What is kept beside the events, and what is known of it.
pub(super) struct Kept {
    /// The folder of the ledger, if it is in one.
    pub(super) data: Option<PathBuf>,
    pub(super) operators: Arc<dyn OperatorStore>,
    pub(super) health: Health,
}

/// What is known of the ledger's state.
#[derive(Clone, Default)]
pub(super) struct Health {
    pub(super) scrubbed: Option<ScrubFindings>,
    pub(super) store: Option<Status>,
}

/// What looks after the ledger while the central runs. To be dropped before the engine.
pub(super) enum Keeping {
    #[expect(dead_code, reason = "it acts when it is dropped")]
    Folder(Scrub),
    #[expect(dead_code, reason = "the watch acts when it is dropped")]
    Shared(Watch, Arc<Neighbour>),
}

impl Keeping {
    /// Has other centrals see who is connected here, and this one see them.
    pub(super) fn join(&self, presence: Arc<Presence>) {
        if let Self::Shared(_, neighbour) = self {
            neighbour.tell_of(presence);
        }
    }
}

impl Place {
    /// Opens the ledger, and starts the engine and what looks after it.
    pub(super) fn open(self, clock: Arc<SystemClock>) -> Result<Opened, Ending> {
        match self {
            Self::Folder { data, options } => {
                expect_whole(&data)?;
                let ledger = open_ledger(&data, options)?;
                let scrub = scrub(&ledger)?;
                let health = Health { scrubbed: Some(scrub.findings()), store: None };
                let engine = started(Box::new(ledger), clock)?;
                let operators = Arc::new(OperatorsFolder::new(&data, central_http::moment));
                let kept = Kept { data: Some(data), operators, health };
                Ok(Opened { engine, kept, keeping: Keeping::Folder(scrub) })
            }
            Self::Shared { target, require_standby, node } => {
                open_shared(&target, require_standby, node, clock)
            }
        }
    }
}

fn started(log: Box<dyn Log>, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Engine>> {
    Engine::start(log, clock).map(Arc::new).context("can't start the engine")
}

fn open_shared(
    target: &Target,
    require_standby: bool,
    name: String,
    clock: Arc<SystemClock>,
) -> Result<Opened, Ending> {
    let status = Status::new(log_state);
    let options = ledger_postgres::Options {
        name,
        require_standby,
        clock: Some(clock.clone()),
        status: status.clone(),
    };
    let log = PostgresLog::open(target, options)
        .map_err(|error| Ending::of_store(error, format!("can't open the store {target}")))?;
    let (watched, operators) = (log.watched(), Arc::new(log.operators()));
    let engine = started(Box::new(log), clock)?;
    let neighbour = Arc::new(Neighbour::new(&engine));
    let watch = Watch::start(watched, neighbour.clone());
    let watch = watch.map_err(|error| Ending::Failed(error.into()))?;
    let health = Health { scrubbed: None, store: Some(status) };
    let kept = Kept { data: None, operators, health };
    Ok(Opened { engine, kept, keeping: Keeping::Shared(watch, neighbour) })
}

/// Logs a change of the store's state, and tells the service manager.
fn log_state(before: &StoreState, now: &StoreState) {
    if before.away.is_some() && now.away.is_none() {
        supervisor::store_is_away(false);
    }
    match &now.away {
        Some(why) if before.away.is_none() => {
            tracing::warn!(action = "store", result = "fail", error = %why);
            supervisor::store_is_away(true);
        }
        None if before.away.is_some() || before.host != now.host => tracing::info!(
            action = "store",
            result = "success",
            host = %now.host,
            timeline = now.timeline,
        ),
        _ => {}
    }
    for warning in now.warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
        tracing::warn!(action = "store", result = "success", host = %now.host, error = %warning);
    }
}

pub(super) fn open_ledger(data: &Path, options: ledger::Options) -> Result<Ledger, Ending> {
    let ledger = Ledger::open(data, options).map_err(|fault| {
        let wrong = fault.is_of_no_folder();
        let context = format!("can't open the ledger in {}", data.display());
        Ending::of(wrong, anyhow::Error::new(fault).context(context))
    })?;
    let report = ledger.report();
    tracing::info!(
        action = "open_ledger",
        result = "success",
        data = %data.display(),
        records = report.records,
        cut_bytes = report.cut_bytes,
        indexes_rebuilt = report.indexes_built,
        write_mode = ledger.write_mode(),
    );
    if report.indexes_damaged > 0 {
        tracing::warn!(
            action = "open_ledger",
            result = "success",
            data = %data.display(),
            indexes_damaged = report.indexes_damaged,
            error = "indexes were damaged and are rebuilt from the records, which are intact: \
                     check the disk",
        );
    }
    warn_of_others(data)?;
    Ok(ledger)
}

/// Starts the slow background read of what opening the ledger did not read.
fn scrub(ledger: &Ledger) -> Result<Scrub, Ending> {
    let scrub = ledger.scrub(ScrubPace::default(), |news| match news {
        ScrubNews::Damaged(fault) => {
            tracing::error!(action = "check_ledger", result = "fail", error = %fault);
        }
        ScrubNews::Passed { sound } => {
            tracing::info!(action = "check_ledger", result = "success", segments = sound);
        }
    });
    scrub.map_err(|fault| Ending::Failed(fault.into()))
}

/// Warns when others can access the folder; it may be shared on purpose, so its mode is kept.
fn warn_of_others(data: &Path) -> anyhow::Result<()> {
    let metadata = fs::metadata(data).with_context(|| data.display().to_string())?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            action = "open_ledger",
            result = "success",
            data = %data.display(),
            mode = %format_args!("{mode:o}"),
            error = "other users of this machine can read or change the folder: run `chmod 700` on \
                     it, and give them copies or exports",
        );
    }
    Ok(())
}
