//! The suite that the engine must pass over every log: each check is one promise, as a sentence.
//!
//! A driver makes an engine over its log a [`Subject`] and lets
//! [`conformance_suite!`](crate::conformance_suite) write one test a check:
//!
//! ```
//! # use engine::conformance::Reopening;
//! # use engine::{Engine, LedgerId, MemoryLog};
//! fn in_memory() -> Reopening {
//!     let log = MemoryLog::new(LedgerId([7; 16]));
//!     Reopening::new(move |clock| Engine::start(Box::new(log.clone()), clock).unwrap())
//! }
//!
//! engine::conformance_suite!(in_memory());
//! ```
//!
//! The checks ask only through the contract, from an empty log on, and compare with what was
//! sent or with a naive model, never with [`Draws`](lottery::Draws): the rules that all logs share
//! are on trial too. Random checks name their seed when they fail; `BOLILLERO_SEED=7` runs only
//! that one.
//!
//! Deliberately absent: crashes, damage, full disks and failing flushes. Each driver provokes those
//! in its own way, and has its own tests of them, for which [`submit`] and [`wait`] are public.
#![expect(clippy::unwrap_used, reason = "the whole module is test code")]

mod batches;
mod draws;
mod fixture;
mod model;
mod operated;
mod reading;
mod shared;
mod subject;
mod threads;
mod view;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::engine::Done;

pub use batches::*;
pub use draws::*;
pub use model::*;
pub use operated::*;
pub use reading::*;
pub use shared::*;
pub use subject::*;
pub use threads::*;
pub use view::*;

/// Longest that a store may take to answer, so that a lost answer fails a test instead of hanging.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// The answer to a call, which may not be there yet.
#[derive(Debug)]
#[must_use = "an answer nobody looks at checks nothing"]
pub struct Pending<T>(Receiver<T>);

/// Makes a call and does not wait: `submit(|done| engine.append(batch, done))`.
pub fn submit<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> Pending<T> {
    let (sender, receiver) = mpsc::channel();
    call(Box::new(move |answer| {
        // The other end is gone only when a check has failed and is unwinding.
        let _ = sender.send(answer);
    }));
    Pending(receiver)
}

/// Makes a call and waits for its answer: `wait(|done| engine.append(batch, done))`.
///
/// # Panics
/// When the answer never comes: see [`Pending::answer`].
pub fn wait<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> T {
    submit(call).answer()
}

impl<T> Pending<T> {
    /// Waits for the answer.
    ///
    /// # Panics
    /// When the store dropped the completion instead of running it, or takes longer than
    /// [`ANSWER_TIME_MAX`].
    #[must_use]
    pub fn answer(self) -> T {
        match self.0.recv_timeout(ANSWER_TIME_MAX) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the store dropped a completion without running it")
            }
            Err(RecvTimeoutError::Timeout) => {
                panic!("the store has not answered for {ANSWER_TIME_MAX:?}")
            }
        }
    }
}

