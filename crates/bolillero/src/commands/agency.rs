//! `bolillero agency`: runs one agency, from its file of bets to its winners.

use std::io::Write as _;
use std::path::PathBuf;

use agency::{AgencyError, Form, Options, Progress, Report, RowFault, Tls};
use anyhow::{Context as _, anyhow};
use clap::Args;
use indicatif::MultiProgress;
use lottery::AgencyId;
use lottery::text::shown;
use pki::{AgencyFiles, PkiError};
use rustls::pki_types::{ServerName, UnixTime};
use serde::{Deserialize, Serialize};

use super::progress;
use crate::arg_types::{Delimiter, Encoding, Name, Numbers, Span};
use crate::exit::Ending;
use crate::logging::{self, LogFormat, LogLevel};
use crate::settings::{ReadSettings, is_false, needed};
use crate::{settings, signals};

const EXAMPLES: &str = "\
Examples:
  bolillero agency --id 1 --central 127.0.0.1:12345 --bets agency-1.csv
  bolillero agency --id 1 --central 127.0.0.1:12345 --bets agency-1.csv --legacy > winners.txt
  bolillero agency --id 1 --central central.example:12346 --bets agency-1.csv \
    --tls-ca ca.crt --tls-cert agency-1.crt --tls-key agency-1.key

  bolillero agency --id 1 --central 127.0.0.1:12345 --bets sheet.csv \
    --delimiter=';' --header --encoding windows-1252

The file has one bet per line: first name, last name, document, birthdate (YYYY-MM-DD), number. All
of it is validated before anything is sent. The documents of the winners are printed, one per line.
Run it again with the same file after an interruption, and it continues where it stopped. SIGTERM or
SIGINT shuts it down cleanly; a second one stops it at once.";

/// Settings of an agency. None: not given here.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AgencyArgs {
    /// The agency's number.
    #[arg(long, env = "BOLILLERO_ID", value_name = "N")]
    id: Option<u32>,

    /// Address of the central.
    #[arg(long, env = "BOLILLERO_CENTRAL", value_name = "HOST:PORT")]
    central: Option<String>,

    /// Use TLS, and trust central certificates of these authorities.
    #[arg(long, env = "BOLILLERO_TLS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// The agency's certificate, followed by intermediate certificates, if any.
    #[arg(long, env = "BOLILLERO_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The private key of the agency's certificate.
    #[arg(long, env = "BOLILLERO_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// The name or address in the central's certificate [default: --central's].
    #[arg(long, env = "BOLILLERO_TLS_NAME", value_name = "HOST")]
    tls_name: Option<String>,

    /// File of bets.
    #[arg(long, env = "BOLILLERO_BETS", value_name = "FILE")]
    bets: Option<PathBuf>,

    /// The field separator of the file: one character, or 'tab' [default: ,].
    #[arg(long, env = "BOLILLERO_DELIMITER", value_name = "CHAR")]
    delimiter: Option<Delimiter>,

    /// Skip the file's first line, which names the fields.
    #[arg(long, env = "BOLILLERO_HEADER")]
    #[serde(skip_serializing_if = "is_false")]
    header: bool,

    /// The file's encoding, such as windows-1252 or utf-16le [default: utf-8].
    #[arg(long, env = "BOLILLERO_ENCODING", value_name = "NAME")]
    encoding: Option<Encoding>,

    /// Draw to bet in; required only if several are open. Not possible with --legacy.
    #[arg(long, env = "BOLILLERO_DRAW", value_name = "NAME")]
    draw: Option<Name>,

    /// Most bets in a batch [default: 93].
    #[arg(long, env = "BOLILLERO_BATCH_MAX_BETS", value_name = "N")]
    batch_max_bets: Option<u32>,

    /// Most unacknowledged batches; the central's limit applies if it is smaller [default: 16].
    #[arg(long, env = "BOLILLERO_WINDOW", value_name = "N")]
    window: Option<u16>,

    /// Range of numbers to validate the file against before the draw's own range is known
    /// [default: 0-9999].
    #[arg(long, env = "BOLILLERO_NUMBERS", value_name = "MIN-MAX")]
    numbers: Option<Numbers>,

    /// Use the original protocol only: no HELLO, one batch at a time, polling for winners.
    #[arg(long, env = "BOLILLERO_LEGACY")]
    #[serde(skip_serializing_if = "is_false")]
    legacy: bool,

    /// Send the valid rows even if others are invalid, and list those.
    #[arg(long, env = "BOLILLERO_SKIP_INVALID")]
    #[serde(skip_serializing_if = "is_false")]
    skip_invalid: bool,

    /// Finish even if the file has no bet to send. This can't be undone.
    #[arg(long, env = "BOLILLERO_ALLOW_EMPTY")]
    #[serde(skip_serializing_if = "is_false")]
    allow_empty: bool,

    /// Wait for an announced draw to open.
    #[arg(long, env = "BOLILLERO_WAIT")]
    #[serde(skip_serializing_if = "is_false")]
    wait: bool,

    /// Longest time to try to reach the central for the first time. Once it has answered, retries
    /// last 10 minutes [default: 1m].
    #[arg(long, env = "BOLILLERO_CONNECT_TIME_MAX", value_name = "TIME")]
    connect_time_max: Option<Span>,

    /// Format of log lines [default: text].
    #[arg(long, env = "BOLILLERO_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// Lowest level that is logged [default: info].
    #[arg(long, env = "BOLILLERO_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<LogLevel>,

    /// TOML file with settings.
    #[arg(long, env = "BOLILLERO_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

