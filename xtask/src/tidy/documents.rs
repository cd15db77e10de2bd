//! Documents: those that must exist, links that lead somewhere, decisions without a gap.

use super::Violation;
use super::tree::Tree;

const REQUIRED: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];
const DECISIONS: &str = "docs/decisions/";

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let documents = tree.ending(".md");
    let links =
        documents.flat_map(|file| dead_links(&file.path, &file.text, &|path| tree.has(path)));
    let decisions = tree.files.iter().filter_map(|file| file.path.strip_prefix(DECISIONS));
    let decisions: Vec<_> = decisions.collect();
    required(tree).into_iter().chain(links).chain(numbered(&decisions)).collect()
}

fn required(tree: &Tree) -> Vec<Violation> {
    let missing = REQUIRED.iter().filter(|path| tree.get(path).is_none());
    let violation = |path: &&str| violation(path, None, "it is missing".to_owned(), "write it");
    missing.map(violation).collect()
}

/// Decisions are named `NNNN-*.md` and numbered from 0001 on, each number once.
fn numbered(names: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut expected = 1;
    let mut names = names.to_vec();
    names.sort_unstable();
    for name in names {
        let path = format!("{DECISIONS}{name}");
        let Some(number) = decision_number(name) else {
            let what = "a decision is named NNNN-what-it-is.md".to_owned();
            violations.push(violation(&path, None, what, "rename it, or move it elsewhere"));
            continue;
        };
        if number != expected {
            let what = format!("decision {number:04} comes where {expected:04} should");
            violations.push(violation(&path, None, what, "number them without gaps, each once"));
        }
        expected = number + 1;
    }
    violations
}

fn decision_number(name: &str) -> Option<u32> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let four_digits = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    let plain = !title.is_empty() && !title.contains('/');
    (four_digits && plain).then(|| number.parse().ok()).flatten()
}

/// Links within the repository that lead to no file or folder.
fn dead_links(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut fence = None;
    for (line, text) in (1..).zip(text.lines()) {
        let start = text.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(_), _) if mark == fence => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                let dead = links(text).into_iter().filter(|target| {
                    !is_elsewhere(target)
                        && resolve(path, target).is_none_or(|resolved| !exists(&resolved))
                });
                violations.extend(dead.map(|target| {
                    let what = format!("the link to `{target}` leads nowhere");
                    violation(path, Some(line), what, "point it at a file of the repository")
                }));
            }
        }
    }
    violations
}

/// The targets of `[text](target)`, of images, and of `[label]: target`, but not within code.
fn links(line: &str) -> Vec<String> {
    // Every other part between backquotes is code.
    let parts = line.split('`').enumerate();
    let prose: String = parts.map(|(at, part)| if at % 2 == 0 { part } else { "code" }).collect();
    let inline = prose.match_indices("](").filter_map(|(at, opening)| {
        let rest = &prose[at + opening.len()..];
        Some(&rest[..closing_parenthesis(rest)?])
    });
    let label = prose.trim_start().strip_prefix('[').and_then(|it| it.split_once("]:"));
    let definition = label
        .filter(|(label, _)| !label.contains(']') && !label.starts_with('^'))
        .map(|(_, target)| target);
    inline.chain(definition).filter_map(target).collect()
}

fn closing_parenthesis(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A target without its title and brackets; none for a footnote or nothing.
fn target(written: &str) -> Option<String> {
    let written = written.trim();
    let bare = match written.strip_prefix('<').and_then(|it| it.split_once('>')) {
        Some((bracketed, _)) => bracketed,
        None => written.split_whitespace().next()?,
    };
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// Whether a target is an address or a place in the same document.
fn is_elsewhere(target: &str) -> bool {
    let scheme = target.split_once(':').map(|(scheme, _)| scheme);
    target.starts_with('#') || scheme.is_some_and(|it| !it.contains(['/', '.', '#']))
}

/// A target as a path from the root of the repository; none when it leaves it.
fn resolve(from: &str, target: &str) -> Option<String> {
    let target = target.split(['#', '?']).next().unwrap_or(target).replace("%20", " ");
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let whole = match target.strip_prefix('/') {
        Some(from_root) => from_root.to_owned(),
        None => format!("{folder}/{target}"),
    };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn violation(path: &str, line: Option<usize>, what: String, remedy: &'static str) -> Violation {
    Violation { path: path.to_owned(), line, what, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::tree_of;

    #[test]
    fn the_documents_everybody_looks_for_exist() {
        let all = REQUIRED.map(|path| (path, ""));
        assert_eq!(check(&tree_of(&all)), []);
        let found = check(&tree_of(&all[1..]));
        assert_eq!(found.len(), 1);
        assert_eq!((&*found[0].path, &*found[0].what), ("README.md", "it is missing"));
    }

    #[test]
    fn decisions_are_named_and_numbered_without_gaps() {
        let cases: [(&[&str], usize); 9] = [
            (&[], 0),
            (&["0001-a.md", "0002-b.md", "0003-c.md"], 0),
            (&["0002-b.md", "0001-a.md"], 0),
            (&["0002-b.md"], 1),
            (&["0001-a.md", "0003-c.md", "0004-d.md"], 1),
            (&["0001-a.md", "0001-b.md"], 1),
            (&["0001-a.md", "README.md"], 1),
            (&["1-a.md", "0001.md", "0001-.md", "0001-a.txt", "+001-a.md"], 5),
            (&["0001-a.md", "old/0002-b.md"], 1),
        ];
        for (names, expected) in cases {
            assert_eq!(numbered(names).len(), expected, "{names:?}");
        }
    }

    #[test]
    fn a_link_to_a_file_that_is_not_there_is_found() {
        let text = "\
[good](architecture.md) [gone](gone.md), ![image](images/gone.png)
[up](../README.md#use) [folder](decisions/) [root](/README.md) [out](../../x.md)
[title](gone2.md \"A title\") [brackets](<gone 3.md>)
[web](https://example.org/a.md) [mail](mailto:a@b.c) [here](#section)
`[code](gone4.md)` [`name`](gone5.md) [a (b)](gone(6).md)

```
[fenced](gone7.md)
```
[label]: gone8.md
[^1]: gone words of a footnote are not a link
";
        let there = ["docs/architecture.md", "README.md", "docs/decisions"];
        let found = dead_links("docs/a.md", text, &|path| there.contains(&path));
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.line.unwrap(), found.what.split('`').nth(1).unwrap()))
            .collect();
        let expected = [
            (1, "gone.md"),
            (1, "images/gone.png"),
            (2, "../../x.md"),
            (3, "gone2.md"),
            (3, "gone 3.md"),
            (5, "gone5.md"),
            (5, "gone(6).md"),
            (10, "gone8.md"),
        ];
        assert_eq!(found, expected);
    }
}
