//! `cargo xtask tidy`: the rules of the house that the compiler does not know.
//!
//! Every rule is a function from what was read ([`Tree`], [`Crates`]) to [`Violation`]s, and reads
//! nothing itself. All rules run; all violations are shown.

mod code;
mod commands;
mod crates;
mod documents;
mod imports;
mod manifests;
mod sources;
mod tree;

use std::fmt;

use anyhow::bail;

use crate::steps;
use crates::Crates;
use tree::Tree;

/// A rule broken somewhere: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    /// From 1; none when it is about the file as a whole.
    line: Option<usize>,
    what: String,
    remedy: &'static str,
}

pub(crate) fn run() -> anyhow::Result<()> {
    let tree = Tree::read(&steps::root())?;
    let crates = Crates::read(&steps::root())?;
    let violations = check(&tree, &crates);
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!("{} files, {} crates: tidy", tree.files.len(), crates.crates.len());
            Ok(())
        }
        1 => bail!("1 rule is broken"),
        count => bail!("rules are broken in {count} places"),
    }
}

fn check(tree: &Tree, crates: &Crates) -> Vec<Violation> {
    let mut violations = crates::check(crates);
    violations.extend(manifests::check(tree, crates));
    violations.extend(imports::check(tree));
    violations.extend(sources::check(tree));
    violations.extend(documents::check(tree));
    violations.extend(commands::check(tree));
    violations.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    violations
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, remedy } = self;
        match line {
            Some(line) => write!(f, "{path}:{line}: {what}; {remedy}"),
            None => write!(f, "{path}: {what}; {remedy}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_says_where_what_and_what_to_do() {
        let mut violation = Violation {
            path: "a/b.rs".to_owned(),
            line: Some(7),
            what: "`todo` is unfinished code".to_owned(),
            remedy: "finish it",
        };
        assert_eq!(violation.to_string(), "a/b.rs:7: `todo` is unfinished code; finish it");
        violation.line = None;
        assert_eq!(violation.to_string(), "a/b.rs: `todo` is unfinished code; finish it");
    }
}
