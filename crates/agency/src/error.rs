//! What goes wrong: with a row, with a connection, and with a whole run.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lottery::{AgencyId, BetFault};
use thiserror::Error;
use wire::{ErrorCode, FaultCode, ProtocolViolation};

use crate::limits::{ROW_LEN_MAX, STALL_TIME_MAX, WINNERS_LEN_MAX};
use crate::looks::Looks;

/// A row of the file that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The file, as it was named in the options.
    pub file: Arc<Path>,
    /// The line that the row starts on, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: RowReason,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, reason } = self;
        write!(f, "{}:{line}: {reason}", file.display())
    }
}

/// Bets of the file that follow on each other, refused rows between them left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The line of the first, from 1.
    pub first: u64,
    /// The line of the last.
    pub last: u64,
    /// How many bets.
    pub bets: u64,
}

impl Lines {
    /// With the bets on these lines behind it.
    pub(crate) fn with(before: Option<Self>, lines: &[u64]) -> Option<Self> {
        let (first, last) = (*lines.first()?, *lines.last()?);
        let (first, bets) = before.map_or((first, 0), |before| (before.first, before.bets));
        Some(Self { first, last, bets: bets + lines.len() as u64 })
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, bets } = self;
        write!(f, "lines {first} to {last} ({bets} bets)")
    }
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RowReason {
    /// Not five fields, but this many.
    #[error("a bet has five fields (first name, last name, document, birthdate, number), not {0}")]
    FieldCount(usize),
    /// A field is not UTF-8.
    #[error("the text is not valid in its encoding, UTF-8 unless --encoding says otherwise")]
    NotUtf8,
    /// A quotation mark inside an unquoted field or behind a quoted one, or one never closed.
    #[error("a quotation mark is out of place or is never closed")]
    Quotes,
    /// It goes on to this line, within quotation marks.
    #[error("the row goes on to line {0}, within quotation marks; a bet takes one line")]
    Lines(u64),
    /// Longer than [`ROW_LEN_MAX`].
    #[error("longer than {ROW_LEN_MAX} bytes; is a closing quotation mark missing?")]
    TooLong,
    /// Not an acceptable bet.
    #[error(transparent)]
    Bet(#[from] BetFault),
    /// Too long for the messages that the central takes.
    #[error("the bet does not fit in a message of {0} bytes")]
    Message(u32),
    /// Refused by the central.
    #[error("refused by the central: {0}")]
    Central(FaultCode),
}

/// Why a run failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgencyError {
    /// An option that can't be used.
    #[error("{0}")]
    Options(String),
    /// The file can't be opened.
    #[error("can't open '{}'", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is a directory, a pipe or the like: it can't be read twice.
    #[error("'{}' is not a regular file; it is read twice, so it has to be one", file.display())]
    NotRegular {
        /// The file.
        file: PathBuf,
    },
    /// The file can't be read.
    #[error("can't read '{}'", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file was written to while it was being sent.
    #[error("'{}' changed after it was checked; run again when it is complete", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// Rows of the file are at fault. Nothing was sent.
    #[error("{}{looks}", describe_rows(.rows, *.count))]
    BadRows {
        /// The first [`crate::limits::FAULTS_MAX`] of them, in order.
        rows: Vec<RowFault>,
        /// How many there are.
        count: u64,
        /// What the file looks like, if not as expected.
        looks: Looks,
    },
    /// The file holds no bet to send. Nothing was sent: to finish with nothing can't be undone.
    #[error(
        "'{}' holds no bet{}: nothing was sent; an agency without bets finishes with \
         --allow-empty{looks}",
        file.display(), besides(*.refused)
    )]
    NoBets {
        /// The file.
        file: PathBuf,
        /// Rows at fault, that were to be skipped.
        refused: u64,
        /// What it looks like, if not as expected.
        looks: Looks,
    },
    /// What is said to be a header is a bet, which would be lost.
    #[error("{}:{line}: this is a bet and no header: leave out --header", file.display())]
    HeaderIsABet {
        /// The file.
        file: PathBuf,
        /// The line.
        line: u64,
    },
    /// The file makes more batches than there are chunk ids.
    #[error("the file has more batches than the protocol can number; raise the bets in a batch")]
    TooManyBatches,
    /// TLS with the central is not possible: it is the certificates, or it does not speak TLS.
    #[error("TLS with the central is not possible: {}", pki::describe(.0))]
    Tls(rustls::Error),
    /// The central refused for good.
    #[error("{}", describe_refusal(*.code, .reason, *.chunk, .rows))]
    Refused {
        /// Its code.
        code: ErrorCode,
        /// Its words.
        reason: String,
        /// Which chunk; none when everything was refused.
        chunk: Option<u32>,
        /// The bets that it named, as rows of the file.
        rows: Vec<RowFault>,
    },
    /// What the central holds of this agency is not how the file begins.
    #[error(
        "the central holds other bets for the first {chunks} batches of agency {agency}: to go on \
         sending, the same file is needed with the same batch limit (--batch-max-bets)"
    )]
    OtherBets {
        /// The agency.
        agency: AgencyId,
        /// The chunks `0..chunks` are stored.
        chunks: u64,
    },
    /// This agency finished before, or the draw is closed, and the file holds more bets.
    #[error(
        "{state}: of {}, {} part, and {left} do not",
        file.display(), describe_stored(.stored.as_ref())
    )]
    NoMoreBets {
        /// The file.
        file: PathBuf,
        /// Why no more.
        state: &'static str,
        /// The bets that take part.
        stored: Option<Lines>,
        /// Those that don't.
        left: Lines,
    },
    /// The central no longer has what it acknowledged.
    #[error("the central acknowledged {acknowledged} batches and now holds only {stored}")]
    LostByCentral {
        /// How many were acknowledged.
        acknowledged: u64,
        /// How many there are now.
        stored: u64,
    },
    /// More winners than this program keeps.
    #[error("the winners take more than {WINNERS_LEN_MAX} bytes")]
    TooManyWinners,
    /// Something else than a central for this agency answers.
    #[error("no central for this agency at {central}: {what}")]
    WrongAddress {
        /// Where.
        central: String,
        /// What does.
        what: Speaks,
    },
    /// No central ever answered.
    #[error(
        "no central found at {central} in {} s: {last}; is --central right? --connect-time-max \
         tries for longer",
        after.as_secs()
    )]
    NeverReached {
        /// Where it was looked for.
        central: String,
        /// For how long.
        after: Duration,
        /// How the last attempt ended.
        last: Loss,
    },
    /// The central could not be reached, or did nothing, for too long.
    #[error("no progress for {} seconds; at last: {last}", STALL_TIME_MAX.as_secs())]
    Stalled {
        /// How the last attempt ended.
        last: Loss,
    },
}

