//! `bolillero agency`: runs one agency, from its file of bets to its winners.

mod files;
mod screen;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use agency::{
    AgencyError, Central, Form, Language, Options, Progress, Report, RowFault, Tls,
    certificate_text,
};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lottery::AgencyId;
use pki::{AgencyFiles, PkiError};
use rustls::pki_types::{ServerName, UnixTime};
use serde::{Deserialize, Serialize};

use self::files::RejectedFile;
use self::screen::Screen;
use crate::arg_types::{Delimiter, Encoding, Lang, Name, Numbers, Span, one_or_more};
use crate::exit::Ending;
use crate::logging::{self, LogFormat, LogLevel};
use crate::settings::{ReadSettings, is_false, needed};
use crate::{settings, signals};

const EXAMPLES: &str = "\
Examples:
  bolillero agency --id 1 --central 127.0.0.1:12345 --bets agency-1.csv
  bolillero agency --id 1 --central 127.0.0.1:12345 --bets agency-1.csv --legacy > winners.txt
  bolillero agency --id 1 --central central.example:12346 --bets agency-1.csv \\
    --tls-ca ca.crt --tls-cert agency-1.crt --tls-key agency-1.key

  bolillero agency --id 1 --central 127.0.0.1:12345 --bets sheet.csv \\
    --delimiter=';' --header --encoding windows-1252 --rejected mend.csv --lang es

  bolillero agency --id 1 --central one.example:12346,two.example:12346 --bets agency-1.csv \\
    --tls-ca ca.crt --tls-cert agency-1.crt --tls-key agency-1.key

The file has one bet per line: first name, last name, document, birthdate (YYYY-MM-DD), number. All
of it is validated before anything is sent. The documents of the winners are printed, one per line;
with --format csv, as bets with names and number. Messages are in Spanish if the locale is (LC_ALL,
LC_MESSAGES or LANG), or else in English; log lines are always in English.
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

    /// Address of the central. May be repeated, or several given with commas, if centrals share one
    /// log: the agency uses any of them, and moves on to another when it loses one.
    #[arg(long, env = "BOLILLERO_CENTRAL", value_name = "HOST:PORT")]
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    central: Vec<String>,

    /// Use TLS, and trust central certificates of these authorities.
    #[arg(long, env = "BOLILLERO_TLS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// The agency's certificate, followed by intermediate certificates, if any.
    #[arg(long, env = "BOLILLERO_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The private key of the agency's certificate.
    #[arg(long, env = "BOLILLERO_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// The name or address in the central's certificate [default: that of --central in use].
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

    /// Longest time to try to reach a central for the first time. Once it has answered, retries
    /// last 10 minutes [default: 1m].
    #[arg(long, env = "BOLILLERO_CONNECT_TIME_MAX", value_name = "TIME")]
    connect_time_max: Option<Span>,

    /// Format of the winners [default: documents].
    #[arg(long, env = "BOLILLERO_WINNERS_FORMAT", value_name = "FORMAT")]
    format: Option<Format>,

    /// Write every rejected row to a CSV file with its line and the reason, to correct it in a
    /// spreadsheet. Only this user can read the file.
    #[arg(long, env = "BOLILLERO_REJECTED", value_name = "FILE")]
    rejected: Option<PathBuf>,

    /// Overwrite an existing --rejected file.
    #[arg(long)]
    #[serde(skip_serializing_if = "is_false")]
    force: bool,

    /// Print winners, errors and the number of skipped rows only.
    #[arg(long, env = "BOLILLERO_QUIET")]
    #[serde(skip_serializing_if = "is_false")]
    quiet: bool,

    /// Language of messages [default: that of the locale].
    #[arg(long, env = "BOLILLERO_LANG", value_name = "LANG")]
    lang: Option<Lang>,

    /// Format of log lines [default: text].
    #[arg(long, env = "BOLILLERO_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// Lowest level that is logged: debug includes every batch and the first 1,000 rejected rows
    /// [default: info; error with --quiet or where a terminal shows the progress instead].
    #[arg(long, env = "BOLILLERO_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<LogLevel>,

    /// TOML file with settings.
    #[arg(long, env = "BOLILLERO_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

