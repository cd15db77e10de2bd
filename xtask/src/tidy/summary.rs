//! The table of contents: docs/SUMMARY.md has every document of docs/, once.

use super::documents::Document;

const SUMMARY: &str = "docs/SUMMARY.md";
const FOLDER: &str = "docs/";

pub(super) fn check(documents: &[Document]) -> Vec<String> {
    let Some(summary) = documents.iter().find(|document| document.path == SUMMARY) else {
        return vec![format!("{SUMMARY}: is missing; list the documents of {FOLDER} there")];
    };
    let listed: Vec<_> =
        summary.parts().links.into_iter().map(|(_, to)| FOLDER.to_owned() + &to).collect();
    let paths = documents.iter().map(|document| &document.path);
    let ours = paths.filter(|path| path.starts_with(FOLDER) && *path != SUMMARY);
    let finding = |path: &String| match listed.iter().filter(|it| *it == path).count() {
        0 => Some(format!("{SUMMARY}: does not list {path}; put it where readers look for it")),
        1 => None,
        _ => Some(format!("{SUMMARY}: lists {path} more than once; leave it in one place")),
    };
    ours.filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_document_that_is_not_listed_or_listed_twice() {
        let document =
            |(path, text): (&str, &str)| Document { path: path.to_owned(), text: text.to_owned() };
        let summary = "- [A](how-to/a.md)\n- [B](b.md)\n  - [B](b.md)\n";
        let documents = [
            (SUMMARY, summary),
            ("docs/how-to/a.md", ""),
            ("docs/b.md", ""),
            ("docs/how-to/b.md", ""),
            ("README.md", ""),
        ];
        let expected = [
            "docs/SUMMARY.md: lists docs/b.md more than once; leave it in one place",
            "docs/SUMMARY.md: does not list docs/how-to/b.md; put it where readers look for it",
        ];
        assert_eq!(check(&documents.map(document)), expected);
        assert!(check(&[])[0].starts_with("docs/SUMMARY.md: is missing"));
    }
}
