//! Commands that documents name: each stands in the table of docs/commands.md with what runs it.
//!
//! A command is what begins with `bolillero` or with `cargo` and its subcommand, in code of a
//! document: between backquotes, or in a block.

use super::Violation;
use super::tree::Tree;

/// Where the table is.
const TABLE: &str = "docs/commands.md";
/// Documents of what was, or why: their commands are not for a reader to run.
const NOT_READ: [&str; 2] = ["CHANGELOG.md", "docs/decisions/"];
/// What a command begins with, and then has one word more at least.
const BEGINNINGS: [&str; 5] =
    ["bolillero ", "cargo xtask ", "cargo run ", "cargo test ", "cargo build "];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let Some(table) = tree.get(TABLE) else {
        let what = "it is missing".to_owned();
        return vec![violation(TABLE, None, what, "write it: what runs each documented command")];
    };
    let rows = rows(&table.text);
    let documents =
        tree.ending(".md").filter(|file| !NOT_READ.iter().any(|path| file.path.starts_with(path)));
    let unknown = documents.flat_map(|file| not_in(&rows, &file.path, &file.text));
    let dead = rows.iter().flat_map(|row| row.without_runner(&|path| tree.has(path)));
    unknown.chain(dead).collect()
}

/// A row of the table: a command, and what runs it.
struct Row<'a> {
    line: usize,
    command: &'a str,
    runners: Vec<&'a str>,
}

/// The rows whose first column is a command in code.
fn rows(table: &str) -> Vec<Row<'_>> {
    (1..).zip(table.lines()).filter_map(|(line, text)| Row::of(line, text)).collect()
}

impl<'a> Row<'a> {
    fn of(line: usize, text: &'a str) -> Option<Self> {
        let mut columns = text.strip_prefix('|')?.split('|');
        let command = columns.next()?.trim().strip_prefix('`')?.strip_suffix('`')?;
        let runners = columns.flat_map(|column| column.split('`').skip(1).step_by(2)).collect();
        Some(Self { line, command, runners })
    }

    fn is_of(&self, command: &str) -> bool {
        let rest = command.strip_prefix(self.command);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }

    /// A row must name something that runs the command; a file that it names must be there.
    fn without_runner(&self, exists: &dyn Fn(&str) -> bool) -> Vec<Violation> {
        if self.runners.is_empty() {
            let what = format!("nothing is named that runs `{}`", self.command);
            return vec![violation(TABLE, Some(self.line), what, "name a test or a step, in code")];
        }
        let is_path = |it: &&&str| it.contains('/') && !it.contains(' ');
        let dead = self.runners.iter().filter(is_path).filter(|path| !exists(path));
        let violation = |path: &&str| {
            let what = format!("`{path}`, which should run `{}`, is not there", self.command);
            violation(TABLE, Some(self.line), what, "name what runs it now")
        };
        dead.map(violation).collect()
    }
}

fn not_in(rows: &[Row<'_>], path: &str, text: &str) -> Vec<Violation> {
    let commands = commands_in(text);
    let unknown = commands.into_iter().filter(|(_, it)| !rows.iter().any(|row| row.is_of(it)));
    let violation = |(line, command): (usize, String)| {
        let what = format!("`{command}` has no row in {TABLE}");
        violation(path, Some(line), what, "have something run it, and say there what")
    };
    unknown.map(violation).collect()
}

/// The commands of a document, with their lines.
fn commands_in(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        let block = in_block || text.starts_with("    ");
        let parts = text.split('`').enumerate();
        let code = parts.filter(|(at, _)| block || at % 2 == 1).map(|(_, part)| part.trim());
        found.extend(code.filter_map(command).map(|command| (line, command)));
    }
    found
}

/// The command that code begins with: without options, values and comments.
fn command(code: &str) -> Option<String> {
    let beginning = BEGINNINGS.into_iter().find(|beginning| code.starts_with(beginning))?;
    let words = code[beginning.len()..].split_whitespace();
    let is_word = |it: &&str| it.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
    let named: Vec<_> = words.take_while(is_word).collect();
    (!named.is_empty()).then(|| format!("{beginning}{}", named.join(" ")))
}

fn violation(path: &str, line: Option<usize>, what: String, remedy: &'static str) -> Violation {
    Violation { path: path.to_owned(), line, what, remedy }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::command::Arguments;
    use crate::steps::root;
    use crate::tidy::tree::tree_of;

    const ROWS: &str = "\
| command | what runs it |
|---|---|
| `bolillero check` | `tests/check.rs` |
| `cargo xtask sim` | step `sim` |
";

    fn whats(tree: &Tree) -> Vec<String> {
        check(tree).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn each_command_of_a_document_has_a_row() {
        let document = "`bolillero check --data x` and `bolillero dance`, bolillero in prose\n\
                        \n    cargo xtask sim --seeds 1   # comment\n\n```\ncargo xtask mop\n```\n";
        let files = [(TABLE, ROWS), ("tests/check.rs", ""), ("README.md", document)];
        let expected = ["bolillero dance", "cargo xtask mop"]
            .map(|it| format!("`{it}` has no row in {TABLE}"));
        assert_eq!(whats(&tree_of(&files)), expected);
    }

    #[test]
    fn each_row_names_what_is_there() {
        let expected = ["`tests/check.rs`, which should run `bolillero check`, is not there"];
        assert_eq!(whats(&tree_of(&[(TABLE, ROWS)])), expected);
        let bare = "| `bolillero check` | people do |\n";
        assert_eq!(
            whats(&tree_of(&[(TABLE, bare)])),
            ["nothing is named that runs `bolillero check`"]
        );
        assert_eq!(whats(&tree_of(&[])), ["it is missing"]);
    }

    #[test]
    fn every_command_of_xtask_has_a_row() {
        let table = std::fs::read_to_string(root().join(TABLE)).unwrap();
        let rows = rows(&table);
        for command in Arguments::command().get_subcommands() {
            let name = format!("cargo xtask {}", command.get_name());
            assert!(rows.iter().any(|row| row.is_of(&name)), "{name}");
        }
    }
}
