//! A bet's permanent name, used in receipts, searches and exports.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::agencies::AgencyId;
use crate::bet::BetFault;
use crate::draw::DrawId;

/// An agency's id for one of its batches in a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub u32);

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A bet's position, written `draw-agency-chunk-position` in decimal, such as `3-17-204-12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub struct BetName {
    pub draw: DrawId,
    pub agency: AgencyId,
    /// The agency's id for the batch.
    pub chunk: ChunkId,
    /// The position in the batch, from 0.
    pub position: u32,
}

/// A text that is not a bet's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a bet's name is draw, agency, chunk and position, written as in 3-17-204-12")]
pub struct BetNameError;

/// A stored bet that is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the stored bet {name} is not acceptable: {fault}")]
#[allow(missing_docs, reason = "the names say it")]
pub struct UnsoundBet {
    pub name: BetName,
    pub fault: BetFault,
}

impl fmt::Display for BetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { draw, agency, chunk, position } = self;
        write!(f, "{draw}-{agency}-{chunk}-{position}")
    }
}

impl FromStr for BetName {
    type Err = BetNameError;

    fn from_str(text: &str) -> Result<Self, BetNameError> {
        let mut parts = text.split('-').map(|part| part.parse().ok());
        let mut next = || parts.next().flatten().ok_or(BetNameError);
        let (draw, agency) = (DrawId(next()?), AgencyId(next()?));
        let name = Self { draw, agency, chunk: ChunkId(next()?), position: next()? };
        // Rejects signs, leading zeros and extra parts.
        if name.to_string() == text { Ok(name) } else { Err(BetNameError) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_has_one_text() {
        let (draw, agency, chunk) = (DrawId(3), AgencyId(17), ChunkId(204));
        let name = BetName { draw, agency, chunk, position: 12 };
        assert_eq!(name.to_string(), "3-17-204-12");
        assert_eq!("3-17-204-12".parse(), Ok(name));
        for text in [
            "",
            "3-17-204",
            "3-17-204-12-",
            "3-17-204-12-1",
            "03-17-204-12",
            "+3-17-204-12",
            "3--17-204-12",
            " 3-17-204-12",
            "3-17-204-4294967296",
            "3-17-204-x",
        ] {
            assert_eq!(text.parse::<BetName>(), Err(BetNameError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_name_parses_back(
            (draw, agency, chunk, position) in any::<(u32, u32, u32, u32)>(),
        ) {
            let (draw, agency, chunk) = (DrawId(draw), AgencyId(agency), ChunkId(chunk));
            let name = BetName { draw, agency, chunk, position };
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
}
