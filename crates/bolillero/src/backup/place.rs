//! A place of pieces: a folder or a bucket, where a piece is written once and has a name.
//!
//! The piece with number N is `piece-0000000N.bolb`, or `piece-0000000N-FIRST-NEXT.bolb` where its
//! name also says that it holds the records from FIRST up to before NEXT.

use std::fmt;
use std::io::{Read, Write};

use anyhow::{Context as _, bail, ensure};

use super::piece::{self, Piece};
use crate::exit::Ending;

/// A place of pieces. Displays as its address.
pub(crate) trait Place: fmt::Display {
    /// Returns the names of its pieces, in any order.
    fn names(&self) -> Result<Vec<PieceName>, Ending>;

    /// Opens a piece for reading.
    fn open(&self, name: &PieceName) -> anyhow::Result<Box<dyn Read + '_>>;

    /// Begins a piece.
    fn begin(&self) -> anyhow::Result<Box<dyn NewPiece + '_>>;

    /// Bytes after which a piece ends and another one begins.
    fn piece_len_max(&self) -> u64;
}

/// What a new piece is written to.
pub(crate) trait NewPiece: Write {
    /// Completes the piece: makes it durable, reads it back, and gives it a name with this number,
    /// which no other piece has.
    fn complete(self: Box<Self>, number: u64, piece: &Piece) -> anyhow::Result<PieceName>;
}

/// A piece's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PieceName {
    /// From 1, without a gap.
    pub(crate) number: u64,
    /// The sequence of its first record, and the one after its last record.
    pub(crate) records: Option<(u64, u64)>,
}

impl fmt::Display for PieceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "piece-{:08}", self.number)?;
        if let Some((first, next)) = self.records {
            write!(f, "-{first}-{next}")?;
        }
        f.write_str(".bolb")
    }
}

impl PieceName {
    pub(crate) fn of_file(name: &str) -> Option<Self> {
        let stem = name.strip_prefix("piece-")?.strip_suffix(".bolb")?;
        let (number, records) = match stem.split_once('-') {
            None => (stem, None),
            Some((number, records)) => {
                let (first, next) = records.split_once('-')?;
                (number, Some((first.parse().ok()?, next.parse().ok()?)))
            }
        };
        let found = Self { number: number.parse().ok()?, records };
        (found.to_string() == name).then_some(found)
    }

    /// Checks that a piece is the one of this name.
    pub(crate) fn expect_of(&self, piece: &Piece) -> anyhow::Result<()> {
        let holds = (piece.start.sequence, piece.tip.sequence);
        ensure!(
            self.records.is_none_or(|records| records == holds),
            "it holds other records than its name says; give it its name again"
        );
        Ok(())
    }
}

impl dyn Place + '_ {
    /// Returns the names of its pieces in order. None is missing between the first and the last.
    pub(crate) fn pieces(&self) -> Result<Vec<PieceName>, Ending> {
        let mut names = self.names()?;
        names.sort_unstable();
        in_order(&names).with_context(|| format!("backup {self}"))?;
        Ok(names)
    }

    /// Reads a piece and verifies it.
    pub(crate) fn verified(&self, name: &PieceName) -> anyhow::Result<Piece> {
        let read = self.open(name).and_then(piece::verified);
        let named = read.and_then(|piece| name.expect_of(&piece).map(|()| piece));
        named.with_context(|| format!("backup {self}: {name}"))
    }
}

fn in_order(names: &[PieceName]) -> anyhow::Result<()> {
    let mut end = Some(0);
    for (name, number) in names.iter().zip(1..) {
        if name.number > number {
            let advice = "put it back from another copy of the backup";
            bail!("piece {number:08} is missing, before {name}; {advice}");
        }
        if name.number < number {
            bail!("{name} has the number of another piece; take the one away that does not belong");
        }
        if let Some((first, next)) = name.records
            && (end.is_some_and(|end| end != first) || next < first)
        {
            bail!("{name} does not continue the piece before it");
        }
        end = name.records.map(|(_, next)| next);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pieces_go_both_ways() {
        for (number, records, text) in [
            (7, Some((0, u64::MAX)), "piece-00000007-0-18446744073709551615.bolb"),
            (100_000_000, None, "piece-100000000.bolb"),
        ] {
            let name = PieceName { number, records };
            assert_eq!(name.to_string(), text);
            assert_eq!(PieceName::of_file(text), Some(name));
        }
        for other in [
            "piece-7-0-1.bolb",
            "piece-7.bolb",
            "piece-00000007-0.bolb",
            "piece-00000007-0-1-2.bolb",
            "piece-00000007-.bolb",
            "piece-00000007.bolb.part",
        ] {
            assert_eq!(PieceName::of_file(other), None, "{other}");
        }
    }

    #[test]
    fn pieces_are_in_order_whether_or_not_their_names_say_what_they_hold() {
        let name = |number, records| PieceName { number, records };
        let why = |names: &[PieceName]| in_order(names).map_err(|why| why.to_string());
        let sound = [name(1, Some((0, 5))), name(2, None), name(3, Some((7, 9)))];
        assert_eq!(why(&sound), Ok(()));
        for (names, part) in [
            (
                [sound[0], sound[1], name(4, None)],
                "piece 00000003 is missing, before piece-00000004",
            ),
            ([sound[0], sound[1], name(2, Some((5, 6)))], "has the number of another piece"),
            ([sound[0], name(2, Some((6, 7))), sound[2]], "does not continue the piece before it"),
            ([name(1, Some((1, 5))), sound[1], sound[2]], "does not continue the piece before it"),
        ] {
            let refused = why(&names).unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
