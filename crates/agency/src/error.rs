//! The errors of a row, of a connection and of a whole run.

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

/// An invalid row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The path of the file as given in the options.
    pub file: Arc<Path>,
    /// The line that the row starts on, counted from 1.
    pub line: u64,
    /// Why the row is invalid.
    pub reason: RowReason,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, reason } = self;
        write!(f, "{}:{line}: {reason}", file.display())
    }
}

/// A range of consecutive bets of the file; the invalid rows among them are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The line of the first bet, counted from 1.
    pub first: u64,
    /// The line of the last bet.
    pub last: u64,
    /// The number of bets.
    pub bets: u64,
}

impl Lines {
    /// Returns `before` extended by the bets on `lines`.
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

/// Why a row is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RowReason {
    /// The row has this many fields instead of five.
    #[error("a bet has five fields (first name, last name, document, birthdate, number), not {0}")]
    FieldCount(usize),
    /// A field is not valid text in its encoding.
    #[error("the text is not valid in its encoding, UTF-8 unless --encoding says otherwise")]
    NotUtf8,
    /// A quotation mark is inside an unquoted field, follows a quoted one, or is never closed.
    #[error("a quotation mark is out of place or is never closed")]
    Quotes,
    /// A quoted field continues to this line; a bet must fit on one line.
    #[error("the quoted row continues to line {0}; a bet must be on one line")]
    Lines(u64),
    /// The row is longer than [`ROW_LEN_MAX`].
    #[error("longer than {ROW_LEN_MAX} bytes; is a closing quotation mark missing?")]
    TooLong,
    /// The row is not a valid bet.
    #[error(transparent)]
    Bet(#[from] BetFault),
    /// The bet does not fit in a message of this many bytes.
    #[error("the bet does not fit in a message of {0} bytes")]
    Message(u32),
    /// The central refused the bet.
    #[error("rejected by the central: {0}")]
    Central(FaultCode),
}

/// Why a run failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgencyError {
    /// An option is invalid.
    #[error("{0}")]
    Options(String),
    /// The file can't be opened.
    #[error("can't open '{}'", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file is not a regular file (a directory or a pipe, for example): it can't be read twice.
    #[error("'{}' is not a regular file; it is read twice", file.display())]
    NotRegular {
        /// The file.
        file: PathBuf,
    },
    /// The file can't be read.
    #[error("can't read '{}'", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file was modified while it was being sent.
    #[error("'{}' changed after it was validated; run again when it is complete", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// The file has invalid rows. Nothing was sent.
    #[error("{}{looks}", describe_rows(.rows, *.count))]
    BadRows {
        /// The first [`crate::limits::FAULTS_MAX`] invalid rows, in order.
        rows: Vec<RowFault>,
        /// The total number of invalid rows.
        count: u64,
        /// A guess at the file's actual form, if it is not the expected one.
        looks: Looks,
    },
    /// The file holds no bet to send. Nothing was sent, because FINISH can't be undone.
    #[error(
        "'{}' has no bet{}: nothing was sent; an agency without bets finishes with \
         --allow-empty{looks}",
        file.display(), besides(*.refused)
    )]
    NoBets {
        /// The file.
        file: PathBuf,
        /// The number of invalid rows that would be skipped.
        refused: u64,
        /// A guess at the file's actual form, if it is not the expected one.
        looks: Looks,
    },
    /// The row declared to be a header is a valid bet, which would be lost.
    #[error("{}:{line}: this is a bet, not a header: remove --header", file.display())]
    HeaderIsABet {
        /// The file.
        file: PathBuf,
        /// The line of that row.
        line: u64,
    },
    /// The file makes more batches than there are chunk ids.
    #[error("the file has more batches than the protocol can number; raise --batch-max-bets")]
    TooManyBatches,
    /// TLS can't be established: the certificates don't match, or the central does not speak TLS.
    #[error("TLS with the central is not possible: {}", pki::describe(.0))]
    Tls(rustls::Error),
    /// The central refused permanently.
    #[error("{}", describe_refusal(*.code, .reason, *.chunk, .rows))]
    Refused {
        /// The central's error code.
        code: ErrorCode,
        /// The central's reason.
        reason: String,
        /// The refused chunk; `None` when the refusal is not about one chunk.
        chunk: Option<u32>,
        /// The bets that the refusal names, as rows of the file.
        rows: Vec<RowFault>,
    },
    /// The bets stored for this agency are not the beginning of the file.
    #[error(
        "the central has other bets for the first {chunks} batches of agency {agency}: to \
         continue, use the same file and the same batch limit (--batch-max-bets)"
    )]
    OtherBets {
        /// The agency.
        agency: AgencyId,
        /// The stored chunks are `0..chunks`.
        chunks: u64,
    },
    /// The agency finished before, or the draw is closed, but the file holds more bets.
    #[error(
        "{state}: of {}, {} part, and {left} do not",
        file.display(), describe_stored(.stored.as_ref())
    )]
    NoMoreBets {
        /// The file.
        file: PathBuf,
        /// Why no more bets are taken.
        state: &'static str,
        /// The bets that take part in the draw.
        stored: Option<Lines>,
        /// The bets that do not take part.
        left: Lines,
    },
    /// The central lost batches that it had acknowledged.
    #[error("the central acknowledged {acknowledged} batches and now has only {stored}")]
    LostByCentral {
        /// The number of acknowledged batches.
        acknowledged: u64,
        /// The number of batches stored now.
        stored: u64,
    },
    /// The winners exceed the size that this program keeps in memory.
    #[error("the winners exceed {WINNERS_LEN_MAX} bytes")]
    TooManyWinners,
    /// What answers at the address is not a central for this agency.
    #[error("no central for this agency at {central}: {what}")]
    WrongAddress {
        /// The address.
        central: String,
        /// What answers there.
        what: Speaks,
    },
    /// No central ever answered.
    #[error(
        "no central found at {central} in {} s: {last}; check --central, or raise \
         --connect-time-max",
        after.as_secs()
    )]
    NeverReached {
        /// The address that was tried.
        central: String,
        /// How long it was tried.
        after: Duration,
        /// How the last attempt ended.
        last: Loss,
    },
    /// The central was unreachable, or there was no progress, for too long.
    #[error("no progress for {} seconds; last error: {last}", STALL_TIME_MAX.as_secs())]
    Stalled {
        /// How the last attempt ended.
        last: Loss,
    },
}

