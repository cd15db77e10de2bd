use lottery::BetFault;
use proptest::prelude::*;

use super::*;

/// A reader that returns a few bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.1.min(buffer.len());
        self.0.read(&mut buffer[..len])
    }
}

type Read5 = (u64, Result<[String; 5], RowReason>);

fn read_in_pieces(bytes: &[u8], piece_len: usize) -> Vec<Read5> {
    read_as(Form::default(), bytes, piece_len)
}

fn read_as(form: Form, bytes: &[u8], piece_len: usize) -> Vec<Read5> {
    let mut rows = Rows::new(Pieces(bytes, piece_len), form);
    let mut found = Vec::new();
    while rows.advance().unwrap() {
        let row = rows.row();
        found.push((row.line, row.fields.map(|fields| fields.map(str::to_owned))));
    }
    assert!(!rows.advance().unwrap(), "a row after the last");
    found
}

fn read(bytes: impl AsRef<[u8]>) -> Vec<Read5> {
    let whole = read_in_pieces(bytes.as_ref(), usize::MAX);
    for piece_len in [1, 2, 7] {
        assert_eq!(read_in_pieces(bytes.as_ref(), piece_len), whole);
    }
    whole
}

fn good(line: u64, fields: [&str; 5]) -> Read5 {
    (line, Ok(fields.map(str::to_owned)))
}

const ANA: [&str; 5] = ["Ana", "Paz", "7", "2000-01-01", "22"];
const JOSE: [&str; 5] = ["José", "Ñu", "8", "2000-01-02", "23"];

#[test]
fn fields_may_be_apart_by_another_character_and_follow_a_header() {
    let quoted = ["Ana; la", "Paz,", "7", "2000-01-01", "22"];
    for (delimiter, header) in [(';', "a;b;c;d;e\r\n"), ('\t', "\"a\nb\r\n"), ('|', "x\r\n")] {
        let row = quoted.map(|field| format!("\"{field}\"")).join(&delimiter.to_string());
        let broken = format!("\"Ana\" Paz{delimiter}b{delimiter}c{delimiter}d{delimiter}e");
        let form = Form {
            delimiter: delimiter.to_string().parse().unwrap(),
            header: true,
            ..Form::default()
        };
        let text = format!("\u{feff}\n{header}{row}\n{broken}");
        let first = 2 + header.lines().count() as u64;
        for piece_len in [1, 2, 7, 1000] {
            let rows = read_as(form, text.as_bytes(), piece_len);
            let expected = [good(first, quoted), (first + 1, Err(RowReason::Quotes))];
            assert_eq!(rows[rows.len() - 2..], expected, "{text}");
        }
    }
}

#[test]
fn only_the_first_byte_order_mark_is_dropped() {
    let marked = ["\u{feff}Ana", "Paz", "7", "2000-01-01", "22"];
    let text = "\u{feff}\u{feff}Ana,Paz,7,2000-01-01,22\n\u{feff}Ana,Paz,7,2000-01-01,22";
    assert_eq!(read(text), [good(1, marked), good(2, marked)]);
    let after_a_fault = "a\"\n\u{feff}Ana,Paz,7,2000-01-01,22";
    let expected = [(1, Err(RowReason::Quotes)), good(2, marked)];
    assert_eq!(read(after_a_fault), expected);
}

#[test]
fn quoted_fields_may_hold_anything() {
    let text = "\"Ana \"\"la, de\r\nallá\"\"\",\"\",7,\"2000-01-01\",\"22\"\r\n\
                José,Ñu,8,2000-01-02,23";
    let quoted = ["Ana \"la, de\r\nallá\"", "", "7", "2000-01-01", "22"];
    assert_eq!(read(text), [good(1, quoted), good(3, JOSE)]);
}

#[test]
fn a_quotation_mark_out_of_place_costs_its_line_only() {
    for broken in [
        "Ana \"la\",Paz,7,2000-01-01,22",
        "\"Ana\" Paz,Paz,7,2000-01-01,22",
        "\"Ana,Paz,7,2000-01-01,22",
        "Ana,Paz,7,2000-01-01,\"22",
    ] {
        let text = format!("{broken}\r\nJosé,Ñu,8,2000-01-02,23\n{broken}");
        let quotes = Err(RowReason::Quotes);
        let expected = [(1, quotes.clone()), good(2, JOSE), (3, quotes)];
        assert_eq!(read(&text), expected, "{broken}");
    }
}

