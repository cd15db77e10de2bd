//! The hash chain: binds each event to all before it.
//!
//! `chain = SHA-256(chain before || u64 sequence || u64 time || u16 kind || u16 left || u16 length
//! of the head || u16 0 || head || SHA-256(tail))`, little-endian, the time in milliseconds since
//! the Unix epoch, starting with [`Chain::first`]. It does not cover groups or positions: every log
//! of the same events has the same chain.

use std::fmt;
use std::str::FromStr;

use lottery::text::from_hex;
use lottery::{ChunkDigest, Timestamp};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::body::Body;

/// The chain's value after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(pub [u8; 32]);

/// A ledger's identity: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerId(pub [u8; 16]);

/// The bytes of a [`Link`] that the chain covers, with the length of the head.
const LINK_LEN: usize = 24;

/// A text that is no chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a chain is 64 hexadecimal digits in lower case")]
pub struct NotAChain;

/// The part of an event that the chain covers besides its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The number of events before it.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The kind of its body.
    pub kind: u16,
    /// The number of later events of the same decision.
    pub left: u16,
}

impl Chain {
    /// Returns the chain's start: the SHA-256 of the ledger's id.
    #[must_use]
    pub fn first(id: LedgerId) -> Self {
        Self(Sha256::digest(id.0).into())
    }

    /// Returns the chain after the next event.
    ///
    /// # Panics
    /// When the head is longer than 65,535 bytes, which no kind's is.
    #[must_use]
    pub fn then(self, link: &Link, head: &[u8], tail_digest: &ChunkDigest) -> Self {
        let head_len = u16::try_from(head.len()).expect("heads are a few bytes");
        let hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(link.to_bytes(head_len))
            .chain_update(head)
            .chain_update(tail_digest.0);
        Self(hash.finalize().into())
    }

    pub(crate) fn then_body(
        self,
        sequence: u64,
        at: Timestamp,
        left: u16,
        body: &Body<'_>,
    ) -> Self {
        let link = Link { sequence, at, kind: body.kind(), left };
        self.then(&link, body.head(), &body.tail_digest())
    }
}

impl Link {
    pub(crate) fn to_bytes(self, head_len: u16) -> [u8; LINK_LEN] {
        let mut bytes = [0; LINK_LEN];
        bytes[..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.at.0.to_le_bytes());
        bytes[16..18].copy_from_slice(&self.kind.to_le_bytes());
        bytes[18..20].copy_from_slice(&self.left.to_le_bytes());
        bytes[20..22].copy_from_slice(&head_len.to_le_bytes());
        bytes
    }

    /// Also returns the length of the head; `None` if the last two bytes are not 0.
    pub(crate) fn of_bytes(bytes: &[u8; LINK_LEN]) -> Option<(Self, u16)> {
        let u64_at = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("in it"));
        let u16_at = |at: usize| u16::from_le_bytes(*bytes[at..].first_chunk().expect("in it"));
        let (sequence, at) = (u64_at(0), Timestamp(u64_at(8)));
        let (kind, left, head_len) = (u16_at(16), u16_at(18), u16_at(20));
        (u16_at(22) == 0).then_some((Self { sequence, at, kind, left }, head_len))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Chain {
    type Err = NotAChain;

    fn from_str(text: &str) -> Result<Self, NotAChain> {
        from_hex(text).map(Self).ok_or(NotAChain)
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_parses_only_from_its_text() {
        let chain = Chain(std::array::from_fn(|at| u8::try_from(at * 8).unwrap()));
        let text = chain.to_string();
        assert_eq!(text.parse(), Ok(chain));
        let upper = text.to_uppercase();
        for wrong in ["", "0", &text[1..], &text[2..], &format!("{text}00"), &upper, "+1"] {
            assert_eq!(wrong.parse::<Chain>(), Err(NotAChain), "{wrong}");
        }
    }
}
