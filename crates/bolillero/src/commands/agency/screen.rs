//! Messages to the person who runs an agency, on standard error.

use std::io::{self, Write as _};

use agency::{Language, Progress, RowFault};
use indicatif::{MultiProgress, ProgressBar};
use lottery::text::{shown, shown_lines};

use super::super::progress;

/// Maximum number of rejected rows that are listed.
const ROWS_MAX: usize = 20;

/// Prints messages in one language, unless it is silent.
pub(super) struct Screen {
    language: Language,
    silent: bool,
    bars: MultiProgress,
}

/// The progress bar of a run; hidden without a terminal.
pub(super) struct ShownProgress {
    bar: ProgressBar,
    language: Language,
    waits: bool,
}

impl Screen {
    pub(super) fn new(language: Language, silent: bool) -> Self {
        let bars = MultiProgress::new();
        if silent {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        Self { language, silent, bars }
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// Returns the bars above which log lines are written.
    pub(super) fn bars(&self) -> MultiProgress {
        self.bars.clone()
    }

    pub(super) fn progress(&self) -> ShownProgress {
        let bar = progress::of_bets(&self.bars, self.language);
        ShownProgress { bar, language: self.language, waits: false }
    }

    /// Prints a line, unless the screen is silent.
    pub(super) fn say(&self, line: &str) {
        if !self.silent {
            self.print(line);
        }
    }

    /// Prints how many rows are not sent, even if the screen is silent: nothing else tells it.
    pub(super) fn say_unsent(&self, rows: u64) {
        let unsent = self
            .language
            .t("Filas no válidas que no se envían:", "Invalid rows that are not sent:");
        self.print(&format!("{unsent} {rows}"));
    }

    /// Lists the first invalid rows of `count`; the file of --rejected has all, if one is written.
    pub(super) fn list(&self, rows: &[RowFault], count: u64, in_file: bool) {
        let listed = rows.iter().take(ROWS_MAX);
        listed.for_each(|row| self.say(&row.text(self.language)));
        let unlisted = count.saturating_sub(ROWS_MAX as u64);
        if unlisted > 0 {
            let all = match in_file {
                true => self.language.t(
                    "el archivo de --rejected las tiene todas",
                    "the file of --rejected has all of them",
                ),
                false => self.language.t(
                    "--rejected ARCHIVO las escribe todas",
                    "--rejected FILE writes all of them",
                ),
            };
            let others = self.language.t("Otras filas no válidas:", "Other invalid rows:");
            self.say(&format!("{others} {unlisted}; {all}"));
        }
    }

    /// Prints a line above the bars. One that can't be printed is lost: the run goes on without it.
    fn print(&self, line: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{}", shown_lines(line));
        });
    }
}

impl ShownProgress {
    pub(super) fn show(&mut self, event: &Progress) {
        match event {
            Progress::Checked { bets, .. } => self.bar.set_length(*bets),
            Progress::Acknowledged { bets, .. } => self.bar.set_position(*bets),
            Progress::Connected if self.waits => return,
            Progress::Waiting if !self.waits => {
                self.waits = true;
                progress::waits_from_now(&self.bar, self.language);
            }
            _ => {}
        }
        if let Some(text) = event.text(self.language) {
            self.bar.set_message(shown(&text).into_owned());
        }
    }

    pub(super) fn clear(self) {
        self.bar.finish_and_clear();
    }
}
