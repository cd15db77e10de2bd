//! The files of the repository: those that git knows or would add.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// All files, by path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

/// A file of the repository.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    /// In bytes.
    pub(super) len: u64,
    /// Empty for files that no rule reads.
    pub(super) text: String,
}

const READ_EXTENSIONS: [&str; 3] = [".rs", ".md", ".toml"];

impl Tree {
    /// Reads the files at and below `root`, which must be a git checkout.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let listing = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("git could not be started; tidy asks it which files there are")?;
        if !listing.status.success() {
            bail!("`git ls-files`: {}", String::from_utf8_lossy(&listing.stderr).trim());
        }
        let listing = String::from_utf8(listing.stdout).context("a file's name is not UTF-8")?;
        let mut paths: Vec<_> = listing.split_terminator('\0').collect();
        paths.sort_unstable();
        paths.dedup();
        // Git still lists a file that was deleted since the last commit.
        let present = paths.into_iter().filter(|path| root.join(path).is_file());
        let files = present.map(|path| File::read(root, path)).collect::<anyhow::Result<_>>()?;
        Ok(Self { files })
    }

    /// The files whose name ends so.
    pub(super) fn ending(&self, extension: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.ends_with(extension))
    }

    /// The file at this path.
    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file, or a folder with files, at this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let within = |file: &File| {
            let rest = file.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        path.is_empty() || self.files.iter().any(within)
    }
}

impl File {
    fn read(root: &Path, path: &str) -> anyhow::Result<Self> {
        let full = root.join(path);
        let len = full.metadata().with_context(|| path.to_owned())?.len();
        let read = READ_EXTENSIONS.iter().any(|extension| path.ends_with(extension));
        let text = if read {
            std::fs::read_to_string(&full).with_context(|| path.to_owned())?
        } else {
            String::new()
        };
        Ok(Self { path: path.to_owned(), len, text })
    }
}

/// A tree for the tests of rules.
#[cfg(test)]
pub(super) fn tree_of(files: &[(&str, &str)]) -> Tree {
    let files = files.iter().map(|(path, text)| File {
        path: (*path).to_owned(),
        len: text.len() as u64,
        text: (*text).to_owned(),
    });
    Tree { files: files.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_known_by_their_files() {
        let tree = tree_of(&[("docs/decisions/0001-x.md", "")]);
        let cases = [
            ("docs", true),
            ("docs/decisions", true),
            ("docs/decisions/0001-x.md", true),
            ("", true),
            ("doc", false),
            ("docs/dec", false),
        ];
        for (path, expected) in cases {
            assert_eq!(tree.has(path), expected, "{path}");
        }
    }

    #[test]
    fn this_repository_can_be_read() {
        let tree = Tree::read(&crate::steps::root()).unwrap();
        assert!(tree.get("xtask/src/tidy/tree.rs").unwrap().text.contains("fn this_repository"));
    }
}
