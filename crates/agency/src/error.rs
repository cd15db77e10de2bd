//! The errors of a row, of a connection and of a whole run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lottery::{AgencyId, BetFault};
use rustls::{AlertDescription, InvalidMessage};
use wire::{ErrorCode, FaultCode, ProtocolViolation};

use crate::looks::Looks;
use crate::reread::{CheckedFile, Rejected};

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

/// Why a row is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowReason {
    /// The row has this many fields instead of five.
    FieldCount(usize),
    /// A field is not valid text in its encoding.
    NotUtf8,
    /// A quotation mark is inside an unquoted field, follows a quoted one, or is never closed.
    Quotes,
    /// A quoted field continues to this line; a bet must fit on one line.
    Lines(u64),
    /// The row is longer than [`crate::limits::ROW_LEN_MAX`].
    TooLong,
    /// The row is not a valid bet.
    Bet(BetFault),
    /// The bet does not fit in a message of this many bytes.
    Message(u32),
    /// The central refused the bet.
    Central(FaultCode),
}

/// Why a run failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgencyError {
    /// An option is invalid.
    Options(OptionFault),
    /// The file can't be opened.
    Open {
        /// The file.
        file: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file is not a regular file (a directory or a pipe, for example): it can't be read twice.
    NotRegular {
        /// The file.
        file: PathBuf,
    },
    /// The file can't be read.
    Read {
        /// The file.
        file: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file was modified while it was being sent.
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// The file has invalid rows. Nothing was sent.
    BadRows {
        /// The first [`crate::limits::FAULTS_MAX`] invalid rows, in order.
        rows: Vec<RowFault>,
        /// The total number of invalid rows.
        count: u64,
        /// A guess at the file's actual form, if it is not the expected one.
        looks: Looks,
        /// The file as it was validated.
        checked: Box<CheckedFile>,
    },
    /// The file holds no bet to send. Nothing was sent, because FINISH can't be undone.
    NoBets {
        /// The file.
        file: PathBuf,
        /// The number of invalid rows that would be skipped.
        refused: u64,
        /// The first [`crate::limits::FAULTS_MAX`] of them, in order.
        rows: Vec<RowFault>,
        /// A guess at the file's actual form, if it is not the expected one.
        looks: Looks,
        /// The file as it was validated.
        checked: Box<CheckedFile>,
    },
    /// The row declared to be a header is a valid bet, which would be lost.
    HeaderIsABet {
        /// The file.
        file: PathBuf,
        /// The line of that row.
        line: u64,
    },
    /// The file makes more batches than there are chunk ids.
    TooManyBatches,
    /// The central refused permanently.
    Refused {
        /// The central's address.
        central: String,
        /// The central's error code.
        code: ErrorCode,
        /// The central's reason.
        reason: String,
        /// The bets of the refused batch; `None` when the refusal is not about one batch.
        lines: Option<Lines>,
        /// The bets that the refusal names, as rows of the file.
        rows: Vec<RowFault>,
        /// The file as it was validated.
        checked: Box<CheckedFile>,
    },
    /// The bets stored for this agency are not the beginning of the file.
    OtherBets {
        /// The central's address.
        central: String,
        /// The agency.
        agency: AgencyId,
        /// The number of stored bets.
        bets: u64,
    },
    /// The agency finished before, or the draw is closed, but the file holds more bets.
    NoMoreBets {
        /// The file.
        file: PathBuf,
        /// Why no more bets are taken.
        over: BetsOver,
        /// The bets that take part in the draw.
        stored: Option<Lines>,
        /// The bets that do not take part.
        left: Lines,
    },
    /// The central lost bets that it had acknowledged.
    LostByCentral {
        /// The central's address.
        central: String,
        /// The number of acknowledged bets.
        acknowledged: u64,
        /// The number of bets stored now.
        stored: u64,
    },
    /// The winners exceed the size that this program keeps in memory.
    TooManyWinners,
    /// What answers at the addresses are no centrals for this agency, or TLS with them is not
    /// possible.
    NoCentral {
        /// How the last attempt at each central ended.
        round: Vec<Lost>,
    },
    /// No central ever answered.
    NeverReached {
        /// How long it was tried.
        after: Duration,
        /// How the last attempt at each central ended.
        round: Vec<Lost>,
    },
    /// The centrals were unreachable, or there was no progress, for too long.
    Stalled {
        /// How the last attempt at each central ended.
        round: Vec<Lost>,
    },
}

/// Why an option is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionFault {
    /// A batch would hold no bet.
    EmptyBatch,
    /// The window is not between 1 and this number.
    Window(u16),
    /// A draw is named, which the legacy protocol can't do.
    LegacyDraw,
    /// The agency's number is 0.
    AgencyZero,
    /// No central is given.
    NoCentral,
    /// The text is not an address.
    Address(String),
}