/// Writes one `#[test]` for each check of [`conformance`](crate::conformance). The argument is an
/// expression that makes a new, empty [`Subject`].
#[macro_export]
macro_rules! conformance_suite {
    ($subject:expr) => {
        $crate::conformance_suite! { $subject =>
            an_empty_store_has_no_draws,
            a_draw_is_opened_once_and_found_by_the_same_terms,
            a_draws_name_with_other_terms_is_refused,
            draws_are_numbered_in_the_order_of_opening,
            a_draw_keeps_its_terms_up_to_every_limit,
            unknown_draws_and_agencies_are_refused,
            a_finish_repeated_is_counted_once,
            all_have_finished_only_when_each_one_has,
            the_last_finish_closes_makes_and_publishes_a_draw_that_goes_by_itself,
            a_draw_that_goes_by_itself_is_made_when_operators_close_it,
            the_number_of_a_draw_that_goes_by_itself_is_given_once,
            a_close_tells_the_set_of_bets,
            a_draws_whole_life_may_be_submitted_at_once,
            time_never_goes_back,
            a_batch_reads_back_byte_by_byte,
            batches_are_kept_in_the_order_of_acceptance,
            batches_of_draws_and_agencies_are_kept_apart,
            a_chunk_sent_again_is_stored_once,
            a_chunk_sent_again_after_finish_and_draw_is_acknowledged,
            a_chunk_with_other_bets_is_refused,
            chunks_may_come_out_of_order,
            a_batch_may_have_no_bets,
            a_batch_may_have_the_largest_size,
            a_batch_with_a_number_out_of_range_is_refused_whole,
            bets_after_finish_are_refused,
            bets_after_the_close_are_refused,
            a_scan_ends_when_its_visitor_breaks,
            winners_are_not_known_before_the_draw,
            winners_of_an_agency_are_its_own_in_order,
            a_draw_nobody_hit_has_no_winners,
            winners_agree_with_a_recount,
            progress_counts_the_chunks_without_a_gap,
            progress_tells_who_has_finished_and_where_the_draw_is,
            statuses_count_what_is_stored,
            everything_reads_the_same_after_reopening_at_each_stage,
            a_chunk_sent_by_many_at_once_is_stored_once,
            of_contents_sent_at_once_for_one_chunk_one_is_stored,
            the_batches_of_one_thread_keep_their_order,
            a_finish_sent_by_many_at_once_is_counted_once,
            a_draw_opened_and_finished_by_many_is_one,
            bets_that_race_with_finish_are_stored_or_refused,
            scans_beside_intake_show_a_growing_prefix,
            intake_goes_on_while_a_reader_stands_still,
            every_completion_is_run_even_by_a_stop,
            an_announced_draw_takes_nothing_until_it_is_opened,
            a_name_is_announced_once,
            texts_kept_before_the_rule_are_read_again,
            agency_zero_is_neither_announced_nor_registered,
            closing_early_or_without_agencies_needs_a_reason,
            the_clock_opens_and_closes_when_it_is_time,
            a_draw_whose_close_is_over_is_not_opened,
            draws_that_are_not_made_are_bounded,
            who_did_not_finish_changes_nothing_after_the_close,
            a_draw_is_made_with_the_number_that_two_operators_enter,
            a_number_out_of_range_is_not_entered,
            an_act_is_judged_when_it_is_decided,
            a_program_acts_by_its_token_and_enters_no_number,
            winners_are_published_once_after_the_draw,
            a_disabled_agency_is_refused_whatever_it_sends,
            totals_count_what_each_agency_has,
            the_audit_log_shows_all_events_but_batches_in_order,
            an_answer_is_in_the_view_before_it_is_given,
            a_page_of_the_view_begins_behind_its_cursor,
            a_reader_with_a_page_holds_up_nobody,
            what_is_read_of_a_draw_is_of_one_moment,
            the_view_agrees_with_the_bets_that_are_kept,
            random_histories_agree_with_a_naive_model,
        }
    };
    ($subject:expr => $($check:ident,)*) => {
        $(
            #[test]
            fn $check() {
                $crate::conformance::$check(&mut $subject);
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_in_the_suite() {
        let this_file = include_str!("mod.rs");
        let checks = [
            include_str!("batches.rs"),
            include_str!("draws.rs"),
            include_str!("model.rs"),
            include_str!("operated.rs"),
            include_str!("reading.rs"),
            include_str!("threads.rs"),
            include_str!("view.rs"),
        ];
        let names = checks.iter().flat_map(|text| text.lines()).filter_map(|line| {
            let name = line.strip_prefix("pub fn ")?;
            name.strip_suffix("(subject: &mut dyn Subject) {")
        });
        let missing: Vec<_> =
            names.clone().filter(|name| !this_file.contains(&format!(" {name},\n"))).collect();
        assert_eq!(missing, Vec::<&str>::new());
        assert!(names.count() > 40, "the checks were not found in their files");
    }
}
