//! How much memory the central may take, from its limits.
//!
//! A connection takes what its state allows it: nothing but its task while it is silent; at most
//! the reader's room and the replies kept for it while it is not. To that comes what the central
//! takes by itself, and what the limit of batches in flight allows.

use wire::limits::{FRAME_LEN_MAX, MESSAGE_LEN_MAX, OUTGOING_LEN_MAX, READ_LEN_MAX};

use crate::attacks::{Attack, Kind};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The program: a segment that the ledger zeroes (64 MiB), its buffers and indexes, the queue of
/// log lines (about 20 MiB when it is full), what the allocator keeps of what it had.
const ITSELF: u64 = 128 * MIB;
/// The task of a connection, its registrations, its session without buffers.
const SILENT: u64 = 4 * KIB;
/// A message that is arriving: `FrameReader::memory_len_max`.
const ARRIVING: u64 = FRAME_LEN_MAX as u64 + READ_LEN_MAX as u64;
/// Replies that are not taken: none is added from this length on, and the last may be the longest.
const UNTAKEN: u64 = OUTGOING_LEN_MAX as u64 + MESSAGE_LEN_MAX as u64;

/// The most that the central may take while these go on.
pub(crate) fn bound(attacks: &[Attack]) -> u64 {
    ITSELF + attacks.iter().map(|attack| attack.clients * of_client(attack.kind)).sum::<u64>()
}

fn of_client(kind: Kind) -> u64 {
    match kind {
        Kind::Idle | Kind::Flood | Kind::Churn => SILENT,
        _ => SILENT + ARRIVING + UNTAKEN,
    }
}
