//! Tests batches, files of bets and record streams that are valid except for a few bytes, where
//! parsing errors are most likely.
//!
//! The checks compare the results of `lottery` and `agency` with a naive implementation of the rules
//! that looks at one bet, one field and one character at a time.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What an edit inserts: separators, ends of ranges, and characters of two, three and four bytes.
const PIECES: &[&str] = &[
    "", "|", "&", "-", ".", "/", "0", "9", ":", "00", " ", "\0", "\u{1f}", "\u{7e}", "\u{7f}",
    "\u{80}", "\u{9f}", "\u{a0}", "Â", "ñ", "€", "😀", "A", "z", "@", "[", "`", "{",
];

/// What an edit inserts into a file: what its form is made of, too.
const PIECES_OF_FILES: &[&str] =
    &["", ",", ",,", "\n", "\r", "\r\n", "\"", "\"\"", "\u{feff}", " ", "|", "0", "x", "ñ"];

/// Record streams of sound ledgers.
static STREAMS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| (0..5).map(checks::sound_stream).collect());

/// Generates a bet that is usually valid, and sometimes at the edge of a rule.
fn bet() -> impl Strategy<Value = String> {
    let name = || prop_oneof![30 => "[A-Za-zÑñáÂ' ]{1,20}", 1 => "[a-z]{97,102}|[ñ€]{30,51}"];
    let document = prop_oneof![20 => "[0-9]{7,8}", 1 => "[0-9A-Za-z.-]{1,16}"];
    let date = prop_oneof![
        20 => "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
        1 => "[12][09][0-9]{2}-[01][0-9]-[0-3][0-9]|[12][09][0-9]0-02-(28|29|30)",
    ];
    let number = prop_oneof![20 => "[0-9]{1,4}", 1 => "0{0,30}[0-9]{1,11}"];
    (name(), name(), document, date, number).prop_map(|(first, last, document, date, number)| {
        format!("{first}|{last}|{document}|{date}|{number}")
    })
}

/// Generates an edit: its position, how many characters it removes, and what it inserts.
fn edit(pieces: &'static [&'static str]) -> impl Strategy<Value = (Index, usize, &'static str)> {
    (any::<Index>(), 0..3_usize, select(pieces))
}

fn edited(text: &str, edits: &[(Index, usize, &str)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, removed, piece) in edits {
        let start = at.index(chars.len() + 1);
        let end = (start + removed).min(chars.len());
        chars.splice(start..end, piece.chars());
    }
    chars.into_iter().collect()
}

fn check(text: &str) {
    // The first byte selects the range: the default one, and all numbers.
    for range in [0, 1] {
        checks::run("bets_text", &[&[range], text.as_bytes()].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn bets_with_a_few_edits_are_judged_by_the_rules(
        bets in vec(bet(), 1..8), edits in vec(edit(PIECES), 0..4),
    ) {
        check(&edited(&bets.join("&"), &edits));
    }

    #[test]
    fn arbitrary_text_is_judged_by_the_rules(text in "([|&0-9a-]|.){0,200}") {
        check(&text);
    }

    #[test]
    fn files_with_a_few_edits_are_read_by_the_rules(
        choices in [0..3_u8, 0..3_u8, 0..4_u8],
        bets in vec((bet(), select(&["\n", "\r\n", "\r"])), 0..8),
        edits in vec(edit(PIECES_OF_FILES), 0..4),
        not_utf8 in proptest::option::weighted(0.1, any::<Index>()),
    ) {
        let rows: String = bets.iter().map(|(bet, end)| bet.replace('|', ",") + end).collect();
        let mut file = edited(&rows, &edits).into_bytes();
        if let Some(at) = not_utf8 {
            file.insert(at.index(file.len() + 1), 0xff);
        }
        checks::run("bets_rows", &[&[0], &choices[..], &file].concat());
    }

    #[test]
    fn streams_with_a_few_edits_are_read_or_refused(
        number in 0..5_usize,
        flags in 0..4_u8,
        pieces in vec(any::<u8>(), 0..4),
        edits in vec((any::<Index>(), 0..3_usize, vec(any::<u8>(), 0..3)), 0..4),
    ) {
        let mut stream = STREAMS[number].clone();
        for (at, removed, piece) in edits {
            let start = at.index(stream.len() + 1);
            let end = (start + removed).min(stream.len());
            stream.splice(start..end, piece);
        }
        let head = [flags, u8::try_from(pieces.len()).unwrap()];
        checks::run("record_stream", &[&head[..], &pieces, &stream].concat());
    }
}
