//! How often each kind of fault happened in a run of the whole system.

use crate::counted::counted;

counted! {
    /// How often each kind of fault happened.
    pub struct Faults;

    /// Bytes sent at once that arrived in several pieces.
    splits "splits",
    /// Pieces that arrived later than the next tick.
    delays "delays",
    /// Connections that arrived before older ones.
    overtakings "connections that overtook others",
    /// Connections that carry little at a time.
    slow_connections "slow connections",
    /// Connections cut by the network.
    cuts "cuts",
    /// Connections that one side took for good long after the other knew better.
    half_open "half-open connections",
    /// Bytes on their way that a cut or a crash swallowed, by connection.
    bytes_lost "connections that lost bytes",
    /// Ends of the central in order.
    shutdowns "shutdowns of the central",
    /// Ends of the central by losing power: what was not durable is as luck has it.
    power_losses "power losses of the central",
    /// Ends of the central that its system survived: what it wrote is there, durable or not.
    kills "kills of the central",
    /// Crashes in the middle of a write.
    crashes_writing "crashes of the central in a write",
    /// Those after a write and before the replies.
    crashes_unreplied "crashes of the central before its replies",
    /// Those while it opened its ledger.
    crashes_opening "crashes of the central in recovery",
    /// Half-written tails that recovery cut.
    torn_tails "torn tails cut",
    /// Ends of the central because its disk failed a write.
    failed_writes "failed writes that ended the central",
    /// Starts of the central that failed because a read did.
    failed_reads "failed reads in recovery",
    /// Requests refused for lack of room.
    full_disks "requests refused by a full disk",
    /// Bits flipped in what was durable, found, and put back.
    flipped_bits "flipped bits found",
    /// Copies that lost the segments behind a sealed one, refused.
    lost_ends "lost ends found",
    /// Copies with a winner forged in a sealed segment, never told.
    forged_winners "forged winners found",
    /// Second centrals started on the same folder, and refused.
    second_centrals "second centrals refused",
    /// Settings of the central's clock.
    clock_jumps "clock jumps",
    /// Crashes of agencies.
    agency_crashes "crashes of agencies",
    /// Agencies that left for good.
    given_up "agencies that gave up",
    /// Chunks that the central got again.
    repeated_chunks "repeated chunks",
    /// FINISHes that the central got again.
    repeated_finishes "repeated finishes",
    /// Chunks that an agency skipped because WELCOME said that they are stored.
    resumed_chunks "chunks found stored",
    /// Questions for winners before the draw was made.
    early_questions "questions answered with no winners yet",
    /// Second draws opened while agencies still bet in the first, or ask for its winners.
    second_draws "second draws opened",
    /// Messages that named no draw and could have been for two, refused.
    unnamed_refused "messages that could be for two draws refused",
    /// Requests of clients that mean no good, refused with the right code.
    rogues_refused "rogue requests refused",
    /// Repeated chunks sent without waiting for replies, all acknowledged in order.
    floods "floods of repeats acknowledged",
    /// Segments filled.
    segments_filled "segments filled",
}
