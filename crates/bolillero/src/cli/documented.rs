//! Checks that the examples in the documents and in `--help` parse as command lines.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use super::Cli;

/// Returns the paths of the README and of the documents about the present in the folders of `docs`.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["tutorial", "how-to", "reference", "explanation"];
    let list = |folder| fs::read_dir(root.join("docs").join(folder)).unwrap();
    let listed = folders.into_iter().flat_map(list).map(|entry| entry.unwrap().path());
    let is_text = |path: &PathBuf| path.extension().is_some_and(|it| it == "md" || it == "sh");
    listed.filter(is_text).chain([root.join("README.md")]).collect()
}

/// Returns the `bolillero` commands that a text shows on lines of their own, split into words.
fn examples(text: &str) -> Vec<Vec<String>> {
    let whole = text.replace("\\\n", " ");
    let lines = whole.lines().map(str::trim).filter(|line| line.starts_with("bolillero "));
    lines.map(words).collect()
}

/// Splits a line into words, up to the first shell operator.
fn words(line: &str) -> Vec<String> {
    let words = shlex::split(line).unwrap_or_else(|| panic!("a quote is left open: {line}"));
    let ends = |word: &String| ["|", ">", "<", "&&", "&", ";"].contains(&word.as_str());
    words.into_iter().take_while(|word| !ends(word)).collect()
}

fn check(examples: &[Vec<String>], from: &str) {
    for example in examples {
        if let Err(error) = Cli::command().try_get_matches_from(example) {
            panic!("{from}: `{}`: {error}", example.join(" "));
        }
    }
}

#[test]
fn an_example_is_read_up_to_what_the_shell_does_with_it() {
    let text = "  bolillero check \\\n    --data x | grep y # why\nbolillero is good\n> bolillero";
    assert_eq!(examples(text)[0], ["bolillero", "check", "--data", "x"]);
    assert_eq!(examples("bolillero check   # why"), [["bolillero", "check"]]);
}

#[test]
fn the_command_line_reads_every_example_of_the_documents() {
    let mut count = 0;
    for path in documents() {
        let examples = examples(&fs::read_to_string(&path).unwrap());
        check(&examples, &path.display().to_string());
        count += examples.len();
    }
    assert!(count > 10, "only {count} examples found");
}

#[test]
fn the_command_line_reads_every_example_of_its_help() {
    let (mut commands, mut count) = (vec![Cli::command()], 0);
    while let Some(mut command) = commands.pop() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = examples(&help);
        check(&examples, &command.render_usage().to_string());
        count += examples.len();
        commands.extend(command.get_subcommands().cloned());
    }
    assert!(count > 20, "only {count} examples found");
}
