//! Parses arbitrary text as the configuration file of `serve` or `agency`.
//!
//! Input: which of the two, the text.

use bolillero::{ReadSettings, agency_settings, serve_settings};

use crate::decisions::Decisions;

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let read = if decisions.flag() { agency_settings } else { serve_settings };
    let Ok(text) = str::from_utf8(decisions.rest()) else { return };
    let settings: ReadSettings = match read(text) {
        Ok(settings) => settings,
        Err(why) => return assert!(!why.is_empty(), "refused without a word"),
    };
    let again = read(&settings.file).expect("what was accepted is accepted when it is written");
    assert_eq!(again, settings, "what was accepted reads back as something else");
}
