//! Why the central refused something: the codes of ERROR (message 20).
//!
//! The numbers are frozen: they are never changed and never used again for something else. A
//! number that this version does not know is kept as `Unknown`, so that it can still be shown.

use std::fmt;

macro_rules! codes {
    ($(#[$about:meta])* $name:ident {
        $($(#[$doc:meta])* $number:literal $code:ident $text:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $code,)+
            /// A number that a newer peer sent.
            Unknown(u16),
        }

        impl $name {
            /// Every code of this version, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The code's number on the wire.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$code => $number,)+
                    Self::Unknown(number) => number,
                }
            }

            /// The code's name: `BadBets`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($code),)+
                    Self::Unknown(_) => "Unknown",
                }
            }

            /// The code of a number on the wire; `Unknown` when this version has none.
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$code,)+
                    _ => Self::Unknown(number),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$code => f.write_str($text),)+
                    Self::Unknown(number) => write!(f, "code {number}, unknown to this version"),
                }
            }
        }
    };
}

codes! {
    /// Why a message or a connection was refused.
    ErrorCode {
        /// The id is not one that an agency sends.
        1 UnknownMessage "unknown message id",
        /// The header announces more than the limit.
        2 FrameTooLong "message longer than the limit",
        /// The payload does not follow the message's layout.
        3 Malformed "malformed message",
        /// A text is not UTF-8.
        4 NotUtf8 "text is not UTF-8",
        /// HELLO names a version that is not spoken here.
        5 UnsupportedVersion "unsupported protocol version",
        /// HELLO was not the first message, or came twice.
        6 HelloOutOfPlace "HELLO is only allowed as the first message",
        /// The agency takes no part in the draw.
        7 UnknownAgency "unknown agency",
        /// A message for another agency than HELLO's.
        8 OtherAgency "message for another agency than the one that said HELLO",
        /// No draw has the name given in HELLO.
        9 UnknownDraw "unknown draw",
        /// None is open, or several may be meant and none was named.
        10 NoOpenDraw "no open draw, or several and none was named",
        /// The faults say which bets, and what is wrong with them.
        11 BadBets "the batch holds bets that cannot be accepted",
        /// The chunk was stored before, with other bets.
        12 ChunkConflict "this chunk was already stored with other content",
        /// Bets after FINISH.
        13 AgencyFinished "the agency has already finished",
        /// Bets after the close.
        14 DrawClosed "the draw is closed",
        /// WINNERS cannot carry them: the agency has to say HELLO.
        15 WinnersTooMany "too many winners for one message: say HELLO to get them in parts",
        /// A limit of the central's connections: of all, or of those from one address.
        16 Busy "too many connections",
        /// A message was started and not completed in time.
        17 TimedOut "a started message was not completed in time",
        /// The store failed; what was not acknowledged may or may not be stored.
        18 StorageFailed "the bets could not be stored",
        /// The store is full.
        19 StorageFull "the storage is full",
        /// The central stops.
        20 ShuttingDown "the central is shutting down",
        /// The draw was announced and takes no bets yet.
        21 NotOpenYet "the draw is not open yet",
        /// As many batches of the agency are stored in the draw as may be.
        22 TooManyBatches "the agency has as many batches in this draw as it may",
    }
}

codes! {
    /// What is wrong with one bet of a batch.
    FaultCode {
        /// Not five fields.
        1 FieldCount "wrong number of fields",
        /// The first name cannot be accepted.
        2 FirstName "bad first name",
        /// The last name cannot be accepted.
        3 LastName "bad last name",
        /// The document cannot be accepted.
        4 Document "bad document",
        /// Not a date, or not one that can be accepted.
        5 Birthdate "bad birthdate",
        /// The number is not decimal digits.
        6 NumberFormat "the number is not made of digits",
        /// The number is not one of this draw's.
        7 NumberRange "the number is out of the draw's range",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_frozen() {
        use ErrorCode as E;
        let frozen = [
            E::UnknownMessage,
            E::FrameTooLong,
            E::Malformed,
            E::NotUtf8,
            E::UnsupportedVersion,
            E::HelloOutOfPlace,
            E::UnknownAgency,
            E::OtherAgency,
            E::UnknownDraw,
            E::NoOpenDraw,
            E::BadBets,
            E::ChunkConflict,
            E::AgencyFinished,
            E::DrawClosed,
            E::WinnersTooMany,
            E::Busy,
            E::TimedOut,
            E::StorageFailed,
            E::StorageFull,
            E::ShuttingDown,
            E::NotOpenYet,
            E::TooManyBatches,
        ];
        assert_eq!(E::ALL, frozen);
        for (number, code) in (1..).zip(frozen) {
            assert_eq!(code.number(), number);
        }
        use FaultCode as F;
        let frozen = [
            F::FieldCount,
            F::FirstName,
            F::LastName,
            F::Document,
            F::Birthdate,
            F::NumberFormat,
            F::NumberRange,
        ];
        assert_eq!(F::ALL, frozen);
        for (number, code) in (1..).zip(frozen) {
            assert_eq!(code.number(), number);
        }
    }

    #[test]
    fn every_number_survives_the_way_there_and_back() {
        for number in 0..=u16::MAX {
            assert_eq!(ErrorCode::from_number(number).number(), number);
            assert_eq!(FaultCode::from_number(number).number(), number);
        }
        assert_eq!(ErrorCode::from_number(999), ErrorCode::Unknown(999));
        assert_eq!(FaultCode::from_number(0), FaultCode::Unknown(0));
    }

    #[test]
    fn a_code_reads_as_plain_english() {
        assert_eq!(ErrorCode::DrawClosed.to_string(), "the draw is closed");
        assert_eq!(FaultCode::Unknown(99).to_string(), "code 99, unknown to this version");
    }
}
