//! Progress of long work, shown only where standard error is a terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a bar is drawn when nothing changes: else its last change may never be shown.
const TICK_TIME: Duration = Duration::from_millis(500);

/// A bar that counts batches; where there is no terminal it shows nothing.
pub(super) fn of_batches(bars: &MultiProgress) -> ProgressBar {
    let template = "{bar:30} {pos}/{len} batches, {per_sec}, {eta} left  {wide_msg}";
    let bar = styled(bars.add(ProgressBar::new(0)), template);
    // It takes a thread.
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK_TIME);
    }
    bar
}

/// From now on something is waited for whose end is not known: for how long is shown.
pub(super) fn waits_from_now(bar: &ProgressBar) {
    bar.reset_elapsed();
    let template = "{bar:30} {pos}/{len} batches  {msg}, {elapsed}";
    bar.set_style(ProgressStyle::with_template(template).expect("the template is sound"));
}

/// A counter of something whose end is not known; where there is no terminal it shows nothing.
pub(super) fn counter(of_what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    styled(bar, &format!("{{spinner}} {{human_pos}} {of_what}, {{per_sec}}"))
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.expect("the templates above are sound"));
    bar
}
