//! Wire values to domain values, and back. The one place that knows both.
//!
//! Every refusal that an agency is told passes through [`Refusal`]: one exhaustive match gives each
//! its code, and a new error in the domain does not compile until it has one.

use lottery::{
    Agencies, AgencyId, AgencyProgress, AppendError, BetFault, Bets, BetsFault, ChunkId, DrawState,
    DrawTerms, FinishError, NumberRange, ProgressError, StoreFault,
};
use thiserror::Error;
use wire::{
    AgencyMessage, BetsFrame, CentralMessage, Documents, DrawName, ErrorCode, ErrorMessage, Fault,
    FaultCode, SessionLimits, Welcome,
};

use central::ConnectionLimit;
use central::NoDraw;
use central::Zone;

/// What an agency asks, in the domain's terms.
#[derive(Debug)]
pub enum Request {
    /// To speak for an agency in a draw; an empty name names none.
    Hello {
        /// The newest version of the protocol that it speaks.
        version: u16,
        /// Who it says that it is.
        agency: AgencyId,
        /// The draw's name, or nothing.
        draw_name: DrawName<'static>,
    },
    /// To store a batch.
    Bets(BatchRequest),
    /// To note that it has no more bets.
    Finish {
        /// Who.
        agency: AgencyId,
    },
    /// For its winners.
    GetWinners {
        /// Whose.
        agency: AgencyId,
    },
}

/// A batch as it came.
#[derive(Debug)]
pub struct BatchRequest {
    /// Whose it is.
    pub agency: AgencyId,
    /// The agency's number for it.
    pub chunk: ChunkId,
    /// How many bets, good or not.
    pub count: u32,
    /// The bytes of their text as it came.
    pub len: usize,
    /// The bets, if all of them are good.
    pub bets: Result<Bets, Refusal>,
}

/// Why an agency is refused something.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Bets that are not text.
    #[error("the bets are not UTF-8")]
    NotUtf8,
    /// Bets that are not as they must be.
    #[error(transparent)]
    Bets(#[from] BetsFault),
    /// The store refused a batch.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The store refused a FINISH.
    #[error(transparent)]
    Finish(#[from] FinishError),
    /// The store refused to say how far an agency is.
    #[error(transparent)]
    Progress(#[from] ProgressError),
    /// An agency asks for the winners of a draw that it is not in.
    #[error("agency {agency} is not registered in this draw; its agencies are {registered}")]
    NotInDraw {
        /// Who asked.
        agency: AgencyId,
        /// Those of the draw.
        registered: Agencies,
    },
    /// A message for another agency than the one that the certificate is for.
    #[error("a message for agency {named} on a connection with agency {certified}'s certificate")]
    OtherAgency {
        /// The certificate's.
        certified: AgencyId,
        /// The message's.
        named: AgencyId,
    },
    /// There is no draw that it can be for.
    #[error(transparent)]
    NoDraw(#[from] NoDraw),
    /// Operators disabled the agency.
    #[error("agency {0} is disabled; ask the lottery's operators")]
    Disabled(AgencyId),
    /// The winners are there and could not be read.
    #[error("the winners can't be read now")]
    WinnersUnreadable,
    /// More bytes of winners than the one message that the agency knows can hold.
    #[error("the winners take {0} bytes, more than one message holds: say HELLO to get them")]
    WinnersTooLong(usize),
    /// A message came too slowly.
    #[error("the message was begun and not ended in time")]
    TimedOut,
    /// One connection too many.
    #[error("the central has {0}: try again later")]
    Busy(ConnectionLimit),
    /// The central ends.
    #[error("the central is shutting down: try again later")]
    ShuttingDown,
}

impl Request {
    /// What `message` asks, bets being for a draw with these numbers.
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

    /// Whom it is for.
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
    /// The refusal as a message, with its times in `zone`; with a chunk, of that chunk only.
    pub fn message(&self, chunk: Option<ChunkId>, zone: Zone) -> ErrorMessage {
        let code = self.code();
        let reason = match code {
            // What the store says of itself is for the operator's log.
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

    /// What an agency's clerk reads: times as the lottery's clocks show them.
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
        // The time ends them; what comes before may be anything that a draw is called.
        match words.strip_suffix(&in_utc) {
            Some(before) => format!("{before}{in_zone}"),
            None => words,
        }
    }

    /// The code that the agency is told.
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
            Self::Append(AppendError::NotOpened)
            | Self::Finish(FinishError::NotOpened)
            | Self::NoDraw(NoDraw::NotOpenYet { .. }) => ErrorCode::NotOpenYet,
            Self::NoDraw(
                NoDraw::NoneOpen(_) | NoDraw::NotAnnounced(_) | NoDraw::Several { .. },
            ) => ErrorCode::NoOpenDraw,
            Self::Append(AppendError::UnknownAgency { .. })
            | Self::Finish(FinishError::UnknownAgency { .. })
            | Self::Progress(ProgressError::UnknownAgency { .. })
            | Self::Append(AppendError::AgencyDisabled(_))
            | Self::Finish(FinishError::AgencyDisabled(_))
            | Self::Disabled(_)
            | Self::NoDraw(NoDraw::NotRegistered(_))
            | Self::NotInDraw { .. } => ErrorCode::UnknownAgency,
            Self::Append(AppendError::UnknownDraw(_))
            | Self::Finish(FinishError::UnknownDraw(_))
            | Self::Progress(ProgressError::UnknownDraw(_))
            | Self::NoDraw(NoDraw::Unknown { .. }) => ErrorCode::UnknownDraw,
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

/// The answer to HELLO.
pub fn welcome<'a>(
    version: u16,
    agency: AgencyId,
    limits: SessionLimits,
    terms: &'a DrawTerms,
    progress: &AgencyProgress,
) -> Welcome<'a> {
    let state = match progress.state {
        DrawState::Drawn { .. } => wire::DrawState::Drawn,
        // One that was not opened takes no bets, as one that was closed.
        DrawState::Announced | DrawState::Closed => wire::DrawState::Closed,
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

/// All winners in one message, for those that know no other.
///
/// # Errors
/// When they are too long for it.
pub fn winners(joined: &str) -> Result<CentralMessage<'_>, Refusal> {
    let documents = Documents::from_text(joined);
    let documents = documents.map_err(|_| Refusal::WinnersTooLong(joined.len()))?;
    Ok(CentralMessage::Winners(documents))
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

/// How many bets a payload that was refused holds.
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
    fn times_are_told_as_the_lotterys_clocks_show_them() {
        let at = Timestamp(1_724_278_275_000);
        let name = lottery::DrawName::new("at 2024-08-21T22:11:15.000Z").unwrap();
        let not_open = |opens_at| NoDraw::NotOpenYet { name: name.clone(), opens_at };
        let closed = |at| Refusal::from(AppendError::DrawClosed(at));
        for (refusal, zone, told) in [
            (closed(Some(at)), Zone::default(), "bets since 2024-08-21 19:11:15 UTC-3"),
            (closed(Some(at)), Zone::named("UTC").unwrap(), "bets since 2024-08-21 22:11:15 UTC"),
            (closed(None), Zone::default(), "takes no more bets"),
            (
                Refusal::from(not_open(Some(at))),
                Zone::default(),
                "the draw \"at 2024-08-21T22:11:15.000Z\" is not open yet: it opens at 2024-08-21 \
                 19:11:15 UTC-3",
            ),
            (Refusal::from(not_open(None)), Zone::default(), "the lottery's operators open it"),
        ] {
            let message = refusal.message(None, zone);
            assert!(message.reason().ends_with(told), "'{told}' is not told: {}", message.reason());
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
