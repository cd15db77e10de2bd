//! The chain: binds each event to all before it, whatever log keeps them.
//!
//! `chain = SHA-256(chain before || u64 sequence || u64 time || u16 kind || u16 left || u16 length
//! of the head || u16 0 || head || SHA-256(tail))`, little-endian, the time in milliseconds since
//! the Unix epoch, from [`Chain::first`] on. It covers nothing of how events were grouped, or of
//! where they lie: every log of the same events has the same chain.

use std::fmt;

use lottery::{ChunkDigest, Timestamp};
use sha2::{Digest, Sha256};

use crate::body::Body;

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(pub [u8; 32]);

/// Tells a ledger from all others: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerId(pub [u8; 16]);

/// What the chain covers of an event besides its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// How many events are before it.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The kind of its body.
    pub kind: u16,
    /// How many events of the same decision follow.
    pub left: u16,
}

impl Chain {
    /// What the first event of a ledger continues: the SHA-256 of its id.
    #[must_use]
    pub fn first(id: LedgerId) -> Self {
        Self(Sha256::digest(id.0).into())
    }

    /// The chain of the event behind this one, whose body has this head and this digest of its
    /// tail.
    ///
    /// # Panics
    /// When the head is longer than 65,535 bytes; that of no kind is.
    #[must_use]
    pub fn then(self, link: &Link, head: &[u8], tail_digest: &ChunkDigest) -> Self {
        let head_len = u16::try_from(head.len()).expect("heads are a few bytes");
        let mut linked = [0; 24];
        linked[..8].copy_from_slice(&link.sequence.to_le_bytes());
        linked[8..16].copy_from_slice(&link.at.0.to_le_bytes());
        linked[16..18].copy_from_slice(&link.kind.to_le_bytes());
        linked[18..20].copy_from_slice(&link.left.to_le_bytes());
        linked[20..22].copy_from_slice(&head_len.to_le_bytes());
        let hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(linked)
            .chain_update(head)
            .chain_update(tail_digest.0);
        Self(hash.finalize().into())
    }

    /// As [`Chain::then`], of a body.
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

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