/// Why the central takes no more bets of an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetsOver {
    /// The agency has finished.
    AgencyFinished,
    /// The draw is closed.
    Closed,
    /// The draw has been made.
    Drawn,
    /// The central did not say.
    Unknown,
}

impl AgencyError {
    /// Returns the rejected rows of the file, if it was validated and some were the reason.
    #[must_use]
    pub fn rejected(&self) -> Option<Rejected<'_>> {
        match self {
            Self::BadRows { checked, .. } | Self::NoBets { checked, .. } => {
                Some(checked.rejected(&[]))
            }
            Self::Refused { checked, rows, .. } if !rows.is_empty() => Some(checked.rejected(rows)),
            _ => None,
        }
    }

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
            | Self::NoCentral { .. }
            | Self::NeverReached { .. }
            | Self::Stalled { .. } => false,
        }
    }
}

/// Why a connection ended or could not be made. The run retries.
#[derive(Debug)]
#[non_exhaustive]
pub enum Loss {
    /// The host name could not be resolved.
    Lookup(io::Error),
    /// Connecting failed.
    Connect(io::Error),
    /// Something other than a central for this agency answered.
    Other(Speaks),
    /// Connecting timed out.
    ConnectTime(Duration),
    /// The TLS handshake failed, or TLS failed later.
    Tls(rustls::Error),
    /// The connection was closed during the TLS handshake.
    TlsClosed,
    /// The TLS handshake timed out.
    TlsTime(Duration),
    /// The central closed the connection.
    Closed,
    /// The central closed the connection in response to HELLO.
    ClosedAtHello,
    /// Reading or writing failed.
    Io(io::Error),
    /// The central did not reply in time.
    ReplyTime(Duration),
    /// The central violated the protocol.
    Violation(ProtocolViolation),
    /// The central sent a reply that does not match the request.
    Unexpected,
    /// The central sent a WELCOME with an invalid range of numbers.
    Numbers,
    /// The central takes no more bets. The next connection asks which of them are stored.
    NoMoreBets {
        /// The central's error code.
        code: ErrorCode,
        /// The central's reason.
        reason: String,
    },
    /// The central refused temporarily.
    Refused {
        /// The central's error code.
        code: ErrorCode,
        /// The central's reason.
        reason: String,
    },
}

impl Loss {
    /// Returns whether a retry would fail the same way. Other software may take the place of a
    /// central that was `reached` for as long as it is away.
    pub(crate) fn is_for_good(&self, reached: bool) -> bool {
        match self {
            Self::Tls(error) => tls_fails_for_good(error),
            Self::Other(_) => !reached,
            _ => false,
        }
    }
}

/// Returns whether one side does not trust the other's certificate, or the central does not speak
/// TLS.
fn tls_fails_for_good(error: &rustls::Error) -> bool {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => true,
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::DecryptError
        ),
        _ => false,
    }
}

/// How an attempt at one of the centrals ended.
#[derive(Debug)]
pub struct Lost {
    /// The central's address.
    pub address: String,
    /// Why the connection ended or could not be made.
    pub loss: Loss,
}

/// The protocol that answers at the address, when it is not the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// TLS, where plain text was expected.
    Tls,
    /// HTTP.
    Http,
    /// The agency protocol in plain text, where TLS was expected.
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
