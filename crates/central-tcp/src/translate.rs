//! Translates wire values to domain values, and back: the one place that knows both.
//!
//! Every refusal to an agency is a [`Refusal`]: one exhaustive match gives each its code, and a new
//! error of the domain does not compile without one.

use central::{ConnectionLimit, NoDraw, Zone};
use lottery::{
    AgencyId, AgencyProgress, AppendError, BetFault, Bets, BetsFault, ChunkId, DrawState,
    DrawTerms, FinishError, NoPart, NotInDraw, NumberRange, ProgressError, StoreFault,
};
use thiserror::Error;
use wire::{
    AgencyMessage, BetsFrame, CentralMessage, Documents, DrawName, ErrorCode, ErrorMessage, Fault,
    FaultCode, SessionLimits, Welcome,
};

/// A request of an agency, in domain values.
#[derive(Debug)]
pub enum Request {
    /// To speak for an agency in a draw.
    Hello {
        /// The newest version of the protocol that the agency knows.
        version: u16,
        /// The agency.
        agency: AgencyId,
        /// The draw's name, or empty.
        draw_name: DrawName<'static>,
    },
    /// To store a batch.
    Bets(BatchRequest),
    /// To finish.
    Finish {
        /// The agency.
        agency: AgencyId,
    },
    /// For an agency's winners.
    GetWinners {
        /// The agency.
        agency: AgencyId,
    },
}

/// A batch, sound or not.
#[derive(Debug)]
pub struct BatchRequest {
    /// The agency.
    pub agency: AgencyId,
    /// The agency's number for it.
    pub chunk: ChunkId,
    /// The number of bets, sound or not.
    pub count: u32,
    /// The length of the received text, in bytes.
    pub len: usize,
    /// The bets, if all are sound.
    pub bets: Result<Bets, Refusal>,
}

