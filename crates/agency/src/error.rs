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

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RowReason {
    /// Not five fields, but this many.
    #[error("a bet has five fields (first name, last name, document, birthdate, number), not {0}")]
    FieldCount(usize),
    /// A field is not UTF-8.
    #[error("the text is not UTF-8")]
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
    #[error("{}", describe_rows(.rows, *.count))]
    BadRows {
        /// The first [`crate::limits::FAULTS_MAX`] of them, in order.
        rows: Vec<RowFault>,
        /// How many there are.
        count: u64,
    },
    /// The file makes more batches than there are chunk ids.
    #[error("the file has more batches than the protocol can number; raise the bets in a batch")]
    TooManyBatches,
    /// TLS with the central is not possible: it is the certificates, or it does not speak TLS.
    #[error("TLS with the central is not possible: {}", pki::words_for(.0))]
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
        "agency {agency} can send no more bets to this draw ({state}), and only the first \
         {chunks} batches of the file are stored"
    )]
    NoMoreBets {
        /// The agency.
        agency: AgencyId,
        /// Why no more.
        state: &'static str,
        /// The chunks `0..chunks` are stored.
        chunks: u64,
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
            Self::Options(_) | Self::BadRows { .. } | Self::NotRegular { .. } => true,
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
            | Self::Stalled { .. } => false,
        }
    }
}

/// How a connection ended, or why there was none. Another is tried.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Loss {
    /// Not connected.
    #[error("can't connect: {0}")]
    Connect(io::Error),
    /// Not connected in time.
    #[error("can't connect: no answer after {} seconds", .0.as_secs())]
    ConnectTime(Duration),
    /// TLS was not agreed on, or broke.
    #[error("TLS with the central failed: {}", pki::words_for(.0))]
    Tls(rustls::Error),
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
    /// The central refused for now.
    #[error("refused by the central for now: {code}: {reason}")]
    Refused {
        /// Its code.
        code: ErrorCode,
        /// Its words.
        reason: String,
    },
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
    format!("the central refused{what}: {why}{bets}")
}
