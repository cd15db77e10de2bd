//! Guesses how an unexpected file is written. `texts` suggests what to do about it.
//!
//! The guess is only shown to people: the file is never read in a form that was not requested.

use crate::form::{Delimiter, Encoding, Form};

/// Maximum number of lines inspected.
const LINES_MAX: usize = 50;
const FIELDS: usize = 5;
const BIRTHDATE: usize = 3;
const DELIMITERS: [&str; 4] = [",", ";", "tab", "|"];

/// How the beginning of a file differs from the expected form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks(pub(crate) Vec<Look>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Other(Other),
    Encoding(Encoding),
    Delimiter(Delimiter),
    Header,
    /// Dates with the year last.
    Dates,
}

/// A file that is not plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// Compressed by this program.
    Compressed(&'static str),
    /// A spreadsheet, or another file in the same container.
    Sheet(&'static str),
    Pdf,
}

impl Looks {
    /// Inspects the `head` of a file that was read in `form`.
    pub(crate) fn of(head: &[u8], form: Form) -> Self {
        if let Some(look) = other_kind(head) {
            return Self(vec![look]);
        }
        let mut looks = Vec::new();
        let encoding = likely_encoding(head, form.encoding);
        if encoding != form.encoding {
            looks.push(Look::Encoding(encoding));
        }
        let text = encoding.decode_lossy(head);
        let mut lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.len() > 1 {
            // The last line may be cut off.
            lines.pop();
        }
        lines.truncate(LINES_MAX);
        let delimiter = likely_delimiter(&lines, form.delimiter);
        if delimiter != form.delimiter {
            looks.push(Look::Delimiter(delimiter));
        }
        let rows: Vec<_> = lines.iter().map(|line| fields(line, delimiter)).collect();
        let names_fields = rows.first().is_some_and(|row| is_header(row));
        if names_fields && !form.header {
            looks.push(Look::Header);
        }
        let dated = rows.iter().filter(|row| row.len() == FIELDS && ends_in_year(row[BIRTHDATE]));
        if dated.count() * 2 > rows.len() - usize::from(names_fields) {
            looks.push(Look::Dates);
        }
        Self(looks)
    }
}

/// Recognizes a file that is not plain text by its first bytes.
fn other_kind(head: &[u8]) -> Option<Look> {
    let kinds: [(&[u8], Other); 7] = [
        (b"\x1f\x8b", Other::Compressed("gzip")),
        (b"BZh", Other::Compressed("bzip2")),
        (b"\xfd7zXZ\0", Other::Compressed("xz")),
        (b"\x28\xb5\x2f\xfd", Other::Compressed("zstd")),
        (b"PK\x03\x04", Other::Sheet("xlsx, ods, zip")),
        (b"\xd0\xcf\x11\xe0", Other::Sheet("xls")),
        (b"%PDF", Other::Pdf),
    ];
    let found = kinds.into_iter().find(|(magic, _)| head.starts_with(magic));
    found.map(|(_, other)| Look::Other(other))
}

fn likely_encoding(head: &[u8], expected: Encoding) -> Encoding {
    if let Some((marked, _)) = encoding_rs::Encoding::for_bom(head) {
        // A byte order mark is honored, except in UTF-8 input, which is not decoded.
        return if expected.is_utf8() { Encoding::of(marked) } else { expected };
    }
    let zeros_at = |odd: usize| head.iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros_at(0), zeros_at(1));
    // Most characters of a file of bets are ASCII: one of their two bytes is zero in UTF-16.
    if odd * 4 > head.len() && expected.is_utf8() {
        return Encoding::of(encoding_rs::UTF_16LE);
    }
    if even * 4 > head.len() && expected.is_utf8() {
        return Encoding::of(encoding_rs::UTF_16BE);
    }
    // A character cut off by the end of `head` is not an error.
    match str::from_utf8(head) {
        Err(error) if error.error_len().is_some() && expected.is_utf8() => {
            Encoding::of(encoding_rs::WINDOWS_1252)
        }
        Ok(_) if !expected.is_utf8() && !head.is_ascii() => Encoding::default(),
        _ => expected,
    }
}

