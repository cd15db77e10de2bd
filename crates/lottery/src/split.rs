//! Splits a batch's text at `&` into bets and at `|` into fields.
//!
//! There are five separators in about 44 bytes, so starting a search at each of them would
//! dominate. Instead, 64 bytes are compared at once and their separators become the set bits of a
//! `u64`.

use crate::bet::BetFault;

/// Iterates over the five fields of each bet. The empty text is one bet.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    text: &'a str,
    separators: Separators<'a>,
    /// The start of the next bet; `None` after the last.
    start: Option<usize>,
}

impl<'a> Split<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let separators = Separators { hits: 0, compared: 0, rest: text.as_bytes() };
        Self { text, separators, start: Some(0) }
    }

    /// As [`Split::of`], but the empty text is no bet.
    pub(crate) fn of_stored(text: &'a str) -> Self {
        Self { start: (!text.is_empty()).then_some(0), ..Self::of(text) }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = Result<[&'a str; 5], BetFault>;

    // Without inlining, parsing a batch takes a third longer.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (text, start) = (self.text, self.start.take()?);
        let (mut bars, mut count, mut end) = ([start; 4], 0, text.len());
        for at in &mut self.separators {
            if text.as_bytes()[at] == b'&' {
                end = at;
                self.start = Some(at + 1);
                break;
            }
            if let Some(bar) = bars.get_mut(count) {
                *bar = at;
            }
            count += 1;
        }
        if count != bars.len() {
            return Some(Err(BetFault::FieldCount));
        }
        let [a, b, c, d] = bars;
        Some(Ok([
            &text[start..a],
            &text[a + 1..b],
            &text[b + 1..c],
            &text[c + 1..d],
            &text[d + 1..end],
        ]))
    }
}

/// The bytes compared at once, one bit for each.
const BLOCK_LEN: usize = 64;

/// Iterates over the positions of all `|` and `&`.
#[derive(Debug)]
struct Separators<'a> {
    /// The separators left in the current block, lowest bit first.
    hits: u64,
    compared: usize,
    rest: &'a [u8],
}

impl Iterator for Separators<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.hits == 0 {
            if self.rest.is_empty() {
                return None;
            }
            if let Some((block, rest)) = self.rest.split_first_chunk() {
                self.hits = hits(block);
                self.rest = rest;
            } else {
                let mut block = [0; BLOCK_LEN];
                block[..self.rest.len()].copy_from_slice(self.rest);
                self.hits = hits(&block);
                self.rest = &[];
            }
            self.compared += BLOCK_LEN;
        }
        let at = self.compared - BLOCK_LEN + self.hits.trailing_zeros() as usize;
        self.hits &= self.hits - 1;
        Some(at)
    }
}

/// Returns a bit for each byte, set for separators.
fn hits(block: &[u8; BLOCK_LEN]) -> u64 {
    // Multiplying eight bytes of 0 or 1 by this gathers them in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let ones = block.map(|byte| u8::from(byte == b'|') | u8::from(byte == b'&'));
    let (eights, _) = ones.as_chunks();
    let bits = eights.iter().map(|eight| u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56);
    (0..).zip(bits).fold(0, |hits, (eight, bits)| hits | bits << (8 * eight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive<'a>(text: &'a str) -> Vec<Result<[&'a str; 5], BetFault>> {
        let fields = |bet: &'a str| bet.split('|').collect::<Vec<_>>().try_into();
        text.split('&').map(|bet| fields(bet).map_err(|_| BetFault::FieldCount)).collect()
    }

    #[test]
    fn a_separator_is_found_wherever_it_is_in_a_block() {
        for len in 0..3 * BLOCK_LEN {
            for at in 0..=len {
                let text = format!("{}&{}", "x".repeat(at), "€".repeat(len - at));
                assert_eq!(Split::of(&text).count(), 2, "{text}");
                let text = text.replace('&', "||||");
                assert_eq!(Split::of(&text).collect::<Vec<_>>(), naive(&text));
            }
        }
    }
}