/// Why a request of an agency is refused.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Bets that are not UTF-8.
    #[error("the bets are not UTF-8")]
    NotUtf8,
    /// Unsound bets.
    #[error(transparent)]
    Bets(#[from] BetsFault),
    /// The engine refused a batch.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The engine refused a FINISH.
    #[error(transparent)]
    Finish(#[from] FinishError),
    /// The engine refused an agency's progress.
    #[error(transparent)]
    Progress(#[from] ProgressError),
    /// The agency can't take part in the draw.
    #[error(transparent)]
    NoPart(#[from] NoPart),
    /// A message for another agency than the certificate's.
    #[error("a message for agency {named} on a connection with agency {certified}'s certificate")]
    OtherAgency {
        /// The certificate's.
        certified: AgencyId,
        /// The message's.
        named: AgencyId,
    },
    /// A message for no draw.
    #[error(transparent)]
    NoDraw(#[from] NoDraw),
    /// Winners that could not be read.
    #[error("the winners can't be read now")]
    WinnersUnreadable,
    /// More winners than fit the one message of an agency without HELLO.
    #[error(
        "the winners take {0} bytes, more than one message holds: send HELLO to get them in parts"
    )]
    WinnersTooLong(usize),
    /// A message came too slowly.
    #[error("the message was not completed in time")]
    TimedOut,
    /// A connection over a limit.
    #[error("the central has {0}: try again later")]
    Busy(ConnectionLimit),
    /// The central shuts down.
    #[error("the central is shutting down: try again later")]
    ShuttingDown,
}

impl Request {
    /// Translates a message. Its bets are for a draw with these numbers.
    #[must_use]
    pub fn of(message: &AgencyMessage<'_>, numbers: NumberRange) -> Self {
        match message {
            AgencyMessage::Hello(hello) => Self::Hello {
                version: hello.version,
                agency: AgencyId(hello.agency),
                draw_name: hello.draw_name.clone().into_owned(),
            },
            AgencyMessage::Bets(frame) => Self::Bets(BatchRequest::of(frame, numbers)),
            AgencyMessage::Finish { agency } => Self::Finish { agency: AgencyId(*agency) },
            AgencyMessage::GetWinners { agency } => Self::GetWinners { agency: AgencyId(*agency) },
        }
    }

    /// The agency that it is for.
    pub(super) fn agency(&self) -> AgencyId {
        match self {
            Self::Hello { agency, .. } | Self::Finish { agency } | Self::GetWinners { agency } => {
                *agency
            }
            Self::Bets(batch) => batch.agency,
        }
    }
}

impl BatchRequest {
    fn of(frame: &BetsFrame<'_>, numbers: NumberRange) -> Self {
        let bets = match frame.text() {
            Err(wire::message::NotUtf8) => Err(Refusal::NotUtf8),
            Ok(None) => Ok(Bets::none()),
            Ok(Some(text)) => Bets::parse(text, numbers).map_err(Refusal::from),
        };
        let count = match (&bets, frame.bets) {
            (Ok(bets), _) => bets.count(),
            (Err(_), bytes) => count_texts(bytes),
        };
        Self {
            agency: AgencyId(frame.agency),
            chunk: ChunkId(frame.chunk),
            count,
            len: frame.bets.map_or(0, <[u8]>::len),
            bets,
        }
    }
}

impl Refusal {
    /// Returns the ERROR message, with times in `zone`. With a chunk it refuses that chunk only.
    pub fn message(&self, chunk: Option<ChunkId>, zone: Zone) -> ErrorMessage {
        let code = self.code();
        let reason = match code {
            // The details of a fault are for the operators' log.
            ErrorCode::StorageFailed | ErrorCode::StorageFull => code.to_string(),
            _ => self.words(zone),
        };
        let message = match chunk {
            Some(chunk) => ErrorMessage::of_chunk(code, chunk.0, &reason),
            None => ErrorMessage::closing(code, &reason),
        };
        match self {
            Self::Bets(BetsFault::Bets { faults, .. }) => {
                message.with_faults(faults.iter().filter_map(|at| {
                    let position = u16::try_from(at.position).ok()?;
                    Some(Fault { position, code: fault_code(at.fault) })
                }))
            }
            _ => message,
        }
    }

    /// The reason, with times in `zone`.
    fn words(&self, zone: Zone) -> String {
        let at = match self {
            Self::Append(AppendError::DrawClosed(at)) => *at,
            Self::NoDraw(NoDraw::NotOpenYet { opens_at, .. }) => *opens_at,
            _ => None,
        };
        let words = self.to_string();
        let Some((in_utc, in_zone)) = at.and_then(|at| {
            let in_zone = zone.format(at, "%Y-%m-%d %H:%M:%S")?;
            Some((at.to_string(), in_zone))
        }) else {
            return words;
        };
        // The time is at the end; a draw's name before it may look like one.
        match words.strip_suffix(&in_utc) {
            Some(before) => format!("{before}{in_zone}"),
            None => words,
        }
    }

    /// Returns the code of ERROR.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotUtf8 => ErrorCode::NotUtf8,
            Self::Bets(BetsFault::Bets { .. }) | Self::Append(AppendError::NumberRange(_)) => {
                ErrorCode::BadBets
            }
            Self::Bets(BetsFault::TooLong) => ErrorCode::FrameTooLong,
            Self::Append(AppendError::ChunkConflict(_)) => ErrorCode::ChunkConflict,
            Self::Append(AppendError::AgencyFinished(_)) => ErrorCode::AgencyFinished,
            Self::Append(AppendError::DrawClosed(_)) => ErrorCode::DrawClosed,
            Self::Append(AppendError::TooManyBatches(_)) => ErrorCode::TooManyBatches,
            Self::Append(AppendError::NoPart(why))
            | Self::Finish(FinishError::NoPart(why))
            | Self::NoPart(why) => match why {
                NoPart::NotInDraw(why) => not_in_draw(why),
                NoPart::AgencyDisabled(_) => ErrorCode::UnknownAgency,
                NoPart::NotOpened => ErrorCode::NotOpenYet,
            },
            Self::Progress(ProgressError::NotInDraw(why)) => not_in_draw(why),
            Self::NoDraw(why) => match why {
                NoDraw::NotOpenYet { .. } => ErrorCode::NotOpenYet,
                NoDraw::NotRegistered(_) => ErrorCode::UnknownAgency,
                NoDraw::Unknown { .. } => ErrorCode::UnknownDraw,
                NoDraw::NoneOpen(_) | NoDraw::NotAnnounced(_) | NoDraw::Several { .. } => {
                    ErrorCode::NoOpenDraw
                }
            },
            Self::Append(AppendError::Store(fault))
            | Self::Finish(FinishError::Store(fault))
            | Self::Progress(ProgressError::Store(fault)) => match fault {
                StoreFault::Failed(_) => ErrorCode::StorageFailed,
                StoreFault::Full(_) => ErrorCode::StorageFull,
                StoreFault::Closed => ErrorCode::ShuttingDown,
            },
            Self::WinnersUnreadable => ErrorCode::StorageFailed,
            Self::WinnersTooLong(_) => ErrorCode::WinnersTooMany,
            Self::OtherAgency { .. } => ErrorCode::OtherAgency,
            Self::TimedOut => ErrorCode::TimedOut,
            Self::Busy(_) => ErrorCode::Busy,
            Self::ShuttingDown => ErrorCode::ShuttingDown,
        }
    }
}