impl AgencyArgs {
    /// Checks the settings, and the files that they name.
    pub(super) fn check(&self) -> Result<(), Ending> {
        let mut options = self.options()?;
        self.use_tls(&mut options)
    }
}

/// The format of the winners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// The document of each winning bet, one per line.
    #[default]
    Documents,
    /// A header line, then one winning bet per line.
    Csv,
}

/// Runs the agency until it has its winners or a signal stops it.
pub(crate) fn run(args: AgencyArgs) -> Result<(), Ending> {
    let file = args.config.clone();
    let settings = settings::layered(args, file.as_deref())?;
    let language = settings.language();
    let mut options = settings.options()?;
    settings.use_tls(&mut options)?;
    let rejected = settings.rejected_file()?;
    let screen = Screen::new(language, settings.is_silent());
    let format = settings.log_format.unwrap_or_default();
    logging::start_above(screen.bars(), format, settings.log_level());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let mut progress = screen.progress();
    let mut skipped = Vec::new();
    let ended = runtime.block_on(async {
        let shutdown = signals::shutdown_token()?;
        let mut show = |event| {
            // Now: what is finished without them can't be undone. The file may be checked again.
            if let Progress::Checked { refused, refused_rows, .. } = &event
                && skipped != *refused_rows
            {
                settings.tell_skipped(&screen, refused_rows, *refused);
                skipped.clone_from(refused_rows);
            }
            progress.show(&event);
        };
        anyhow::Ok(agency::run(options, &mut show, shutdown).await)
    })?;
    progress.clear();
    let report = match ended {
        Ok(report) => report,
        Err(error) => return Err(explain(&error, &screen, rejected)),
    };
    files::print(&report, settings.format.unwrap_or_default(), &screen)?;
    let written = files::write_rejected(rejected, report.rejected(), &screen);
    let failed = match report.undone(language) {
        Some(undone) => Some(joined(undone, written)),
        None => written.err(),
    };
    log_end(&report, failed.is_some());
    if !report.stopped {
        screen.say(&report.summary(language));
    }
    failed.map_or(Ok(()), |error| Err(Ending::Failed(error)))
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
            centrals: self.centrals()?,
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
            language: self.language(),
            // Gives each agency a different seed, so that agencies that lost the central together
            // do not all reconnect at the same time.
            seed: u64::from(id) << 32 | u64::from(std::process::id()),
        })
    }
}

impl AgencyArgs {
    /// Returns the requested language, or that of the locale.
    fn language(&self) -> Language {
        self.lang.map_or_else(
            || {
                let variables = ["LC_ALL", "LC_MESSAGES", "LANG"];
                let mut locale = variables.iter().filter_map(std::env::var_os);
                let locale = locale.find(|locale| !locale.is_empty());
                Language::of_locale(&locale.unwrap_or_default().to_string_lossy())
            },
            Language::from,
        )
    }

    /// Returns whether nothing but winners, errors and log lines is printed.
    fn is_silent(&self) -> bool {
        self.quiet || self.log_format == Some(LogFormat::Json)
    }

    /// Lists the rows that are skipped.
    fn tell_skipped(&self, screen: &Screen, rows: &[RowFault], count: u64) {
        list(screen, rows, count, self.rejected.is_some());
        if self.quiet {
            screen.say_unsent(count);
        }
    }

    fn log_level(&self) -> LogLevel {
        let shows_progress = std::io::stderr().is_terminal() && !self.is_silent();
        let default = if self.quiet || shows_progress { LogLevel::Error } else { LogLevel::Info };
        self.log_level.unwrap_or(default)
    }

    fn rejected_file(&self) -> Result<Option<RejectedFile>, Ending> {
        let Some(path) = &self.rejected else { return Ok(None) };
        let language = self.language();
        if self.bets.as_deref().is_some_and(|bets| files::are_same(bets, path)) {
            let same = language.t(
                "es el archivo de las apuestas: nombre otro para --rejected",
                "is the file of bets: name another one for --rejected",
            );
            return Err(Ending::wrong(format!("{} {same}", path.display())));
        }
        RejectedFile::create(path, self.force, language).map(Some)
    }

