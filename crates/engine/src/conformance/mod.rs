//! The conformance suite of the engine over any log. Each check is one promise.
//!
//! A test provides a [`Subject`]; [`conformance_suite!`](crate::conformance_suite) creates one test
//! per check:
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
//! The checks start from an empty log and use the public contract only. They compare with what was
//! sent or with a naive model, never with [`Draws`](lottery::Draws), whose rules are under test
//! too. A failing random check prints its seed; `BOLILLERO_SEED=7` runs only that one.
//!
//! Deliberately absent: crashes, damage, full disks, failing flushes. Each log has its own tests of
//! those; [`submit`] and [`wait`] are public for them.
#![expect(clippy::unwrap_used, reason = "the whole module is test code")]
#![allow(missing_docs, reason = "the names of the checks say it")]

mod batches;
mod corrections;
mod draws;
mod fixture;
mod model;
mod operated;
mod pending;
mod reading;
mod shared;
mod subject;
mod threads;
mod view;

pub use batches::*;
pub use corrections::*;
pub use draws::*;
pub use model::*;
pub use operated::*;
pub use pending::*;
pub use reading::*;
pub use shared::*;
pub use subject::*;
pub use threads::*;
pub use view::*;

/// Creates one `#[test]` for each check of [`conformance`](crate::conformance). The argument is an
/// expression that creates a new, empty [`Subject`].
#[macro_export]
macro_rules! conformance_suite {
    ($subject:expr) => {
        $crate::conformance_suite! { $subject =>
            an_empty_store_has_no_draws,
            a_draw_is_opened_once_and_found_by_the_same_terms,
            a_draws_name_with_other_terms_is_refused,
            draws_are_numbered_in_the_order_of_opening,
            terms_are_stored_up_to_every_limit,
            unknown_draws_and_agencies_are_refused,
            a_repeated_finish_is_counted_once,
            all_have_finished_only_with_the_last_agency,
            the_last_finish_closes_makes_and_publishes_an_automatic_draw,
            an_automatic_draw_is_made_when_operators_close_it,
            the_number_of_an_automatic_draw_is_fixed_at_opening,
            a_close_records_the_digest_of_the_bets,
            a_whole_draw_can_be_submitted_without_waiting,
            time_never_goes_back,
            a_batch_reads_back_byte_by_byte,
            batches_are_stored_in_the_order_of_acceptance,
            batches_of_draws_and_agencies_are_separate,
            a_repeated_chunk_is_stored_once,
            a_repeated_chunk_is_acknowledged_after_finish_and_draw,
            a_chunk_with_other_bets_is_refused,
            chunks_may_come_out_of_order,
            a_batch_may_have_no_bets,
            a_batch_may_have_the_largest_size,
            a_batch_with_a_number_out_of_range_is_refused_whole,
            bets_after_finish_are_refused,
            bets_after_the_close_are_refused,
            a_scan_ends_when_its_visitor_breaks,
            records_are_all_events_in_order_from_any_number,
            winners_are_refused_before_the_draw,
            winners_of_an_agency_are_its_own_in_order,
            a_draw_without_winning_bets_has_no_winners,
            winners_agree_with_a_recount,
            progress_counts_contiguous_chunks,
            progress_has_the_finish_and_the_draws_state,
            statuses_count_what_is_stored,
            everything_reads_the_same_after_reopening_at_each_stage,
            a_chunk_sent_concurrently_is_stored_once,
            one_of_the_concurrent_contents_of_a_chunk_is_stored,
            the_order_of_one_threads_batches_is_preserved,
            a_finish_sent_concurrently_is_counted_once,
            a_draw_opened_and_finished_concurrently_is_one,
            bets_that_race_with_finish_are_stored_or_refused,
            scans_during_intake_return_a_growing_prefix,
            a_slow_reader_does_not_block_intake,
            every_callback_runs_even_on_shutdown,
            an_announced_draw_takes_nothing_until_it_is_opened,
            a_name_is_announced_once,
            stored_texts_from_before_the_rules_are_read,
            agency_zero_is_refused,
            closing_early_or_without_agencies_needs_a_reason,
            the_clock_opens_and_closes_draws_on_schedule,
            an_expired_draw_is_not_opened,
            unmade_draws_are_limited,
            a_finish_after_the_close_changes_nothing,
            a_draw_is_made_with_the_number_that_two_operators_enter,
            a_number_out_of_range_is_refused,
            an_announced_draw_is_edited_and_cancelled_until_it_opens,
            an_agency_that_finished_is_reopened_while_the_draw_is_open,
            an_operator_corrects_their_own_entry,
            two_operators_void_a_result_that_is_not_published,
            a_draw_keeps_the_record_of_its_acts,
            an_act_is_authorized_when_it_is_decided,
            a_change_on_the_command_line_is_recorded_once,
            a_program_acts_by_token_but_enters_no_number,
            winners_are_published_once_after_the_draw,
            a_disabled_agency_is_refused_whatever_it_sends,
            totals_count_each_agencys_batches_and_bets,
            the_audit_log_lists_all_events_but_batches_in_order,
            the_view_has_a_change_before_it_is_answered,
            a_page_of_the_view_starts_after_its_cursor,
            a_reader_with_a_page_blocks_no_writer,
            reading_a_draw_returns_one_snapshot,
            the_view_agrees_with_the_stored_bets,
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
