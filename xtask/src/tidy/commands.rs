//! Commands: each that a document names has a row in docs/reference/commands.md, and each row
//! names what runs it.
//!
//! A command is code of a document that begins with `bolillero` or with `cargo` and a subcommand.

use super::documents::Document;

const TABLE: &str = "docs/reference/commands.md";
/// What a command begins with, before at least one more word.
const BEGINNINGS: [&str; 6] = [
    "bolillero ",
    "cargo xtask ",
    "cargo run ",
    "cargo test ",
    "cargo build ",
    "cargo install --path ",
];

pub(super) fn check(documents: &[Document]) -> Vec<String> {
    let Some(table) = documents.iter().find(|document| document.path == TABLE) else {
        return vec![format!("{TABLE}: is missing; write what runs each documented command")];
    };
    let rows = rows(&table.text);
    let idle = rows.iter().filter(|(_, runners)| !runners.contains('`'));
    let idle = idle.map(|(command, _)| {
        format!("{TABLE}: nothing is named that runs `{command}`; name a test or a step, in code")
    });
    let present = documents.iter().filter(|document| !document.is_history());
    idle.chain(present.flat_map(|document| without_row(document, &rows))).collect()
}

/// The rows of the table: a command, and the text that tells what runs it.
fn rows(table: &str) -> Vec<(&str, &str)> {
    table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).collect()
}

fn without_row(document: &Document, rows: &[(&str, &str)]) -> Vec<String> {
    let has_row = |command: &str| {
        let rests = rows.iter().filter_map(|(row, _)| command.strip_prefix(row));
        rests.into_iter().any(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let code = document.parts().code.into_iter();
    let commands = code.filter_map(|(line, code)| Some((line, command(&code)?)));
    let unknown = commands.filter(|(_, command)| !has_row(command));
    let finding = |(line, command)| {
        let place = format!("{}:{line}", document.path);
        format!("{place}: `{command}` has no row in {TABLE}; say there what runs it")
    };
    unknown.map(finding).collect()
}

/// The command that code begins with, without values and comments.
fn command(code: &str) -> Option<String> {
    let beginning = BEGINNINGS.into_iter().find(|beginning| code.starts_with(beginning))?;
    let words = code[beginning.len()..].split_whitespace();
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
    let words: Vec<_> = words.take_while(is_word).collect();
    (!words.is_empty()).then(|| format!("{beginning}{}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::command::Arguments;
    use crate::steps::root;

    const ROWS: &str = "\
| command | what runs it |
|---|---|
| `bolillero check` | `tests/check.rs` |
| `cargo xtask sim` | step `sim` |
";

    fn findings(documents: &[(&str, &str)]) -> Vec<String> {
        let document = |(path, text): &(&str, &str)| Document {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        check(&documents.iter().map(document).collect::<Vec<_>>())
    }

    #[test]
    fn finds_a_command_without_a_row() {
        let text = "`bolillero check --data x` and `bolillero dance`, bolillero in prose\n\
                    \n    cargo xtask sim --seeds 1   # comment\n\n```\n\ncargo xtask mop\n```\n";
        let expected = ["README.md:1: `bolillero dance`", "README.md:7: `cargo xtask mop`"]
            .map(|place| format!("{place} has no row in {TABLE}; say there what runs it"));
        assert_eq!(findings(&[(TABLE, ROWS), ("README.md", text)]), expected);
        assert_eq!(findings(&[(TABLE, ROWS), ("CHANGELOG.md", text)]), [""; 0]);
    }

    #[test]
    fn finds_a_row_that_names_nothing_that_runs_it() {
        let found = findings(&[(TABLE, "| `bolillero check` | people do |\n")]);
        assert!(found[0].contains("nothing is named that runs `bolillero check`"), "{found:?}");
        assert!(findings(&[])[0].starts_with(&format!("{TABLE}: is missing")));
    }

    #[test]
    fn the_rows_of_xtask_are_its_commands() {
        let table = std::fs::read_to_string(root().join(TABLE)).unwrap();
        let rows = rows(&table);
        let rows = rows.iter().filter_map(|(row, _)| row.strip_prefix("cargo xtask "));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable();
        let cli = Arguments::command();
        let mut commands: Vec<_> = cli.get_subcommands().map(clap::Command::get_name).collect();
        commands.sort_unstable();
        assert_eq!(rows, commands);
    }
}