/// Returns the answer to HELLO.
pub fn welcome<'a>(
    version: u16,
    agency: AgencyId,
    limits: SessionLimits,
    terms: &'a DrawTerms,
    progress: &AgencyProgress,
) -> Welcome<'a> {
    let state = match progress.state {
        DrawState::Drawn { .. } => wire::DrawState::Drawn,
        // Neither takes bets.
        DrawState::Announced | DrawState::Closed | DrawState::Cancelled => wire::DrawState::Closed,
        DrawState::Open if progress.finished => wire::DrawState::AgencyFinished,
        DrawState::Open => wire::DrawState::Open,
    };
    Welcome {
        version: version.min(wire::limits::VERSION),
        agency: agency.0,
        window: limits.window(),
        frame_len_max: limits.frame_len_max(),
        number_min: terms.numbers.min(),
        number_max: terms.numbers.max(),
        chunks_stored: progress.chunks_stored,
        bets_stored: progress.bets_stored,
        prefix_digest: progress.prefix_digest.0,
        state,
        draw_name: DrawName::new(terms.name.as_str())
            .expect("a draw's name has the same bound on the wire"),
    }
}

/// Returns all winners in one message, for agencies without HELLO.
///
/// # Errors
/// When they don't fit.
pub fn winners(joined: &str) -> Result<CentralMessage<'_>, Refusal> {
    let documents = Documents::from_text(joined);
    let documents = documents.map_err(|_| Refusal::WinnersTooLong(joined.len()))?;
    Ok(CentralMessage::Winners(documents))
}

fn not_in_draw(why: &NotInDraw) -> ErrorCode {
    match why {
        NotInDraw::UnknownDraw(_) => ErrorCode::UnknownDraw,
        NotInDraw::UnknownAgency { .. } => ErrorCode::UnknownAgency,
    }
}

fn fault_code(fault: BetFault) -> FaultCode {
    match fault {
        BetFault::FieldCount => FaultCode::FieldCount,
        BetFault::FirstName => FaultCode::FirstName,
        BetFault::LastName => FaultCode::LastName,
        BetFault::Document => FaultCode::Document,
        BetFault::Birthdate => FaultCode::Birthdate,
        BetFault::NumberFormat => FaultCode::NumberFormat,
        BetFault::NumberRange => FaultCode::NumberRange,
    }
}

/// Counts the bets of a refused payload.
fn count_texts(bets: Option<&[u8]>) -> u32 {
    let texts = bets.map_or(0, |bytes| bytes.iter().filter(|&&byte| byte == b'&').count() + 1);
    u32::try_from(texts).expect("a payload holds fewer bets than bytes")
}

#[cfg(test)]
mod tests {
    use lottery::Timestamp;

    use super::*;

