//! What a run is told, what it tells while it goes on, and what it found at the end.

use std::path::PathBuf;
use std::time::Duration;

use lottery::{AgencyId, DrawName, NumberRange};

use crate::error::{AgencyError, RowFault};
use crate::form::Form;
use crate::transport::Tls;

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose bets they are.
    pub agency: AgencyId,
    /// Where the central is, as `HOST:PORT`.
    pub central: String,
    /// What to speak TLS with; none for plain text.
    pub tls: Option<Tls>,
    /// The file of bets. It is read twice, so it has to be a regular file.
    pub bets: PathBuf,
    /// How it is written.
    pub form: Form,
    /// The draw to bet in; none where it can't be mistaken.
    pub draw: Option<DrawName>,
    /// Most bets in a batch; see [`crate::limits::BATCH_BETS_MAX`].
    pub batch_bets_max: u32,
    /// Most batches sent and not yet acknowledged; see [`crate::limits::WINDOW`]. The central's
    /// applies when it is smaller.
    pub window: u16,
    /// Speak the field's protocol only: for a central that does not know HELLO.
    pub legacy: bool,
    /// Send the good rows when others are at fault.
    pub skip_invalid: bool,
    /// Finish even if the file has no bet to send.
    pub allow_empty: bool,
    /// Wait until the draw is opened, if it is announced.
    pub wait: bool,
    /// Longest time to try a central that never answered; see
    /// [`crate::limits::CONNECT_TIME_MAX_DEFAULT`].
    pub connect_time_max: Duration,
    /// The numbers to check the file against before anything is known of the draw.
    pub numbers: NumberRange,
    /// What the pauses between attempts are derived from.
    pub seed: u64,
}

/// What a run tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The file was read through. Told again when the draw's numbers are other than expected.
    Checked {
        /// Bets that will be sent.
        bets: u64,
        /// In how many batches.
        batches: u64,
        /// Rows that will not be sent.
        refused: u64,
    },
    /// The central answered.
    Connected,
    /// The connection is lost, or there was none. Another will be tried.
    Lost {
        /// Why.
        reason: String,
        /// When.
        retry_in: Duration,
    },
    /// The draw is not open yet. It will be asked for again.
    NotOpen {
        /// The central's words.
        reason: String,
    },
    /// More is known to be stored. These are totals, with what earlier runs had stored.
    Acknowledged {
        /// Bets.
        bets: u64,
        /// Batches.
        batches: u64,
    },
    /// The central noted that all bets of this agency are there.
    Finished,
    /// The draw has not been made; its winners are waited for.
    Waiting,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Report {
    /// Bets of the file known to be stored, by this run or an earlier one.
    pub bets: u64,
    /// The batches that hold them.
    pub batches: u64,
    /// Bets of the file, those at fault left out; none when it was not read through.
    pub bets_in_file: Option<u64>,
    /// Whether the central noted that this agency has no more bets, or takes none of it any more.
    pub finished: bool,
    /// Why not all bets of the file take part in the draw, if they don't. The winners are those of
    /// the ones that do.
    pub incomplete: Option<AgencyError>,
    /// Bytes of the BETS messages that this run sent and that were acknowledged.
    pub bytes: u64,
    /// From start to end.
    pub elapsed: Duration,
    /// How many of the batches were already stored by an earlier run.
    pub resumed: u64,
    /// The documents of this agency's winning bets; none when stopped before.
    pub winners: Vec<String>,
    /// The first [`crate::limits::FAULTS_MAX`] rows that were not sent.
    pub refused_rows: Vec<RowFault>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl Options {
    /// # Errors
    /// The first option that can't be used.
    pub(crate) fn check(&self) -> Result<(), AgencyError> {
        if self.batch_bets_max == 0 {
            let why = "a batch must be allowed to hold at least one bet";
            return Err(AgencyError::Options(why.to_owned()));
        }
        if self.legacy && self.draw.is_some() {
            let why =
                "the original protocol can't name a draw: leave out either --legacy or --draw";
            return Err(AgencyError::Options(why.to_owned()));
        }
        if self.agency == AgencyId(0) {
            let why = "there is no agency 0: agencies are numbered from 1";
            return Err(AgencyError::Options(why.to_owned()));
        }
        wire::limits::check_window(self.window)
            .map_err(|error| AgencyError::Options(error.to_string()))?;
        let port = self.central.rsplit_once(':').map(|(_, port)| port);
        if port.is_none_or(|port| port.parse::<u16>().is_err()) {
            let why = format!("'{}' is not an address: give HOST:PORT", self.central);
            return Err(AgencyError::Options(why));
        }
        Ok(())
    }
}
