//! The options of a run, its progress events and its final report.

use std::path::PathBuf;
use std::time::Duration;

use lottery::{AgencyId, DrawName, NumberRange};

use crate::error::{AgencyError, OptionFault, RowFault};
use crate::form::Form;
use crate::language::Language;
use crate::reread::{CheckedFile, Rejected};
use crate::transport::Tls;

/// A central, as agencies reach it.
#[derive(Clone, Debug)]
pub struct Central {
    /// The address, as `HOST:PORT`.
    pub address: String,
    /// The TLS settings; `None` for plain text.
    pub tls: Option<Tls>,
}

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The agency whose bets are sent.
    pub agency: AgencyId,
    /// The central, or several that share one log: any of them serves the agency, which moves on to
    /// another when it loses one.
    pub centrals: Vec<Central>,
    /// The file of bets. It is read twice, so it must be a regular file.
    pub bets: PathBuf,
    /// How the file is written.
    pub form: Form,
    /// The draw to bet in; `None` lets the central choose when it is unambiguous.
    pub draw: Option<DrawName>,
    /// Maximum number of bets in a batch; see [`crate::limits::BATCH_BETS_MAX`].
    pub batch_bets_max: u32,
    /// Maximum number of batches sent and not yet acknowledged; see [`crate::limits::WINDOW`]. The
    /// central's limit applies when it is smaller.
    pub window: u16,
    /// Use only the legacy protocol, for a central that does not know HELLO.
    pub legacy: bool,
    /// Skip invalid rows and send the rest.
    pub skip_invalid: bool,
    /// Finish even if the file has no bet to send.
    pub allow_empty: bool,
    /// Wait until the draw opens, if it is announced.
    pub wait: bool,
    /// How long to try to reach a central that answers. Each is tried once at least; see
    /// [`crate::limits::CONNECT_TIME_MAX_DEFAULT`].
    pub connect_time_max: Duration,
    /// The range of numbers to validate the file against before the draw's range is known.
    pub numbers: NumberRange,
    /// The language of the texts in [`Progress`].
    pub language: Language,
    /// The seed of the backoff's jitter.
    pub seed: u64,
}

/// A progress event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The file was validated. Repeated when the draw's terms differ from those assumed.
    Checked {
        /// Number of bets to send.
        bets: u64,
        /// Number of batches they make.
        batches: u64,
        /// Number of rows that are skipped.
        refused: u64,
        /// The first [`crate::limits::FAULTS_MAX`] of them.
        refused_rows: Vec<RowFault>,
    },
    /// The connection is established; unless in legacy mode, the central answered HELLO.
    Connected,
    /// The connection was lost or could not be made. The run retries, at another central if there
    /// are several.
    Lost {
        /// The central's address.
        address: String,
        /// The reason.
        reason: String,
        /// The pause before the next attempt.
        retry_in: Duration,
    },
    /// The draw is not open yet. The run asks again.
    NotOpen {
        /// The central's reason.
        reason: String,
    },
    /// More batches are known to be stored. The totals include what earlier runs stored.
    Acknowledged {
        /// Total number of bets.
        bets: u64,
        /// Total number of batches.
        batches: u64,
    },
    /// The central recorded that this agency has sent all of its bets.
    Finished,
    /// The draw has not taken place yet; the run waits for the winners.
    Waiting,
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Bets of the file known to be stored, by this run or an earlier one.
    pub bets: u64,
    /// Number of batches that hold them.
    pub batches: u64,
    /// Number of valid bets in the file; `None` if it was not read completely.
    pub bets_in_file: Option<u64>,
    /// Whether the central recorded that this agency has finished, or takes no more of its bets.
    pub finished: bool,
    /// Why some bets of the file do not take part in the draw, if so. The winners are then those
    /// among the bets that do.
    pub incomplete: Option<AgencyError>,
    /// Total length of the BETS messages that this run sent and that were acknowledged.
    pub bytes: u64,
    /// Duration of the run.
    pub elapsed: Duration,
    /// Number of the batches that an earlier run had already stored.
    pub resumed: u64,
    /// The documents of this agency's winning bets; empty when the run was stopped before.
    pub winners: Vec<String>,
    /// The file as it was validated; `None` if it was not read completely.
    pub(crate) checked: Option<CheckedFile>,
    /// Whether the run was stopped early.
    pub stopped: bool,
}

impl Report {
    /// Returns the rejected rows of the file; `None` if it was not read completely.
    #[must_use]
    pub fn rejected(&self) -> Option<Rejected<'_>> {
        self.checked.as_ref().map(|checked| checked.rejected(&[]))
    }
}

impl Central {
    fn has_port(&self) -> bool {
        let port = self.address.rsplit_once(':').map(|(_, port)| port);
        port.is_some_and(|port| port.parse::<u16>().is_ok())
    }
}

impl Options {
    /// Validates the options.
    ///
    /// # Errors
    /// When an option is invalid; names the first one.
    pub(crate) fn check(&self) -> Result<(), AgencyError> {
        let fault = if self.batch_bets_max == 0 {
            OptionFault::EmptyBatch
        } else if self.legacy && self.draw.is_some() {
            OptionFault::LegacyDraw
        } else if self.agency == AgencyId(0) {
            OptionFault::AgencyZero
        } else if wire::limits::check_window(self.window).is_err() {
            OptionFault::Window(wire::limits::WINDOW_MAX)
        } else if self.centrals.is_empty() {
            OptionFault::NoCentral
        } else if let Some(central) = self.centrals.iter().find(|central| !central.has_port()) {
            OptionFault::Address(central.address.clone())
        } else {
            return Ok(());
        };
        Err(AgencyError::Options(fault))
    }
}