/// Returns the first delimiter that splits more than half of the lines into five fields.
fn likely_delimiter(lines: &[&str], expected: Delimiter) -> Delimiter {
    let fits = |delimiter: &Delimiter| {
        let fitting = lines.iter().filter(|line| fields(line, *delimiter).len() == FIELDS);
        fitting.count() * 2 > lines.len()
    };
    let known = DELIMITERS.iter().map(|text| text.parse().expect("they are delimiters"));
    [expected].into_iter().chain(known).find(fits).unwrap_or(expected)
}

fn fields(line: &str, delimiter: Delimiter) -> Vec<&str> {
    line.split(char::from(delimiter.byte())).map(|field| field.trim_matches('"')).collect()
}

/// Returns whether the row is a header: five fields with letters and without digits.
fn is_header(row: &[&str]) -> bool {
    let is_name = |field: &str| {
        field.chars().any(char::is_alphabetic) && !field.chars().any(|c| c.is_ascii_digit())
    };
    row.len() == FIELDS && row.iter().all(|field| is_name(field))
}

/// Returns whether the field is a date such as 17/3/1999.
fn ends_in_year(field: &str) -> bool {
    let parts: Vec<_> = field.trim().split(['/', '-', '.']).collect();
    let digits = |part: &str, lens: std::ops::RangeInclusive<usize>| {
        lens.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    matches!(parts[..], [first, second, year]
        if digits(first, 1..=2) && digits(second, 1..=2)
            && (digits(year, 4..=4) || digits(year, 2..=2)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn said(head: &[u8], form: Form) -> String {
        Looks::of(head, form).text(Language::English)
    }

    fn of(head: impl AsRef<[u8]>) -> String {
        said(head.as_ref(), Form::default())
    }

    const GOOD: &str = "Ana,Paz,7,2000-01-01,22\nJosé,Ñu,8,2000-01-02,23\n";

    #[test]
    fn a_file_that_is_as_expected_looks_like_nothing_else() {
        for text in ["", "\n", "x", GOOD, &GOOD[..30], "Ana,Paz,7,2000-02-30,22", "a,b,c,d,e,f\n"] {
            assert_eq!(of(text), "", "{text:?}");
        }
        let form = Form { delimiter: ";".parse().unwrap(), header: true, ..Form::default() };
        assert_eq!(said(b"a;b;c;d;e\nAna;Paz;7;2000-01-01;22\n", form), "");
    }

    #[test]
    fn files_of_another_kind_are_recognized() {
        let gzip = "; the file looks like one compressed by gzip: uncompress it first";
        assert_eq!(of(b"\x1f\x8b\x08\0"), gzip);
        assert!(of(b"PK\x03\x04\x14\0").contains("save the sheet as CSV"));
    }

    #[test]
    fn encodings_are_recognized() {
        let latin: Vec<_> =
            GOOD.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
        let expected = "; the file looks like one in windows-1252 (use --encoding windows-1252)";
        assert_eq!(of(&latin), expected);
        let units = GOOD.encode_utf16();
        let utf16: Vec<_> = units.clone().flat_map(u16::to_le_bytes).collect();
        assert!(of(&utf16).ends_with("(use --encoding utf-16le)"));
        assert!(of([b"\xff\xfe", &utf16[..]].concat()).ends_with("(use --encoding utf-16le)"));
        let utf16: Vec<_> = units.flat_map(u16::to_be_bytes).collect();
        assert!(of(&utf16).ends_with("(use --encoding utf-16be)"));
        let latin1 = Form { encoding: "latin1".parse().unwrap(), ..Form::default() };
        assert!(said(GOOD.as_bytes(), latin1).ends_with("(use --encoding utf-8)"));
        assert_eq!(said(&latin, latin1), "");
    }

    #[test]
    fn everything_about_a_spreadsheets_file_is_recognized_at_once() {
        let text = b"Nombre;Apellido;Documento;Nacimiento;N\xfamero\r\n\
                     Jos\xe9;Paz;7;17/03/1999;22\r\nAna;Paz;8;1/2/2000;23\r\n";
        let expected = "; the file looks like one in windows-1252 (use --encoding windows-1252), \
                        with fields separated by ';' (use --delimiter ';'), with a header line \
                        (use --header), with the year last in dates (write them as YYYY-MM-DD)";
        assert_eq!(of(text), expected);
        let tabs = GOOD.replace(',', "\t");
        assert!(of(tabs).ends_with("(use --delimiter 'tab')"));
    }
}
