//! Documents: every link leads somewhere, and every file or folder that one names is there.

use std::path::Path;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::steps::files;

/// Documents about the past: the commands and files that they name may be gone.
const HISTORY: [&str; 2] = ["CHANGELOG.md", "docs/decisions/"];
/// A word of a document is a path when it begins with one of the first, or contains one of the
/// second.
const FOLDERS: [&str; 7] = ["bench/", "clients/", "crates/", "deploy/", "docs/", "fuzz/", "xtask/"];
const SUBFOLDERS: [&str; 2] = ["/src/", "/tests/"];

/// A document of the repository.
pub(super) struct Document {
    /// From the root of the repository.
    pub(super) path: String,
    pub(super) text: String,
}

/// Parts of a document, each with its line, from 1.
#[derive(Default)]
pub(super) struct Parts {
    /// The targets of links and images.
    pub(super) links: Vec<(usize, String)>,
    /// Code spans, and the lines of code blocks.
    pub(super) code: Vec<(usize, String)>,
}

/// Reads the Markdown files that git knows or would add.
pub(super) fn read(root: &Path) -> anyhow::Result<Vec<Document>> {
    let read = |path: String| {
        let text = std::fs::read_to_string(root.join(&path))?;
        Ok(Document { path, text })
    };
    files(root, "*.md")?.into_iter().map(read).collect()
}

pub(super) fn check(documents: &[Document], root: &Path) -> Vec<String> {
    let links = documents.iter().flat_map(|document| dead_links(document, root));
    let present = documents.iter().filter(|document| !document.is_history());
    links.chain(present.flat_map(|document| missing_files(document, root))).collect()
}

impl Document {
    /// Whether it tells what was, or why.
    pub(super) fn is_history(&self) -> bool {
        HISTORY.iter().any(|path| self.path.starts_with(path))
    }

    /// What it points at and what it quotes.
    pub(super) fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        let mut in_block = false;
        let events = Parser::new_ext(&self.text, Options::ENABLE_TABLES);
        for (event, place) in events.into_offset_iter() {
            let line = 1 + self.text[..place.start].matches('\n').count();
            match event {
                Event::Start(Tag::CodeBlock(_)) => in_block = true,
                Event::End(TagEnd::CodeBlock) => in_block = false,
                Event::Text(text) if in_block => {
                    parts.code.extend((line..).zip(text.lines().map(str::to_owned)));
                }
                Event::Code(code) => parts.code.push((line, code.into_string())),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    parts.links.push((line, dest_url.into_string()));
                }
                _ => {}
            }
        }
        parts
    }
}

/// Links to a file or folder that is not in the repository. Addresses are not looked at.
fn dead_links(document: &Document, root: &Path) -> Vec<String> {
    let dead = |(line, target): (usize, String)| {
        let is_elsewhere = target.contains(':') || target.starts_with('#');
        let path = target.split('#').next().unwrap_or_default();
        let folder = root.join(&document.path).parent()?.to_owned();
        let is_there = || exists(&folder.join(path), root);
        let finding = format!("{}:{line}: the link to {target} leads nowhere", document.path);
        (!is_elsewhere && !is_there()).then(|| finding + "; point it at a file of the repository")
    };
    document.parts().links.into_iter().filter_map(dead).collect()
}

/// Paths that the text names and that are neither in the repository nor in its folder of crates.
fn missing_files(document: &Document, root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(document.text.lines()) {
        let in_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let words = text.split(|c| !in_path(c)).map(|word| word.trim_end_matches('.'));
        for path in words.filter(|word| is_path(word)) {
            if !exists(&root.join(path), root) && !exists(&root.join("crates").join(path), root) {
                let place = format!("{}:{line}", document.path);
                findings.push(format!("{place}: there is no {path}; name what is there"));
            }
        }
    }
    findings
}

fn is_path(word: &str) -> bool {
    // Links begin with dots, addresses with slashes.
    let is_bare = !word.starts_with(['.', '/']);
    let begins = FOLDERS.iter().any(|folder| word.starts_with(folder));
    is_bare && (begins || SUBFOLDERS.iter().any(|folder| word.contains(folder)))
}

/// Whether a path is there, within the repository.
fn exists(path: &Path, root: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(path).zip(real(root)).is_some_and(|(path, root)| path.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::root;

    fn document(text: &str) -> Document {
        Document { path: "docs/new.md".to_owned(), text: text.to_owned() }
    }

    /// The findings without the document's name and what to do.
    fn places(findings: &[String]) -> Vec<&str> {
        let place = |finding: &String| finding.find(';').unwrap();
        findings.iter().map(|it| &it["docs/new.md:".len()..place(it)]).collect()
    }

    #[test]
    fn finds_links_that_lead_nowhere() {
        let text = "\
[good](explanation/architecture.md) [gone](gone.md), ![image](images/gone.png)
[up](../README.md#use-it) [folder](decisions/) [out](../../x.md)
[title](gone2.md \"A title\") [label]
[web](https://example.org/a.md) [mail](mailto:a@b.c) [here](#section)
`[code](gone3.md)`

[label]: gone4.md
";
        let expected = [
            "1: the link to gone.md leads nowhere",
            "1: the link to images/gone.png leads nowhere",
            "2: the link to ../../x.md leads nowhere",
            "3: the link to gone2.md leads nowhere",
            "3: the link to gone4.md leads nowhere",
        ];
        assert_eq!(places(&dead_links(&document(text), &root())), expected);
    }

    #[test]
    fn finds_files_that_are_named_and_not_there() {
        let text = "\
| xtask/src/gone.rs, `lottery/src/draws.rs` | crates/gone |
see docs/how-to/day.sh. and docs/gone.md: and/or wire/lottery https://a.example/docs/src/x
`crates/lottery/src/{bet,gone}.rs`
";
        let expected = [
            "1: there is no xtask/src/gone.rs",
            "1: there is no crates/gone",
            "2: there is no docs/gone.md",
        ];
        assert_eq!(places(&missing_files(&document(text), &root())), expected);
    }

    #[test]
    fn reads_this_repository() {
        let documents = read(&root()).unwrap();
        let paths: Vec<_> = documents.iter().map(|document| &*document.path).collect();
        for path in ["README.md", "docs/reference/commands.md"] {
            assert!(paths.contains(&path), "{path} is not in {paths:?}");
        }
    }
}
