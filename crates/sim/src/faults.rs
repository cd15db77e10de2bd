//! How often each kind of fault happened, so that a run without any proves nothing unnoticed.

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident $text:literal,)+) => {
        /// How often each kind of fault happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Faults {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Faults {
            /// Each kind by a name for people, with its count.
            #[must_use]
            pub fn by_name(&self) -> Vec<(&'static str, u64)> {
                vec![$(($text, self.$name)),+]
            }

            /// Adds the counts of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

faults! {
    /// Bytes sent at once that arrived in several pieces.
    splits "splits",
    /// Pieces that arrived later than the next tick.
    delays "delays",
    /// Connections cut by the network.
    cuts "cuts",
    /// Bytes on their way that a cut or a crash swallowed, by connection.
    bytes_lost "connections that lost bytes",
    /// Crashes of the central, of any kind.
    central_crashes "crashes of the central",
    /// Those in the middle of a write.
    crashes_writing "crashes of the central in a write",
    /// Those after a write and before the replies.
    crashes_unreplied "crashes of the central before its replies",
    /// Those while it opened its ledger.
    crashes_opening "crashes of the central in recovery",
    /// Half-written tails that recovery cut.
    torn_tails "torn tails cut",
    /// Crashes of agencies.
    agency_crashes "crashes of agencies",
    /// Chunks that the central got again.
    repeated_chunks "repeated chunks",
    /// FINISHes that the central got again.
    repeated_finishes "repeated finishes",
    /// Chunks that an agency skipped because WELCOME said that they are stored.
    resumed_chunks "chunks found stored",
    /// Questions for winners before the draw was made.
    early_questions "questions answered with no winners yet",
    /// Segments filled.
    segments_filled "segments filled",
}
