//! Deliberate bugs that the simulation must find.
//!
//! The code asks [`planted`] where a bug can be planted. Without the feature `planted-bugs`, which
//! only the simulation enables, it is a constant `false` and compiles to nothing.

/// A plausible mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A batch is acknowledged before it is durable.
    AcknowledgedBeforeSync,
    /// The view shows what is not durable yet.
    ToldBeforeDurable,
    /// A failed sync is retried and its success trusted.
    FailedSyncRetried,
    /// The name of a new segment is not made durable.
    NameNotSynced,
    /// The header of a new segment is not made durable.
    HeaderNotSynced,
    /// What recovery reads is taken for durable.
    TailBelieved,
    /// A torn tail is not truncated.
    TailNotCut,
    /// The last whole record is truncated with a torn tail.
    TailCutTooFar,
    /// The whole records of an incomplete decision are kept.
    HalfDecisionKept,
    /// A record's checksum is not verified.
    ChecksumNotChecked,
    /// Winners in a segment without an index are skipped.
    IndexNotRebuilt,
    /// A sealed last segment is taken for the end of the ledger.
    SealedEndBelieved,
    /// What is read is not compared with what was acknowledged.
    DigestNotCompared,
    /// The data folder's lock is released while the ledger is open.
    LockReleasedEarly,
    /// A stored chunk is stored again.
    ChunkNotChecked,
    /// A repeated FINISH counts again.
    FinishesCounted,
    /// The draw is made while one agency has not finished.
    DrawWithoutLast,
    /// WELCOME counts one bet too many.
    BetsMiscounted,
    /// An agency receives another's winners.
    WinnersOfAnother,
    /// The window allows one unanswered request too many.
    WindowOffByOne,
    /// A connection that names no draw gets the only open one, whatever was open before.
    DrawGuessed,
    /// Events that another engine appended are not applied to the view.
    OthersNotFolded,
    /// A commit with a lost answer is taken for stored.
    OutcomeGuessed,
    /// Events of other engines are published before a commit covers them.
    ToldBeforeCovered,
    /// Changes that could not be stored stay in the state.
    UndoLeftOut,
    /// One operator may enter both numbers.
    OneOperatorEnters,
}

impl Bug {
    /// Bugs that show in one central with its agencies.
    pub const ALONE: [Self; 21] = [
        Self::AcknowledgedBeforeSync,
        Self::ToldBeforeDurable,
        Self::FailedSyncRetried,
        Self::NameNotSynced,
        Self::HeaderNotSynced,
        Self::TailBelieved,
        Self::TailNotCut,
        Self::TailCutTooFar,
        Self::HalfDecisionKept,
        Self::ChecksumNotChecked,
        Self::IndexNotRebuilt,
        Self::SealedEndBelieved,
        Self::DigestNotCompared,
        Self::LockReleasedEarly,
        Self::ChunkNotChecked,
        Self::FinishesCounted,
        Self::DrawWithoutLast,
        Self::BetsMiscounted,
        Self::WinnersOfAnother,
        Self::WindowOffByOne,
        Self::DrawGuessed,
    ];

    /// Bugs that show when several engines share a log and operators run draws.
    pub const SHARED: [Self; 5] = [
        Self::OthersNotFolded,
        Self::OutcomeGuessed,
        Self::ToldBeforeCovered,
        Self::UndoLeftOut,
        Self::OneOperatorEnters,
    ];
}

/// Whether a bug is planted; without the feature, never.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn planted(_bug: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
pub use switch::{plant, planted};

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread, in place of the previous one.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether a bug is planted in this thread.
    #[must_use]
    pub fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}