    fn batch(bets: &[u8]) -> BatchRequest {
        let frame = BetsFrame { agency: 2, chunk: 7, bets: Some(bets) };
        BatchRequest::of(&frame, NumberRange::default())
    }

    #[test]
    fn a_good_batch_becomes_bets() {
        let batch = batch("Ñandú|B|1|2000-01-01|0007".as_bytes());
        assert_eq!((batch.agency, batch.chunk, batch.count), (AgencyId(2), ChunkId(7), 1));
        assert_eq!(batch.bets.unwrap().text(), "Ñandú|B|1|2000-01-01|7");
    }

    #[test]
    fn an_empty_batch_has_no_bets_and_an_empty_bet_is_a_fault() {
        let frame = BetsFrame { agency: 1, chunk: 0, bets: None };
        let empty = BatchRequest::of(&frame, NumberRange::default());
        assert_eq!((empty.count, empty.bets.unwrap().count()), (0, 0));
        assert_eq!(batch(b"").count, 1);
        assert!(matches!(batch(b"").bets, Err(Refusal::Bets(_))));
    }

    #[test]
    fn a_refused_batch_names_positions_and_faults() {
        let batch = batch(b"A|B|1|2000-01-01|1&A|B|1|2000-02-30|1&x&A|B|1|2000-01-01|99999");
        assert_eq!(batch.count, 4);
        let message = batch.bets.unwrap_err().message(Some(batch.chunk), Zone::default());
        assert_eq!((message.code(), message.chunk()), (ErrorCode::BadBets, Some(7)));
        let expected =
            [(1, FaultCode::Birthdate), (2, FaultCode::FieldCount), (3, FaultCode::NumberRange)];
        assert_eq!(message.faults(), expected.map(|(position, code)| Fault { position, code }));
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_as_such() {
        let batch = batch(b"\xff|B&x");
        assert_eq!(batch.count, 2);
        assert_eq!(batch.bets.unwrap_err().code(), ErrorCode::NotUtf8);
    }

    #[test]
    fn a_batch_too_many_is_refused_by_itself_with_what_to_do() {
        let refusal = Refusal::from(AppendError::TooManyBatches(AgencyId(3)));
        let message = refusal.message(Some(ChunkId(7)), Zone::default());
        assert_eq!((message.code(), message.chunk()), (ErrorCode::TooManyBatches, Some(7)));
        assert!(message.reason().starts_with("agency 3 has 1000000 batches"));
    }

    #[test]
    fn times_in_refusals_are_in_the_lotterys_zone() {
        let at = Timestamp(1_724_278_275_000);
        let name = lottery::DrawName::new("at 2024-08-21T22:11:15.000Z").unwrap();
        let not_open = |opens_at| NoDraw::NotOpenYet { name: name.clone(), opens_at };
        let closed = |at| Refusal::from(AppendError::DrawClosed(at));
        for (refusal, zone, end) in [
            (closed(Some(at)), Zone::default(), "bets since 2024-08-21 19:11:15 UTC-3"),
            (closed(Some(at)), Zone::named("UTC").unwrap(), "bets since 2024-08-21 22:11:15 UTC"),
            (closed(None), Zone::default(), "accepts no more bets"),
            (
                Refusal::from(not_open(Some(at))),
                Zone::default(),
                "the draw \"at 2024-08-21T22:11:15.000Z\" is not open yet: it opens at 2024-08-21 \
                 19:11:15 UTC-3",
            ),
            (Refusal::from(not_open(None)), Zone::default(), "the lottery's operators open it"),
        ] {
            let message = refusal.message(None, zone);
            assert!(message.reason().ends_with(end), "'{end}' does not end: {}", message.reason());
        }
    }

    #[test]
    fn what_the_store_says_of_itself_stays_here() {
        let secret = StoreFault::Failed("/var/lib/bolillero: input/output error".to_owned());
        let message = Refusal::from(AppendError::Store(secret)).message(None, Zone::default());
        assert_eq!(message.code(), ErrorCode::StorageFailed);
        assert!(!message.reason().contains("/var"), "{}", message.reason());
    }
}
