//! `bolillero follow`: a warm standby of a central, on another machine.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::pki::{http_client_config, read_own};
use anyhow::Context as _;
use central::Zone;
use clap::Args;
use engine::{LedgerId, Log};
use ledger::{Archive, Fault, Options};
use operators::{OperatorsFile, People, Secret};
use standby::{Address, Follower, Place, Source, State};
use tokio::runtime::Runtime;

use super::place::open_ledger;
use crate::exit::Ending;
use crate::logging::{self, LogFormat, LogLevel};
use crate::{signals, supervisor};

const EXAMPLES: &str = "\
Examples:
  bolillero follow --from https://central.example --ca ca.crt \\
    --token-file standby.token --data ./standby
  bolillero follow --from http://127.0.0.1:8080 --token-file standby.token --data ./standby

On the central, an operator of the role standby and a token for it:
  bolillero operator add reserve --role standby --data ./data
  bolillero operator token reserve --label machine-2 --days 366 --data ./data > standby.token

To take the central's place, once it is certain that it no longer runs: stop this with SIGTERM, and
start `bolillero serve` on the same folder.";

/// Which central to follow, and where to keep the copy.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FollowArgs {
    /// Address of the central over HTTP, as operators reach it. Plain http:// is for this machine
    /// only: the ledger has numbers that nobody may see.
    #[arg(long, env = "BOLILLERO_FROM", value_name = "URL")]
    from: Address,

    /// Authorities that certify the central, in PEM, for https://; for a public one, the system's
    /// file, such as /etc/ssl/certs/ca-certificates.crt.
    #[arg(long, env = "BOLILLERO_CA", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// File with a token of an operator of the role standby, readable by its owner only.
    #[arg(long, env = "BOLILLERO_TOKEN_FILE", value_name = "FILE")]
    token_file: PathBuf,

    /// Folder of the copy; created if missing, accessible to its owner only. No central can run on
    /// it meanwhile.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: PathBuf,

    /// Format of log lines.
    #[arg(long, env = "BOLILLERO_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// Lowest level that is logged.
    #[arg(long, env = "BOLILLERO_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: LogLevel,
}

/// The folder of the copy.
struct Folder(PathBuf);

/// What must be so before the copy can take the central's place.
#[derive(Default)]
struct Readiness {
    has_caught_up: AtomicBool,
    has_operators: AtomicBool,
    is_told: AtomicBool,
}

/// Follows the central until a signal or a refusal.
pub(crate) fn run(args: FollowArgs) -> Result<(), Ending> {
    let FollowArgs { from: address, ca, token_file, data, log_format, log_level } = args;
    let token = token_in(&token_file)?;
    let tls = match (address.is_encrypted(), ca) {
        (true, Some(ca)) => {
            let config = http_client_config(&ca);
            Some(config.map_err(|error| Ending::of(error.is_wrong_input(), error.into()))?)
        }
        (true, None) => {
            return Err(Ending::wrong(
                "https:// requires --ca: the authority that certifies the central, or for a \
                 public one the system's file, such as /etc/ssl/certs/ca-certificates.crt",
            ));
        }
        (false, Some(_)) => return Err(Ending::wrong("--ca has no effect with http://")),
        (false, None) => None,
    };
    let _written_at_the_end = logging::start_queued(log_format, log_level, Zone::default())?;
    let runtime = Runtime::new().context("can't start the runtime")?;
    runtime.block_on(async { signals::outlive_file_limits() })?;
    supervisor::opens();
    let folder = Folder(data);
    let log = folder.opened()?;
    let (from, readiness) = (address.to_string(), Readiness::default());
    let source = Source { address, tls, token };
    let tell = move |state| tell(&from, &readiness, state);
    let follower = Follower::new(source, Arc::new(folder), log, tell)?;
    runtime.block_on(async {
        let shutdown = signals::shutdown_token().context("can't listen for signals")?;
        let ending = shutdown.clone();
        // Whatever the disk does: a restart would not help, and the central shows who is behind.
        let feeding = tokio::spawn(async move { supervisor::feed_until(&ending, || true).await });
        let followed = follower.follow(&shutdown).await;
        shutdown.cancel();
        feeding.await.context("telling the service manager panicked")?;
        followed?;
        tracing::info!(action = "shutdown", result = "success");
        Ok(())
    })
}

fn token_in(file: &Path) -> Result<Secret, Ending> {
    let text = read_own(file).map_err(Ending::wrong)?;
    let token = std::str::from_utf8(&text).ok().and_then(|text| Secret::parse(text.trim_end()));
    token.ok_or_else(|| {
        Ending::wrong(format!(
            "{} holds no token: put there the line that `bolillero operator token` prints",
            file.display()
        ))
    })
}

impl Folder {
    /// Opens the copy, if there is one already.
    fn opened(&self) -> Result<Option<Box<dyn Log>>, Ending> {
        match Archive::open(&self.0).map(drop) {
            Ok(()) => {}
            Err(Fault::NoFolder | Fault::NoLedger) => return Ok(None),
            Err(fault) => {
                let is_wrong = fault.is_of_no_folder();
                let context = format!("can't open the ledger in {}", self.0.display());
                return Err(Ending::of(is_wrong, anyhow::Error::new(fault).context(context)));
            }
        }
        // It keeps its own id.
        let ledger = open_ledger(&self.0, Options::new(LedgerId([0; 16])))?;
        Ok(Some(Box::new(ledger)))
    }
}

impl Place for Folder {
    fn open(&self, id: LedgerId) -> Result<Box<dyn Log>, String> {
        match open_ledger(&self.0, Options::new(id)) {
            Ok(ledger) => Ok(Box::new(ledger)),
            Err(ending) => Err(format!("{:#}", ending.into_error())),
        }
    }

    fn keep(&self, operators: People) -> Result<(), String> {
        let kept = OperatorsFile::in_folder(&self.0).replace(|_| Ok::<_, Infallible>(operators));
        kept.map_err(|error| error.to_string())
    }
}

/// Logs what the standby tells, and tells the service manager.
fn tell(from: &str, readiness: &Readiness, state: State) {
    match state {
        State::Behind { records, behind } => {
            tracing::info!(action = "follow", result = "in_progress", from, records, behind);
            supervisor::follows(false, &format!("copies {behind} records from {from}"));
        }
        State::CaughtUp { records } => {
            tracing::info!(action = "follow", result = "success", from, records);
            readiness.has_caught_up.store(true, Ordering::Relaxed);
            supervisor::follows(readiness.is_new(), &format!("follows {from}"));
        }
        State::Operators { version } => {
            tracing::info!(action = "follow_operators", result = "success", from, version);
            readiness.has_operators.store(true, Ordering::Relaxed);
            if readiness.is_new() {
                supervisor::follows(true, &format!("follows {from}"));
            }
        }
        State::RecordsLost(error) => {
            tracing::warn!(action = "follow", result = "fail", from, error);
            supervisor::follows(false, &format!("can't follow {from}: the log says why"));
        }
        State::OperatorsLost(error) => {
            tracing::warn!(action = "follow_operators", result = "fail", from, error);
        }
    }
}

impl Readiness {
    /// Whether the copy can take the central's place now and could not before.
    fn is_new(&self) -> bool {
        self.has_caught_up.load(Ordering::Relaxed)
            && self.has_operators.load(Ordering::Relaxed)
            && !self.is_told.swap(true, Ordering::Relaxed)
    }
}
