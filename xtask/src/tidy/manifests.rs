//! Every crate's manifest takes the edition and the lints from the workspace.

use super::Violation;
use super::crates::Crates;
use super::tree::Tree;

pub(super) fn check(tree: &Tree, crates: &Crates) -> Vec<Violation> {
    let manifests = crates.crates.iter().filter_map(|it| tree.get(&it.manifest));
    manifests.flat_map(|file| inherits(&file.path, &file.text)).collect()
}

fn inherits(path: &str, manifest: &str) -> Vec<Violation> {
    let must_have = [
        ("package", "edition.workspace", "the edition is not the workspace's"),
        ("lints", "workspace", "the lints are not the workspace's"),
    ];
    let missing = must_have.iter().filter(|(table, key, _)| !is_true(manifest, table, key));
    let violation = |(table, _, what): &(&str, &str, &str)| Violation {
        path: path.to_owned(),
        line: None,
        what: (*what).to_owned(),
        remedy: match *table {
            "lints" => "add `[lints]` with `workspace = true`",
            _ => "write `edition.workspace = true`",
        },
    };
    missing.map(violation).collect()
}

/// Whether the table of this name says `key = true`.
fn is_true(manifest: &str, table: &str, key: &str) -> bool {
    let lines = manifest.lines().map(str::trim);
    let in_table = lines
        .skip_while(|line| {
            line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) != Some(table)
        })
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    in_table
        .filter_map(|line| line.split_once('='))
        .any(|(name, value)| name.trim() == key && value.trim() == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "[package]\nname = \"x\"\nedition.workspace = true\n\n\
        [lints]\nworkspace = true\n\n[dependencies]\nwire.workspace = true\n";

    #[test]
    fn a_manifest_inherits_edition_and_lints() {
        let edition = "the edition is not the workspace's";
        let lints = "the lints are not the workspace's";
        let cases: [(String, &[&str]); 6] = [
            (CLEAN.to_owned(), &[]),
            (CLEAN.replace("edition.workspace = true", "edition = \"2021\""), &[edition]),
            (CLEAN.replace("[lints]\nworkspace = true\n", ""), &[lints]),
            (CLEAN.replace("[lints]", "[lints.rust]"), &[lints]),
            (CLEAN.replace("workspace = true\n\n[dep", "workspace = false\n\n[dep"), &[lints]),
            (String::new(), &[edition, lints]),
        ];
        for (manifest, expected) in cases {
            let found = inherits("Cargo.toml", &manifest);
            let found: Vec<_> = found.iter().map(|violation| &*violation.what).collect();
            assert_eq!(found, expected, "{manifest}");
        }
    }
}