#[test]
fn a_missing_mark_that_another_row_seems_to_close_costs_its_line_only() {
    let text = "\"Ana,Paz,7,2000-01-01,22\n\"José\",\"Ñu\",8,2000-01-02,23\n";
    assert_eq!(read(text), [(1, Err(RowReason::Quotes)), good(2, JOSE)]);
}

#[test]
fn a_row_that_never_ends_is_refused_in_bounded_memory() {
    let row = "José,Ñu,8,2000-01-02,23\n";
    let text = format!("{row}\"Ana,{}", row.repeat(10_000));
    let mut rows = Rows::new(text.as_bytes(), Form::default());
    for line in 1..=10_001 {
        assert!(rows.advance().unwrap());
        assert_eq!(rows.row().line, line);
        match rows.row().fields {
            Ok(fields) => assert_eq!(fields, JOSE),
            Err(reason) => assert_eq!((line, reason), (2, RowReason::TooLong)),
        }
    }
    assert!(!rows.advance().unwrap());
    assert_eq!(rows.buffer.len(), READ_LEN);
}

#[test]
fn a_row_may_be_as_long_as_the_limit_and_no_longer() {
    for (len, fits) in [(ROW_LEN_MAX, true), (ROW_LEN_MAX + 1, false)] {
        let zeros = "0".repeat(len - "Ana,Paz,7,2000-01-01,".len());
        for end in ["", "\n", "\r\n"] {
            let text = format!("Ana,Paz,7,2000-01-01,{zeros}{end}");
            let [(1, row)] = &read_in_pieces(text.as_bytes(), 1000)[..] else {
                panic!("not one row on line 1");
            };
            assert_eq!(row.is_ok(), fits, "{len} bytes, then {end:?}");
            assert!(fits || *row == Err(RowReason::TooLong));
        }
    }
    let endless = "x".repeat(3 * READ_LEN) + "\nAna,Paz,7,2000-01-01,22";
    let expected = [(1, Err(RowReason::TooLong)), good(2, ANA)];
    assert_eq!(read_in_pieces(endless.as_bytes(), usize::MAX), expected);
}

#[test]
fn a_row_is_checked_as_a_bet() {
    let check = |text: &str| {
        let mut rows = Rows::new(text.as_bytes(), Form::default());
        assert!(rows.advance().unwrap());
        let bet = rows.row().bet(NumberRange::default());
        bet.map(|bet| bet.to_string())
    };
    let text = check("José,Ñu,8,2000-01-02,0023");
    assert_eq!(text, Ok("José|Ñu|8|2000-01-02|23".to_owned()));
    for (row, fault) in [
        ("\"a\tb\",Ñu,8,2000-01-02,23", BetFault::FirstName),
        ("a,b|c,8,2000-01-02,23", BetFault::LastName),
        ("a,b,,2000-01-02,23", BetFault::Document),
        ("a,b,8,2000-02-30,23", BetFault::Birthdate),
        ("a,b,8,2000-02-28, 23", BetFault::NumberFormat),
        ("a,b,8,2000-02-28,10000", BetFault::NumberRange),
    ] {
        assert_eq!(check(row), Err(RowReason::Bet(fault)), "{row}");
    }
    for row in ["\"a\n\nb\",Ñu,8,2000-01-02,23\n", "\"\n\r\n\""] {
        assert_eq!(check(row), Err(RowReason::Lines(3)), "{row:?}");
    }
}

/// Writes a field, in quotation marks if `quoted` or if it needs them.
fn written(field: &str, quoted: bool) -> String {
    if quoted || field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

proptest! {
    #[test]
    fn what_was_written_reads_back_on_its_line(
        rows in prop::collection::vec(
            (prop::array::uniform5(("[a-zñ€,\"\r\n |&]{0,12}", any::<bool>())), 0_usize..3),
            0..12,
        ),
        mark: bool,
        last_end: bool,
        piece_len in 1_usize..40,
    ) {
        let mut text = String::new();
        let mut expected = Vec::new();
        for (fields, end) in &rows {
            // Every row has four commas, so none is skipped as an empty line.
            let end = ["\n", "\r\n", "\r"][*end];
            let line = 1 + lines_ended(&text);
            let row = fields.each_ref().map(|(field, quoted)| written(field, *quoted));
            text += &(row.join(",") + end);
            expected.push((line, Ok(fields.each_ref().map(|(field, _)| field.clone()))));
        }
        if !last_end {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        if mark {
            text.insert(0, '\u{feff}');
        }
        prop_assert_eq!(read_in_pieces(text.as_bytes(), piece_len), expected);
    }

}

fn lines_ended(text: &str) -> u64 {
    let text = text.replace("\r\n", "\n");
    text.matches(['\r', '\n']).count() as u64
}
