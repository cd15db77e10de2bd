//! How often each thing happened in runs of engines that share a log.

use engine::conformance::Counts;

use crate::counted::counted;

counted! {
    /// How often each thing happened: faults, and both orders of every race.
    pub struct Events;

    /// Calls that found the log away before anything was decided.
    away_at_begin "commits begun with the log away",
    /// Those that had half of what is new before it was.
    away_in_begin "commits that lost the log while they read",
    /// Commits that found it away.
    away_at_commit "commits that found the log away",
    /// Commits for which there was no room.
    full "commits for which there was no room",
    /// Commits that another engine's came before.
    outrun "commits that another engine's came before",
    /// Attempts to settle a commit while the log was away.
    away_in_settling "attempts to settle a commit with the log away",
    /// Lost answers of commits that were stored.
    settled_as_stored "lost answers settled as stored",
    /// Those behind which another engine had appended.
    settled_behind_others "lost answers settled behind another's events",
    /// Lost answers of commits that were not stored.
    settled_as_lost "lost answers settled as not stored",
    /// Lost answers of commits that vanished.
    settled_as_vanished "lost answers settled as vanished",
    /// Engines that ended in a commit.
    killed "engines that ended in a commit",
    /// Events that an engine knew before they were durable.
    read_early "events known before they were durable",
    /// Promotions that took events away.
    promotions "promotions that took events away",
    /// Engines whose history was not the log's any more.
    other_histories "engines that had to recover another history",
    /// Engines that ended in order.
    restarts "engines started again in order",
    /// Starts that the log did not allow.
    refused_starts "starts that failed with the log away",
    /// Times that an engine committed nothing for a while.
    idle "times that an engine was idle",
    /// Settings of an engine's clock.
    clock_jumps "clock jumps",
    /// Agencies that went to the other engine.
    hops "hops of agencies",
    /// Chunks sent to both engines at once.
    doubles "chunks sent to both at once",
    /// Requests held back while the log was away, and answered later.
    held "requests held back and answered later",
    /// Draws whose last FINISH each engine decided.
    drawn_by_first "draws made by the first engine",
    /// See before.
    drawn_by_second "draws made by the second engine",
    /// Draws that the clock closed.
    closed_by_clock "draws closed by the clock",
    /// Draws that an operator closed before the clock did.
    closed_before_clock "draws closed before the clock did",
    /// Announced draws that were edited or cancelled.
    mended "announced draws edited or cancelled",
    /// Agencies that finished and were reopened.
    reopened "agencies reopened",
    /// Numbers that an operator corrected.
    corrected "entered numbers corrected",
    /// Results that two operators voided, each counted twice.
    voided "acts that voided a result",
    /// Operators disabled, and tokens revoked.
    rights_ended "operators disabled and tokens revoked",
    /// Acts of callers whose rights had ended.
    not_allowed "acts refused since their caller may no longer",
    /// A chunk sent to both.
    chunk_first "a chunk sent to both: the first engine's",
    /// See before.
    chunk_second "a chunk sent to both: the second engine's",
    /// A FINISH sent to both.
    finish_first "FINISH sent to both: the first engine's",
    /// See before.
    finish_second "FINISH sent to both: the second engine's",
    /// A name announced at both.
    name_first "a name announced at both: the first engine's",
    /// See before.
    name_second "a name announced at both: the second engine's",
    /// An act done at both.
    act_first "an act done at both: the first engine's",
    /// See before.
    act_second "an act done at both: the second engine's",
    /// Numbers entered at both.
    entry_first "numbers entered at both: the first engine's",
    /// See before.
    entry_second "numbers entered at both: the second engine's",
    /// A batch, and a close at the other engine.
    batch_then_close "a batch and a close: the batch came first",
    /// See before.
    close_then_batch "a batch and a close: the close came first",
    /// FINISH, and a close at the other engine.
    finish_then_close "FINISH and a close: FINISH came first",
    /// See before.
    close_then_finish "FINISH and a close: the close came first",
    /// A batch, and its agency disabled at the other engine.
    batch_then_disable "a batch and its agency disabled: the batch came first",
    /// See before.
    disable_then_batch "a batch and its agency disabled: the batch came second",
}

impl Events {
    pub(super) fn add_of_log(&mut self, counts: &Counts) {
        self.away_at_begin += counts.away_at_begin;
        self.away_in_begin += counts.away_in_begin;
        self.away_at_commit += counts.away_at_commit;
        self.full += counts.full;
        self.outrun += counts.outrun;
        self.away_in_settling += counts.away_in_settling;
        self.settled_as_stored += counts.settled_as_stored;
        self.settled_behind_others += counts.settled_behind_others;
        self.settled_as_lost += counts.settled_as_lost;
        self.settled_as_vanished += counts.settled_as_vanished;
        self.killed += counts.killed;
        self.read_early += counts.read_early;
        self.promotions += counts.promotions;
        self.other_histories += counts.other_histories;
    }
}