/// Runs the agency until it has its winners or a signal stops it.
pub(crate) fn run(args: AgencyArgs) -> Result<(), Ending> {
    let file = args.config.clone();
    let settings = settings::layered(args, file.as_deref())?;
    let mut options = settings.options()?;
    options.tls = settings.tls(&options)?;
    let bars = MultiProgress::new();
    let (format, level) = (settings.log_format.unwrap_or_default(), settings.log_level);
    logging::start_above(bars.clone(), format, level.unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let bar = progress::of_batches(&bars);
    let ended = runtime.block_on(async {
        let shutdown = signals::shutdown_token()?;
        let mut waits = false;
        let mut show = |progress: Progress| match progress {
            Progress::Checked { batches, .. } => bar.set_length(batches),
            Progress::Acknowledged { batches, .. } => bar.set_position(batches),
            Progress::Connected if waits => {}
            Progress::Connected => bar.set_message("sending"),
            Progress::Lost { reason, .. } => bar.set_message(reason),
            Progress::NotOpen { reason } => bar.set_message(shown(&reason).into_owned()),
            Progress::Finished => bar.set_message("finished"),
            Progress::Waiting => {
                if !std::mem::replace(&mut waits, true) {
                    progress::waits_from_now(&bar);
                }
                bar.set_message("waiting for the draw");
            }
        };
        anyhow::Ok(agency::run(options, &mut show, shutdown).await)
    })?;
    bar.finish_and_clear();
    let report = ended.map_err(explain)?;
    print(&report.winners)?;
    log_end(&report);
    match left_undone(report) {
        Some(error) => Err(Ending::Failed(error)),
        None => Ok(()),
    }
}

/// Returns an error that describes what was not completed: bets that do not take part, or winners
/// that were not printed.
fn left_undone(report: Report) -> Option<anyhow::Error> {
    let stopped = report.stopped.then(|| {
        let again = "run it again with the same file";
        match (report.finished, report.bets_in_file) {
            (true, _) => anyhow!(
                "stopped before the winners arrived; {} bets are stored: {again} to get them",
                report.bets
            ),
            (false, Some(bets)) => anyhow!(
                "stopped before all bets were sent; at least {} of {bets} are stored: {again} to \
                 send the rest",
                report.bets
            ),
            (false, None) => anyhow!("stopped before anything was sent: {again}"),
        }
    });
    match (report.incomplete, stopped) {
        (None, stopped) => stopped,
        (Some(error), None) => Some(anyhow::Error::new(error).context(
            "not all bets of the file take part in the draw; the printed winners are those of the \
             bets that do",
        )),
        (Some(error), Some(stopped)) => Some(anyhow::Error::new(error).context(stopped)),
    }
}

/// Parses the text of an `agency` configuration file, without acting on it.
///
/// # Errors
/// The message for the user when the file can't be used.
pub fn agency_settings(text: &str) -> Result<ReadSettings, String> {
    ReadSettings::of(text, AgencyArgs::options)
}

impl AgencyArgs {
    fn options(&self) -> Result<Options, Ending> {
        let id = needed(self.id, "id")?;
        Ok(Options {
            agency: AgencyId(id),
            central: needed(self.central.clone(), "central")?,
            tls: None,
            bets: needed(self.bets.clone(), "bets")?,
            form: Form {
                delimiter: self.delimiter.map_or_else(Default::default, |Delimiter(it)| it),
                header: self.header,
                encoding: self.encoding.map_or_else(Default::default, |Encoding(it)| it),
            },
            draw: self.draw.clone().map(|Name(name)| name),
            batch_bets_max: self.batch_max_bets.unwrap_or(agency::limits::BATCH_BETS_MAX),
            window: self.window.unwrap_or(agency::limits::WINDOW),
            legacy: self.legacy,
            skip_invalid: self.skip_invalid,
            allow_empty: self.allow_empty,
            wait: self.wait,
            connect_time_max: self
                .connect_time_max
                .map_or(agency::limits::CONNECT_TIME_MAX_DEFAULT, |Span(time)| time),
            numbers: self.numbers.map_or_else(Default::default, |Numbers(range)| range),
            // Gives each agency a different seed, so that agencies that lost the central together
            // do not all reconnect at the same time.
            seed: u64::from(id) << 32 | u64::from(std::process::id()),
        })
    }
}

impl AgencyArgs {
    /// Returns the TLS settings, or `None` when no TLS option was given.
    fn tls(&self, options: &Options) -> Result<Option<Tls>, Ending> {
        let given = [&self.tls_ca, &self.tls_cert, &self.tls_key];
        if given.iter().all(|file| file.is_none()) && self.tls_name.is_none() {
            return Ok(None);
        }
        let files = AgencyFiles {
            ca: needed(self.tls_ca.clone(), "tls-ca")?,
            certificate: needed(self.tls_cert.clone(), "tls-cert")?,
            key: needed(self.tls_key.clone(), "tls-key")?,
        };
        let host = options.central.rsplit_once(':').map_or(&*options.central, |(host, _)| host);
        let host = self.tls_name.as_deref().unwrap_or(host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Ending::wrong(PkiError::NotAHost(host.to_owned())))?;
        let config = pki::agency_config(&files, options.agency.0, UnixTime::now())
            .context("can't use TLS")
            .map_err(Ending::Wrong)?;
        Ok(Some(Tls { config, name }))
    }
}

/// Maps an agency error to an [`Ending`], and logs the rows at fault.
fn explain(error: AgencyError) -> Ending {
    if let AgencyError::BadRows { rows, count, .. } = &error {
        log_rows(rows);
        let unnamed = count - rows.len() as u64;
        if unnamed > 0 {
            tracing::error!(action = "check_bets", result = "fail", unnamed);
        }
    }
    if error.is_wrong_input() { Ending::Wrong(error.into()) } else { error.into() }
}

fn log_rows(rows: &[RowFault]) {
    for row in rows {
        tracing::error!(action = "check_bets", result = "fail", error = %row);
    }
}

fn log_end(report: &Report) {
    log_rows(&report.refused_rows);
    let seconds = report.elapsed.as_secs_f64();
    tracing::info!(
        action = "summary",
        result = if report.stopped { "interrupted" } else { "success" },
        bets = report.bets,
        batches = report.batches,
        already_stored = report.resumed,
        bytes = report.bytes,
        seconds = %format_args!("{seconds:.3}"),
        bytes_per_second = %format_args!("{:.0}", per_second(report.bytes, seconds)),
        bets_per_second = %format_args!("{:.0}", per_second(report.bets, seconds)),
    );
    let result = match (report.stopped, &report.incomplete) {
        (true, _) => "interrupted",
        (false, Some(_)) => "fail",
        (false, None) => "success",
    };
    tracing::info!(action = "exit", result);
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn print(winners: &[String]) -> Result<(), Ending> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for document in winners {
        writeln!(out, "{}", shown(document)).context("can't write the winners")?;
    }
    out.flush().context("can't write the winners")?;
    Ok(())
}
