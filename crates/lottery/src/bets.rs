//! The validated bets of one batch, and the digests of their content.
//!
//! The canonical text of a batch is its bets' texts (see [`Bet`]) joined by `&`, with no leading
//! zeros in numbers; empty for no bets. It is what is stored, digested and compared.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::bet::{Bet, BetFault, BetKey, NumberRange, has_control};
use crate::limits::{BATCH_TEXT_LEN_MAX, FAULTS_MAX};
use crate::split::Split;

/// The validated content of a batch. Its canonical text has at most [`BATCH_TEXT_LEN_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bets {
    text: String,
    numbers: Vec<u32>,
    digest: ChunkDigest,
}

/// SHA-256 of a batch's canonical text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkDigest(pub [u8; 32]);

/// A digest of the contents of one agency's chunks `0..n`, in order.
///
/// `P(0)` is 32 zero bytes and `P(n + 1) = SHA-256(P(n) || digest of chunk n)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PrefixDigest(pub [u8; 32]);

/// A digest of all bets of a draw, independent of their order of arrival.
///
/// SHA-256 of, for each agency with batches, ascending: its number; the count of contiguous chunks
/// from 0 and their [`PrefixDigest`]; the count of chunks after a gap, and the number and digest of
/// each, ascending. Numbers are 32 bits, little-endian.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SetDigest(pub [u8; 32]);

/// An invalid bet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BetAt {
    /// The bet's position in its batch, from 0.
    pub position: u32,
    /// What is wrong with it.
    pub fault: BetFault,
}

/// Why a batch's content was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum BetsFault {
    #[error("{}", describe(.faults, *.count))]
    Bets { faults: Vec<BetAt>, count: u32 },
    #[error("a batch has at most {BATCH_TEXT_LEN_MAX} bytes of bets; send fewer bets at a time")]
    TooLong,
}

impl Bets {
    /// Creates an empty batch.
    #[must_use]
    pub fn none() -> Self {
        Self { text: String::new(), numbers: Vec::new(), digest: ChunkDigest::of("") }
    }

    /// Validates bets joined by `&`. The empty text is one invalid bet; see [`Bets::none`].
    ///
    /// # Errors
    /// All invalid bets, if there are any.
    pub fn parse(text: &str, range: NumberRange) -> Result<Self, BetsFault> {
        if text.len() > BATCH_TEXT_LEN_MAX {
            return Err(BetsFault::TooLong);
        }
        let plain = !has_control(text);
        let mut numbers = Vec::with_capacity(text.len() / BET_LEN_LEAST + 1);
        let mut faults = Vec::new();
        let (mut fault_count, mut canonical) = (0_u32, true);
        for (position, fields) in (0..).zip(Split::of(text)) {
            match fields.and_then(|fields| check(fields, range, plain)) {
                Ok((number, is_canonical)) => {
                    numbers.push(number);
                    canonical &= is_canonical;
                }
                Err(fault) => {
                    fault_count += 1;
                    if faults.len() < FAULTS_MAX {
                        faults.push(BetAt { position, fault });
                    }
                }
            }
        }
        if fault_count > 0 {
            return Err(BetsFault::Bets { faults, count: fault_count });
        }
        let text = if canonical { text.to_owned() } else { canonical_text(text) };
        let digest = ChunkDigest::of(&text);
        Ok(Self { text, numbers, digest })
    }

    /// Returns the canonical text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the number of each bet, in order.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Returns the index key of each bet, in order.
    pub fn keys(&self) -> impl Iterator<Item = BetKey> {
        self.numbers.iter().copied().map(BetKey::of_number)
    }

    /// Returns the number of bets.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.numbers.len()).expect("a batch's text holds fewer bets than bytes")
    }

    /// Returns the digest of the canonical text.
    #[must_use]
    pub fn digest(&self) -> &ChunkDigest {
        &self.digest
    }
}

/// Reads the bets of a stored canonical text; validates all but the range of numbers.
pub(crate) fn bets_in(text: &str) -> impl Iterator<Item = Result<Bet<'_>, BetFault>> {
    let any_number = NumberRange::new(0, u32::MAX).expect("0 is not above the largest u32");
    let plain = !has_control(text);
    Split::of_stored(text).map(move |fields| Bet::check_plain(fields?, any_number, plain))
}

