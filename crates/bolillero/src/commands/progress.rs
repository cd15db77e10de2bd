//! Progress of long work, shown only where standard error is a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A bar that counts batches; where there is no terminal it shows nothing.
pub(super) fn of_batches(bars: &MultiProgress) -> ProgressBar {
    let template = "{bar:30} {pos}/{len} batches, {per_sec}, {eta} left  {wide_msg}";
    styled(bars.add(ProgressBar::new(0)), template)
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
