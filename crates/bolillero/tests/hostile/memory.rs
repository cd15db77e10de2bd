//! An upper bound on the central's memory, computed from its limits.
//!
//! A silent connection uses only its task; an active one at most the read buffer and the replies
//! kept for it. To that are added the central's own memory and what the limit of batches in flight
//! allows.

use wire::limits::{FRAME_LEN_MAX, MESSAGE_LEN_MAX, OUTGOING_LEN_MAX, READ_LEN_MAX};

use crate::attacks::{Attack, Kind};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The program: a segment that the ledger zeroes (64 MiB), its buffers and indexes, the log queue
/// (about 20 MiB when full), and memory that the allocator keeps.
const ITSELF: u64 = 128 * MIB;
/// A connection's task, registrations, and session without buffers.
const SILENT: u64 = 4 * KIB;
/// A message being received: `FrameReader::memory_len_max`.
const ARRIVING: u64 = FRAME_LEN_MAX as u64 + READ_LEN_MAX as u64;
/// Replies not yet read: none is added above this length, and the last one may be of the longest
/// kind.
const UNTAKEN: u64 = OUTGOING_LEN_MAX as u64 + MESSAGE_LEN_MAX as u64;

/// Returns the most memory that the central may use during these attacks.
pub(crate) fn bound(attacks: &[Attack]) -> u64 {
    ITSELF + attacks.iter().map(|attack| attack.clients * of_client(attack.kind)).sum::<u64>()
}

fn of_client(kind: Kind) -> u64 {
    match kind {
        Kind::Idle | Kind::Flood | Kind::Churn => SILENT,
        _ => SILENT + ARRIVING + UNTAKEN,
    }
}
