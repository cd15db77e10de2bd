//! The codes of ERROR (message 20).
//!
//! The numbers are frozen: never changed and never reused. A number that this version does not know
//! becomes `Unknown`, so that it can still be shown.

use std::fmt;

macro_rules! codes {
    ($(#[$about:meta])* $name:ident {
        $($number:literal $code:ident $text:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $text] $code,)+
            /// A number from a newer peer.
            Unknown(u16),
        }

        impl $name {
            /// All codes of this version, by number.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// Returns the code's number on the wire.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$code => $number,)+
                    Self::Unknown(number) => number,
                }
            }

            /// Returns the code's name, such as `BadBets`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($code),)+
                    Self::Unknown(_) => "Unknown",
                }
            }

            /// Returns the code of a number on the wire; `Unknown` if this version has none.
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
        1 UnknownMessage "unknown message id",
        2 FrameTooLong "message longer than the limit",
        3 Malformed "malformed message",
        4 NotUtf8 "text is not UTF-8",
        5 UnsupportedVersion "unsupported protocol version",
        6 HelloOutOfPlace "HELLO is only allowed as the first message",
        7 UnknownAgency "unknown agency",
        8 OtherAgency "message for another agency than the one that said HELLO",
        9 UnknownDraw "unknown draw",
        10 NoOpenDraw "no open draw, or several and none was named",
        11 BadBets "the batch holds bets that cannot be accepted",
        12 ChunkConflict "this chunk was already stored with other content",
        13 AgencyFinished "the agency has already finished",
        14 DrawClosed "the draw is closed",
        15 WinnersTooMany "too many winners for one message: send HELLO to get them in parts",
        16 Busy "too many connections",
        17 TimedOut "a started message was not completed in time",
        18 StorageFailed "the storage failed",
        19 StorageFull "the storage is full",
        20 ShuttingDown "the central is shutting down",
        21 NotOpenYet "the draw is not open yet",
        22 TooManyBatches "the agency has reached the limit of batches in this draw",
    }
}

codes! {
    /// Why a bet was refused.
    FaultCode {
        1 FieldCount "wrong number of fields",
        2 FirstName "bad first name",
        3 LastName "bad last name",
        4 Document "bad document",
        5 Birthdate "bad birthdate",
        6 NumberFormat "the number is not made of digits",
        7 NumberRange "the number is out of the draw's range",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a table of docs/reference/protocol.md, where the numbers are frozen.
    fn documented(heading: &str) -> Vec<(u16, String)> {
        let document = include_str!("../../../docs/reference/protocol.md");
        let capitalised = |word: &str| word[..1].to_uppercase() + &word[1..];
        let row = |line: &str| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let number = cells.next()?.parse().expect("a number");
            Some((number, cells.next()?.split('_').map(capitalised).collect()))
        };
        let (_, table) = document.split_once(heading).expect("the table is there");
        table.lines().skip(2).map_while(row).collect()
    }

    #[test]
    fn the_numbers_are_those_of_the_document() {
        let codes = ErrorCode::ALL.iter().map(|code| (code.number(), code.name().to_owned()));
        assert!(codes.eq(documented("| code | name | refuses | why |")));
        let codes = FaultCode::ALL.iter().map(|code| (code.number(), code.name().to_owned()));
        assert!(codes.eq(documented("| fault code | name | what is wrong with the bet |")));
    }

    #[test]
    fn every_number_round_trips() {
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