impl AgencyError {
    /// Whether the input is at fault: the file's rows, or an option.
    #[must_use]
    pub fn is_wrong_input(&self) -> bool {
        match self {
            Self::Options(_)
            | Self::BadRows { .. }
            | Self::NoBets { .. }
            | Self::HeaderIsABet { .. }
            | Self::NotRegular { .. } => true,
            Self::Refused { code, .. } => *code == ErrorCode::BadBets,
            Self::Open { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Read { .. }
            | Self::Changed { .. }
            | Self::TooManyBatches
            | Self::OtherBets { .. }
            | Self::NoMoreBets { .. }
            | Self::LostByCentral { .. }
            | Self::TooManyWinners
            | Self::Tls(_)
            | Self::WrongAddress { .. }
            | Self::NeverReached { .. }
            | Self::Stalled { .. } => false,
        }
    }
}

/// How a connection ended, or why there was none. Another is tried.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Loss {
    /// Its name has no address.
    #[error("can't find its address, is the name right? {0}")]
    Lookup(io::Error),
    /// Not connected.
    #[error("{}", describe_connect(.0))]
    Connect(io::Error),
    /// Something else answered.
    #[error("{0}")]
    Other(Speaks),
    /// Not connected in time.
    #[error("can't connect: no answer after {} seconds", .0.as_secs())]
    ConnectTime(Duration),
    /// TLS was not agreed on, or broke.
    #[error("TLS with the central failed: {}", pki::describe(.0))]
    Tls(rustls::Error),
    /// Closed before TLS was agreed on.
    #[error(
        "the connection was closed before TLS was agreed on: the central has no room, or does not \
         speak TLS there"
    )]
    TlsClosed,
    /// TLS was not agreed on in time.
    #[error("no TLS after {} seconds: does the central speak it there?", .0.as_secs())]
    TlsTime(Duration),
    /// Closed by the central.
    #[error("the central closed the connection")]
    Closed,
    /// Closed in answer to HELLO.
    #[error("the central closed the connection at HELLO; one that doesn't know it needs --legacy")]
    ClosedAtHello,
    /// Reading or writing failed.
    #[error("connection lost: {0}")]
    Io(io::Error),
    /// A reply was due and did not come.
    #[error("no reply from the central after {} seconds", .0.as_secs())]
    ReplyTime(Duration),
    /// The central does not follow the protocol.
    #[error("the central sent {0}")]
    Violation(ProtocolViolation),
    /// The central's answer is to something else than was asked.
    #[error("the central answered something else than was asked")]
    Unexpected,
    /// The central sent a WELCOME that no draw can have.
    #[error("the central sent a WELCOME with an impossible range of numbers")]
    Numbers,
    /// The central takes no more bets. What of it is stored is to be asked.
    #[error("the central takes no more bets: {code}: {reason}")]
    NoMoreBets {
        /// Its code.
        code: ErrorCode,
        /// Its words.
        reason: String,
    },
    /// The central refused for now.
    #[error("refused by the central for now: {code}: {reason}")]
    Refused {
        /// Its code.
        code: ErrorCode,
        /// Its words.
        reason: String,
    },
}