impl ChunkDigest {
    /// Computes the digest of a canonical text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl PrefixDigest {
    /// The digest of no chunks.
    pub const EMPTY: Self = Self([0; 32]);

    /// Returns the digest with the next chunk added.
    #[must_use]
    pub fn then(self, next: &ChunkDigest) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(next.0).finalize().into())
    }
}

impl fmt::Debug for ChunkDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ChunkDigest(self.0).fmt(f)
    }
}

impl fmt::Debug for PrefixDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ChunkDigest(self.0).fmt(f)
    }
}

/// The shortest bet with its `&`: `A|B|1|2000-01-01|1&`.
const BET_LEN_LEAST: usize = 19;

fn check(fields: [&str; 5], range: NumberRange, plain: bool) -> Result<(u32, bool), BetFault> {
    let bet = Bet::check_plain(fields, range, plain)?;
    let [.., number] = fields;
    Ok((bet.number(), !has_leading_zero(number)))
}

/// Rewrites valid bets without leading zeros in their numbers.
fn canonical_text(text: &str) -> String {
    let mut canonical = String::with_capacity(text.len());
    for fields in Split::of(text) {
        let [before @ .., mut number] = fields.expect("every bet was checked before");
        if !canonical.is_empty() {
            canonical.push('&');
        }
        for field in before {
            canonical.push_str(field);
            canonical.push('|');
        }
        while has_leading_zero(number) {
            number = &number[1..];
        }
        canonical.push_str(number);
    }
    canonical
}

fn has_leading_zero(number: &str) -> bool {
    number.len() > 1 && number.starts_with('0')
}

fn describe(faults: &[BetAt], count: u32) -> String {
    let first = faults.first().expect("a refused batch has a bet at fault");
    let others = match count - 1 {
        0 => String::new(),
        1 => "; 1 other bet is at fault too".to_owned(),
        others => format!("; {others} other bets are at fault too"),
    };
    format!("bet {} of the batch: {}{others}", first.position + 1, first.fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LORCA: &str = "Santiago Lionel|Lorca|30904465|1999-03-17|2201";

    fn parse(text: &str) -> Result<Bets, BetsFault> {
        Bets::parse(text, NumberRange::default())
    }

    #[test]
    fn a_refused_batch_lists_every_invalid_bet() {
        let text = format!("{LORCA}&A|B|1|2000-02-30|1&{LORCA}&A|B|1&&A|B|1|2000-01-01|10000");
        let at = |position, fault| BetAt { position, fault };
        let faults = vec![
            at(1, BetFault::Birthdate),
            at(3, BetFault::FieldCount),
            at(4, BetFault::FieldCount),
            at(5, BetFault::NumberRange),
        ];
        let refused = parse(&text).unwrap_err();
        assert_eq!(refused, BetsFault::Bets { faults, count: 4 });
        assert_eq!(
            refused.to_string(),
            "bet 2 of the batch: the birthdate must be a real date written YYYY-MM-DD; \
             3 other bets are at fault too"
        );
    }

    #[test]
    fn short_texts_lack_fields_and_four_separators_make_five_empty_ones() {
        let fault = |text| match parse(text) {
            Err(BetsFault::Bets { faults, .. }) => faults[0].fault,
            other => panic!("{other:?}"),
        };
        for text in ["", "|", "||", "|||", "abc", "abcd", "|||||"] {
            assert_eq!(fault(text), BetFault::FieldCount, "{text:?}");
        }
        assert_eq!(fault("||||"), BetFault::FirstName);
    }

    #[test]
    fn listed_faults_are_bounded_but_all_are_counted() {
        let Err(BetsFault::Bets { faults, count }) = parse(&"&".repeat(5_000)) else {
            panic!("five thousand empty bets were accepted");
        };
        assert_eq!((faults.len(), count), (FAULTS_MAX, 5_001));
        assert_eq!(parse(&"&".repeat(BATCH_TEXT_LEN_MAX + 1)), Err(BetsFault::TooLong));
    }
}
