//! CSV cells that no spreadsheet evaluates as a formula.
//!
//! A spreadsheet evaluates a cell that starts with `=`, `+`, `-` or `@`, which may access the
//! network or run programs. Such a cell gets a leading apostrophe, which makes it text. Leading
//! quotes, blanks and invisible characters are skipped in this check. Text after a `;` or `,`
//! inside a cell counts as a cell too, as some systems use another list separator.
//!
//! Nothing else is changed. A program restores the text by removing a leading apostrophe from every
//! part that would get one without it.

use std::borrow::Cow;

/// The columns of a file of bets, in every format. The first three are a bet's name without the draw.
pub(crate) const COLUMNS: [&str; 8] =
    ["agency", "chunk", "position", "first_name", "last_name", "document", "birthdate", "number"];

/// How to write cells of CSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cells {
    /// For spreadsheets: no cell is a formula.
    #[default]
    Inert,
    /// For programs: exactly as stored.
    Raw,
}

impl Cells {
    /// Returns the text as it is written in a cell.
    #[must_use]
    pub fn write(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Inert => inert(text),
            Self::Raw => Cow::Borrowed(text),
        }
    }
}

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

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([',', ';'])
}

/// Whether a spreadsheet may evaluate the part.
fn is_formula(part: &str) -> bool {
    let shown = part.trim_start_matches(is_hidden);
    let hidden = &part[..part.len() - shown.len()];
    hidden.contains(['\t', '\r', '\n'])
        || shown.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

/// Whether a character may precede a formula: blanks, quotes, invisible ones.
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

    /// Restores the text of an inert cell.
    fn exact(inert: &str) -> String {
        let before = |part| match str::strip_prefix(part, '\'') {
            Some(rest) if is_formula(rest) => rest,
            _ => part,
        };
        parts(inert).map(before).collect()
    }

    #[test]
    fn formulas_get_an_apostrophe_and_other_text_is_unchanged() {
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
        fn no_part_of_a_cell_is_a_formula_and_its_text_can_be_restored(
            text in "[-=+@＝＠,; \"'a\t\r1]{0,12}|\\PC{0,20}|.{0,20}",
        ) {
            let written = Cells::Inert.write(&text);
            for part in written.split([',', ';']) {
                // Spreadsheets check for an apostrophe first.
                let formula = |part: &str| part.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                prop_assert!(!formula(part), "{part:?}");
                prop_assert!(!formula(part.trim_start_matches([' ', '"'])), "{part:?}");
            }
            prop_assert_eq!(exact(&written), text);
        }
    }
}
