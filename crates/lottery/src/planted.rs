//! Deliberate bugs, to see that the simulation finds them. In a shipped build there are none.
//!
//! Where one can be planted the code asks [`planted`]. Without the feature `planted-bugs`, which
//! only the simulation asks for, the answer is a constant no and the compiler leaves nothing of it.

/// A mistake that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A batch is acknowledged before it is durable.
    AcknowledgedBeforeSync,
    /// The view tells what is not durable yet.
    ToldBeforeDurable,
    /// A sync that failed is tried again, and its success believed.
    FailedSyncRetried,
    /// The name of a new segment is not made durable.
    NameNotSynced,
    /// The header of a new segment is not made durable.
    HeaderNotSynced,
    /// What recovery reads is believed to be durable.
    TailBelieved,
    /// A torn tail is left where it is.
    TailNotCut,
    /// With a torn tail the last whole record is cut too.
    TailCutTooFar,
    /// Of a decision that a crash cut, the whole records are kept.
    HalfDecisionKept,
    /// A record's checksum is not compared.
    ChecksumNotChecked,
    /// Winners in a segment without an index are not looked for.
    IndexNotRebuilt,
    /// A last segment that was sealed is taken for the end of the ledger.
    SealedEndBelieved,
    /// What is read is not compared with what was acknowledged.
    DigestNotCompared,
    /// The data folder is not held while the ledger is open.
    LockReleasedEarly,
    /// A chunk that is stored already is stored again.
    ChunkNotChecked,
    /// Every FINISH counts, also a repeated one.
    FinishesCounted,
    /// The draw is made when one agency has yet to finish.
    DrawWithoutLast,
    /// WELCOME counts one bet too many.
    BetsMiscounted,
    /// An agency is told the winners of another.
    WinnersOfAnother,
    /// One request more than the window may be unanswered.
    WindowOffByOne,
    /// Who names no draw is taken to mean the only open one, whatever was open before.
    DrawGuessed,
    /// What another engine appended is not taken into the view.
    OthersNotFolded,
    /// A commit whose answer was lost is taken for stored.
    OutcomeGuessed,
    /// What others appended is told before a commit covers it.
    ToldBeforeCovered,
    /// What was decided and not stored stays in the state.
    UndoLeftOut,
    /// One operator may enter the number twice.
    OneOperatorEnters,
}

impl Bug {
    /// Those that show in a central with its agencies, alone on its ledger.
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

    /// Those that show when several engines share a log, and operators lead draws.
    pub const SHARED: [Self; 5] = [
        Self::OthersNotFolded,
        Self::OutcomeGuessed,
        Self::ToldBeforeCovered,
        Self::UndoLeftOut,
        Self::OneOperatorEnters,
    ];
}

/// Whether a bug was planted: never, here.
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

    /// Plants a bug in all that this thread does from now on, in place of the one before.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether a bug was planted in what this thread does.
    #[must_use]
    pub fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}