impl AgencyError {
    /// Returns whether the input is invalid: a row of the file or an option.
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

/// Why a connection ended or could not be made. The run retries.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Loss {
    /// The host name could not be resolved.
    #[error("can't resolve the host name: {0}")]
    Lookup(io::Error),
    /// Connecting failed.
    #[error("{}", describe_connect(.0))]
    Connect(io::Error),
    /// Something other than a central for this agency answered.
    #[error("{0}")]
    Other(Speaks),
    /// Connecting timed out.
    #[error("can't connect: no answer after {} seconds", .0.as_secs())]
    ConnectTime(Duration),
    /// The TLS handshake failed, or TLS failed later.
    #[error("TLS with the central failed: {}", pki::describe(.0))]
    Tls(rustls::Error),
    /// The connection was closed during the TLS handshake.
    #[error(
        "the connection was closed during the TLS handshake: the central is at its connection \
         limit, or does not use TLS on this port"
    )]
    TlsClosed,
    /// The TLS handshake timed out.
    #[error("no TLS handshake after {} seconds: does this port use TLS?", .0.as_secs())]
    TlsTime(Duration),
    /// The central closed the connection.
    #[error("the central closed the connection")]
    Closed,
    /// The central closed the connection in response to HELLO.
    #[error(
        "the central closed the connection at HELLO; if it only knows the original protocol, use \
             --legacy"
    )]
    ClosedAtHello,
    /// Reading or writing failed.
    #[error("connection lost: {0}")]
    Io(io::Error),
    /// The central did not reply in time.
    #[error("no reply from the central after {} seconds", .0.as_secs())]
    ReplyTime(Duration),
    /// The central violated the protocol.
    #[error("the central sent {0}")]
    Violation(ProtocolViolation),
    /// The central sent a reply that does not match the request.
    #[error("the central sent a reply that does not match the request")]
    Unexpected,
    /// The central sent a WELCOME with an invalid range of numbers.
    #[error("the central sent a WELCOME with an invalid range of numbers")]
    Numbers,
    /// The central takes no more bets. The next connection asks which of them are stored.
    #[error("the central accepts no more bets: {code}: {reason}")]
    NoMoreBets {
        /// The central's error code.
        code: ErrorCode,
        /// The central's reason.
        reason: String,
    },
    /// The central refused temporarily.
    #[error("temporarily rejected by the central: {code}: {reason}")]
    Refused {
        /// The central's error code.
        code: ErrorCode,
        /// The central's reason.
        reason: String,
    },
}

/// The protocol that answers at the address, when it is not the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Speaks {
    /// TLS, where plain text was expected.
    #[error(
        "this port uses TLS: set --tls-ca, --tls-cert and --tls-key, or use the port for plain text"
    )]
    Tls,
    /// HTTP.
    #[error("this port serves HTTP for operators: use the port for agencies")]
    Http,
    /// The agency protocol in plain text, where TLS was expected.
    #[error("this port does not use TLS: use the port for TLS, or remove --tls-...")]
    Plain,
}

impl Speaks {
    /// Recognizes the protocol by the first bytes received.
    pub(crate) fn of(bytes: &[u8], by_tls: bool) -> Option<Self> {
        match bytes {
            [b'H', b'T', b'T', b'P', ..] => Some(Self::Http),
            // A TLS alert or handshake record.
            [21 | 22, 3, ..] => (!by_tls).then_some(Self::Tls),
            // Any message of the agency protocol.
            [0, ..] => by_tls.then_some(Self::Plain),
            _ => None,
        }
    }
}

fn describe_connect(error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens on this port: ",
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
        1 => " but an invalid row".to_owned(),
        _ => format!(" but {refused} invalid rows"),
    }
}

fn describe_rows(rows: &[RowFault], count: u64) -> String {
    let first = rows.first().map_or_else(String::new, RowFault::to_string);
    match count {
        0 | 1 => first,
        2 => format!("{first}; 1 other row is invalid too"),
        _ => format!("{first}; {} other rows are invalid too", count - 1),
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
        ErrorCode::NoOpenDraw => "; select the draw with --draw NAME",
        ErrorCode::NotOpenYet => "; use --wait to wait until it opens",
        ErrorCode::TooManyBatches => "; ask the lottery's operators about the rest",
        _ => "",
    };
    format!("the central rejected{what}: {why}{bets}{remedy}")
}
