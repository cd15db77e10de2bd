//! Log lines: docs/reference/log-lines.md has every action that the crates log, and no other.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::documents::Document;
use crate::program::run;

const TABLE: &str = "docs/reference/log-lines.md";

pub(super) fn check(documents: &[Document], root: &Path) -> anyhow::Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args([
        "grep",
        "--untracked",
        "-hoE",
        r#"(action = )?"[a-z_]+""#,
        "--",
        "crates/*/src/*.rs",
    ]);
    git.current_dir(root);
    let table = documents.iter().filter(|document| document.path == TABLE);
    let table: String = table.map(|document| &*document.text).collect();
    Ok(differences(&table, &run(git)?))
}

/// Compares the table with the strings of the source, one a line; an action begins `action = `.
fn differences(table: &str, strings: &str) -> Vec<String> {
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let rows: BTreeSet<_> = rows.collect();
    let actions = strings.lines().filter_map(|line| line.strip_prefix("action = "));
    let actions: BTreeSet<_> = actions.map(|action| action.trim_matches('"')).collect();
    let strings: BTreeSet<_> = strings.lines().filter_map(|line| line.split('"').nth(1)).collect();
    let missing = actions.difference(&rows).map(|action| format!("has no row for `{action}`"));
    let dead = rows.difference(&strings).map(|action| format!("`{action}` is logged nowhere"));
    missing.chain(dead).map(|finding| format!("{TABLE}: {finding}; make them agree")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_the_table_with_the_source() {
        let table = "| action | level |\n|---|---|\n| `listen` | info |\n| `dance` | info |\n\
                     | `open_draw` | info |\n";
        let strings = "action = \"listen\"\naction = \"sing\"\n\"open_draw\"\n\"other\"\n";
        let expected = ["has no row for `sing`", "`dance` is logged nowhere"]
            .map(|finding| format!("{TABLE}: {finding}; make them agree"));
        assert_eq!(differences(table, strings), expected);
    }
}
