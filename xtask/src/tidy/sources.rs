//! Sources that stay readable and finished: short lines, nothing left for later.

use super::Violation;
use super::code::code_only;
use super::tree::Tree;

/// Most characters in a line.
const LINE_COLUMNS_MAX: usize = 100;
/// Most bytes of a data file: real bets stay out of the repository.
const CSV_LEN_MAX: u64 = 10_000;

/// A test that is not run with the others: some command must run it.
const IGNORED: &str = "#[ignore";

/// What unfinished code is made of.
const UNFINISHED: [(&str, &str); 4] = [
    (IGNORED, "run the test always, name the `cargo xtask` command that runs it, or delete it"),
    ("todo!", "finish it, or return an error"),
    ("unimplemented!", "finish it, or return an error"),
    ("dbg!", "delete it, or log it with tracing"),
];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let sources = tree.ending(".rs").flat_map(|file| {
        let (path, text) = (&*file.path, &*file.text);
        [short_lines(path, text), finished(path, text)].concat()
    });
    let data = tree.ending(".csv").flat_map(|file| small_data(&file.path, file.len));
    sources.chain(data).collect()
}

fn short_lines(path: &str, source: &str) -> Vec<Violation> {
    let long = |(line, text): (usize, &str)| {
        let columns = text.chars().count();
        (columns > LINE_COLUMNS_MAX).then(|| {
            let what = format!("the line has {columns} columns, more than {LINE_COLUMNS_MAX}");
            violation(path, Some(line), what, "wrap it")
        })
    };
    (1..).zip(source.lines()).filter_map(long).collect()
}

fn finished(path: &str, source: &str) -> Vec<Violation> {
    let code = code_only(source);
    let mut violations = Vec::new();
    for ((line, text), as_written) in (1..).zip(code.lines()).zip(source.lines()) {
        // Macros and attributes may be written with spaces inside.
        let text = text.replace(' ', "");
        let run_by_command = as_written.contains("cargo xtask ");
        for (word, remedy) in UNFINISHED {
            if word == IGNORED && run_by_command {
                continue;
            }
            let alone =
                |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if text.match_indices(word).any(|(at, _)| alone(at) || word.starts_with('#')) {
                let what = format!("`{word}` is unfinished code").replace("[ignore", "[ignore]");
                violations.push(violation(path, Some(line), what, remedy));
            }
        }
    }
    violations
}

fn small_data(path: &str, len: u64) -> Vec<Violation> {
    if len <= CSV_LEN_MAX {
        return Vec::new();
    }
    let what = format!("the data file has {len} bytes, more than {CSV_LEN_MAX}");
    vec![violation(path, None, what, "generate it where it is needed, or keep a small sample")]
}

fn violation(path: &str, line: Option<usize>, what: String, remedy: &'static str) -> Violation {
    Violation { path: path.to_owned(), line, what, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::{File, tree_of};

    #[test]
    fn a_line_has_at_most_100_columns_of_any_letters() {
        let good = format!("{}\n{}\n", "x".repeat(100), "ñ".repeat(100));
        assert_eq!(short_lines("a.rs", &good), []);
        let found = short_lines("a.rs", &format!("{good}{}", "ñ".repeat(101)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, Some(3));
        assert_eq!(found[0].what, "the line has 101 columns, more than 100");
    }

    #[test]
    fn unfinished_code_is_found_where_it_is_code() {
        let cases: [(&str, &[&str]); 12] = [
            ("todo!()", &["`todo!` is unfinished code"]),
            ("std::todo ! (\"x\")", &["`todo!` is unfinished code"]),
            ("unimplemented!()", &["`unimplemented!` is unfinished code"]),
            ("f(dbg!(x))", &["`dbg!` is unfinished code"]),
            ("#[ignore]\nfn f() {}", &["`#[ignore]` is unfinished code"]),
            ("# [ ignore = \"slow\" ]", &["`#[ignore]` is unfinished code"]),
            ("#[ignore = \"takes minutes: cargo xtask hostile\"]", &[]),
            ("// todo!()", &[]),
            ("let a = \"dbg!\";", &[]),
            ("my_todo!()", &[]),
            ("fn todo() { ignore() }", &[]),
            ("#[allow(clippy::todo)]", &[]),
        ];
        for (source, expected) in cases {
            let found = finished("a.rs", source);
            let found: Vec<_> = found.iter().map(|violation| &*violation.what).collect();
            assert_eq!(found, expected, "{source}");
        }
    }

    #[test]
    fn only_small_data_is_committed() {
        assert_eq!(small_data("bets.csv", 10_000), []);
        assert_eq!(small_data("bets.csv", 10_001).len(), 1);
    }

    #[test]
    fn every_source_and_data_file_is_looked_at() {
        let mut tree = tree_of(&[("a.rs", "todo!()"), ("b.md", "todo!()")]);
        let data = File { path: "c.csv".to_owned(), len: 20_000, text: String::new() };
        tree.files.push(data);
        let found = check(&tree);
        let paths: Vec<_> = found.iter().map(|violation| &*violation.path).collect();
        assert_eq!(paths, ["a.rs", "c.csv"]);
    }
}