/// What answers that is not a central as it was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Speaks {
    /// TLS, where plain text was expected.
    #[error(
        "what listens there speaks TLS: give --tls-ca, --tls-cert and --tls-key, or the port for \
         plain text"
    )]
    Tls,
    /// HTTP.
    #[error("what listens there speaks HTTP: give the port for agencies, not that for operators")]
    Http,
    /// The agencies' protocol in plain text, where TLS was expected.
    #[error("what listens there does not speak TLS: give the port for TLS, or leave out --tls-...")]
    Plain,
}

impl Speaks {
    /// What the first bytes tell that came from there.
    pub(crate) fn of(bytes: &[u8], by_tls: bool) -> Option<Self> {
        match bytes {
            [b'H', b'T', b'T', b'P', ..] => Some(Self::Http),
            // A record of an alert or of a handshake.
            [21 | 22, 3, ..] => (!by_tls).then_some(Self::Tls),
            // Any message of the agencies' protocol.
            [0, ..] => by_tls.then_some(Self::Plain),
            _ => None,
        }
    }
}

fn describe_connect(error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens on that port: ",
        _ => "",
    };
    format!("can't connect: {why}{error}")
}

fn describe_stored(stored: Option<&Lines>) -> String {
    stored.map_or_else(|| "nothing takes".to_owned(), |lines| format!("{lines} take"))
}

fn besides(refused: u64) -> String {
    match refused {
        0 => String::new(),
        1 => " but a row at fault".to_owned(),
        _ => format!(" but {refused} rows at fault"),
    }
}

fn describe_rows(rows: &[RowFault], count: u64) -> String {
    let first = rows.first().map_or_else(String::new, RowFault::to_string);
    match count {
        0 | 1 => first,
        2 => format!("{first}; 1 other row is at fault too"),
        _ => format!("{first}; {} other rows are at fault too", count - 1),
    }
}

fn describe_refusal(
    code: ErrorCode,
    reason: &str,
    chunk: Option<u32>,
    rows: &[RowFault],
) -> String {
    let what = chunk.map_or_else(String::new, |chunk| format!(" batch {chunk}"));
    let why = match reason {
        "" => code.to_string(),
        reason => format!("{code}: {reason}"),
    };
    let bets = match describe_rows(rows, rows.len() as u64) {
        bets if bets.is_empty() => bets,
        bets => format!(" ({bets})"),
    };
    let remedy = match code {
        ErrorCode::NoOpenDraw => "; --draw NAME says which one is meant",
        ErrorCode::NotOpenYet => "; --wait waits for its opening",
        ErrorCode::TooManyBatches => "; ask the lottery's operators what becomes of the rest",
        _ => "",
    };
    format!("the central refused{what}: {why}{bets}{remedy}")
}
