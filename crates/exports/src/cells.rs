//! Cells of CSV that no spreadsheet takes for a formula.
//!
//! A spreadsheet evaluates a cell that begins with `=`, `+`, `-` or `@`, which may reach out to the
//! network or run programs. Such a cell gets an apostrophe before it: a spreadsheet then shows it
//! as
//! text. What quotes, blanks and invisible characters hide counts too, and so does what follows a
//! `;` or `,` inside a cell: where the list separator of the system is another one, a cell begins
//! there.
//!
//! An apostrophe is added and nothing else changes. One at the beginning of such a part, where it
//! would get one without it too, is what was added: a program that leaves it out has the bytes
//! back.

use std::borrow::Cow;

/// How cells of CSV are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cells {
    /// For spreadsheets: none is taken for a formula.
    #[default]
    Inert,
    /// For programs: exactly as they are stored.
    Raw,
}

impl Cells {
    pub(crate) fn write(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Inert => inert(text),
            Self::Raw => Cow::Borrowed(text),
        }
    }
}

/// A cell that is no formula, wherever it is cut.
fn inert(text: &str) -> Cow<'_, str> {
    if !parts(text).any(is_formula) {
        return Cow::Borrowed(text);
    }
    let inert = parts(text).map(|part| {
        let apostrophe = if is_formula(part) { "'" } else { "" };
        format!("{apostrophe}{part}")
    });
    Cow::Owned(inert.collect())
}

/// The parts in which a cell may be read, each with the separator behind it.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([',', ';'])
}

/// Whether a spreadsheet may take it for a formula.
fn is_formula(part: &str) -> bool {
    let shown = part.trim_start_matches(is_hidden);
    let hidden = &part[..part.len() - shown.len()];
    hidden.contains(['\t', '\r', '\n'])
        || shown.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

/// What may stand before a formula: blanks, quotes, and characters that are not seen.
fn is_hidden(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '"' | '\''
                | '\u{ff02}'
                | '\u{ff07}'
                | '\u{ad}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a cell was before it was made inert.
    fn exact(inert: &str) -> String {
        let before = |part| match str::strip_prefix(part, '\'') {
            Some(rest) if is_formula(rest) => rest,
            _ => part,
        };
        parts(inert).map(before).collect()
    }

    #[test]
    fn what_a_spreadsheet_would_evaluate_gets_an_apostrophe_and_the_rest_stays() {
        for (text, written) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+cmd", "'+cmd"),
            ("-1-1", "'-1-1"),
            ("\t=1", "'\t=1"),
            ("\rx", "'\rx"),
            ("\"=1", "'\"=1"),
            ("'=1", "''=1"),
            (" \u{feff}\u{ff1d}1", "' \u{feff}\u{ff1d}1"),
            ("\u{ff0b}1", "'\u{ff0b}1"),
            ("\u{ff0d}1", "'\u{ff0d}1"),
            ("\u{ff20}x", "'\u{ff20}x"),
            ("Ana;=1;b,@x", "Ana;'=1;b,'@x"),
        ] {
            assert_eq!(Cells::Inert.write(text), written);
            assert_eq!(Cells::Raw.write(text), text);
        }
        for text in ["", "Ana-María", "D'Angelo", "'Ana'", "a=b", "12.345-6", "Ana, la", "\"Ana\""]
        {
            assert_eq!(Cells::Inert.write(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_cell_is_a_formula_wherever_it_is_cut_and_its_text_can_be_had_back(
            text in "[-=+@＝＠,; \"'a\t\r1]{0,12}|\\PC{0,20}|.{0,20}",
        ) {
            let written = Cells::Inert.write(&text);
            for part in written.split([',', ';']) {
                // An apostrophe is what a spreadsheet looks for first.
                let formula = |part: &str| part.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                prop_assert!(!formula(part), "{part:?}");
                prop_assert!(!formula(part.trim_start_matches([' ', '"'])), "{part:?}");
            }
            prop_assert_eq!(exact(&written), text);
        }
    }
}
