//! Progress of long tasks, shown only when standard error is a terminal.

use std::time::Duration;

use agency::Language;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a bar is redrawn when nothing changes; otherwise its last change might never be shown.
const TICK_TIME: Duration = Duration::from_millis(500);

/// Creates a bar that counts bets; hidden without a terminal.
pub(super) fn of_bets(bars: &MultiProgress, language: Language) -> ProgressBar {
    let template = language.t(
        "{bar:30} {pos}/{len} apuestas, {per_sec}, faltan {eta}  {wide_msg}",
        "{bar:30} {pos}/{len} bets, {per_sec}, {eta} left  {wide_msg}",
    );
    let bar = styled(bars.add(ProgressBar::new(0)), template);
    // The steady tick uses a thread.
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK_TIME);
    }
    bar
}

/// Switches the bar to show the elapsed time of a wait of unknown length.
pub(super) fn waits_from_now(bar: &ProgressBar, language: Language) {
    bar.reset_elapsed();
    let template = language.t(
        "{bar:30} {pos}/{len} apuestas  {msg}, {elapsed}",
        "{bar:30} {pos}/{len} bets  {msg}, {elapsed}",
    );
    bar.set_style(ProgressStyle::with_template(template).expect("the template is sound"));
}

/// Creates a counter without a known total; hidden without a terminal.
pub(super) fn counter(of_what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    styled(bar, &format!("{{spinner}} {{human_pos}} {of_what}, {{per_sec}}"))
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.expect("the templates above are sound"));
    bar
}