    /// Returns the given centrals, without TLS.
    fn centrals(&self) -> Result<Vec<Central>, Ending> {
        let given = Some(&self.central).filter(|given| !given.is_empty());
        let addresses = needed(given, "central")?.iter().flat_map(|some| some.split(','));
        let central = |address: &str| Central { address: address.trim().to_owned(), tls: None };
        Ok(addresses.map(central).collect())
    }

    /// Adds the TLS settings to each central, if any TLS option was given.
    fn use_tls(&self, options: &mut Options) -> Result<(), Ending> {
        let given = [&self.tls_ca, &self.tls_cert, &self.tls_key];
        if given.iter().all(|file| file.is_none()) && self.tls_name.is_none() {
            return Ok(());
        }
        let files = AgencyFiles {
            ca: needed(self.tls_ca.clone(), "tls-ca")?,
            certificate: needed(self.tls_cert.clone(), "tls-cert")?,
            key: needed(self.tls_key.clone(), "tls-key")?,
        };
        let unusable = |error: PkiError| Ending::wrong(certificate_text(&error, self.language()));
        let config =
            pki::agency_config(&files, options.agency.0, UnixTime::now()).map_err(unusable)?;
        for Central { address, tls } in &mut options.centrals {
            let host = address.rsplit_once(':').map_or(&**address, |(host, _)| host);
            let host = self.tls_name.as_deref().unwrap_or(host).trim_matches(['[', ']']);
            let name = ServerName::try_from(host.to_owned())
                .map_err(|_| unusable(PkiError::NotAHost(host.to_owned())))?;
            *tls = Some(Tls { config: Arc::clone(&config), name });
        }
        Ok(())
    }
}

/// Maps an agency error to an [`Ending`], and reports the rejected rows.
fn explain(error: &AgencyError, screen: &Screen, rejected: Option<RejectedFile>) -> Ending {
    match error {
        AgencyError::BadRows { rows, count, .. }
        | AgencyError::NoBets { rows, refused: count, .. } => {
            list(screen, rows, *count, rejected.is_some());
        }
        AgencyError::Refused { rows, .. } => {
            screen.list(rows, rows.len() as u64, rejected.is_some());
        }
        _ => {}
    }
    let written = files::write_rejected(rejected, error.rejected(), screen);
    let text = joined(error.text(screen.language()), written);
    Ending::of(error.is_wrong_input(), text)
}

/// Returns the error of a run, followed by that of its file of rejected rows, if it has one.
fn joined(text: String, written: anyhow::Result<()>) -> anyhow::Error {
    anyhow::Error::msg(match written {
        Ok(()) => text,
        Err(error) => format!("{text}; {error:#}"),
    })
}

/// Lists the first invalid rows of `count` to the person and in the log.
fn list(screen: &Screen, rows: &[RowFault], count: u64, in_file: bool) {
    screen.list(rows, count, in_file);
    for row in rows {
        tracing::debug!(action = "check_bets", result = "fail", error = %row);
    }
    if count > 0 {
        let error = match in_file {
            true => "rows are not valid: the file of --rejected has them",
            false => "rows are not valid: --rejected FILE lists them",
        };
        tracing::warn!(action = "check_bets", result = "fail", rows = count, error);
    }
}

fn log_end(report: &Report, failed: bool) {
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
    let result = match (report.stopped, failed) {
        (true, _) => "interrupted",
        (false, true) => "fail",
        (false, false) => "success",
    };
    tracing::info!(action = "exit", result);
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_centrals_are_a_list_or_separated_by_commas() {
        for (text, expected) in [
            ("central = 'a:1'", &["a:1"][..]),
            ("central = 'a:1,b:2, [::1]:3'", &["a:1", "b:2", "[::1]:3"]),
            ("central = ['a:1', 'b:2']", &["a:1", "b:2"]),
            ("central = ['a:1,b:2', 'c:3']", &["a:1", "b:2", "c:3"]),
        ] {
            let centrals = toml::from_str::<AgencyArgs>(text).unwrap().centrals().ok().unwrap();
            let addresses: Vec<_> = centrals.iter().map(|central| &*central.address).collect();
            assert_eq!(addresses, expected, "{text}");
        }
        assert!(AgencyArgs::default().centrals().is_err());
    }
}
