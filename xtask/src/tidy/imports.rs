//! The central's two faces never import each other: both talk to the same domain service.

use super::Violation;
use super::code::code_only;
use super::tree::Tree;

const FACES: [(&str, &str); 2] = [("tcp", "http"), ("http", "tcp")];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    tree.ending(".rs").flat_map(|file| faces_apart(&file.path, &file.text)).collect()
}

fn faces_apart(path: &str, source: &str) -> Vec<Violation> {
    let Some(inside) = path.strip_prefix("crates/central/src/") else {
        return Vec::new();
    };
    let of_face = |face: &str| {
        inside.strip_prefix(face).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    let Some((face, other)) = FACES.into_iter().find(|(face, _)| of_face(face)) else {
        return Vec::new();
    };
    let paths = crate_paths(&code_only(source));
    let imports = paths.into_iter().filter(|(_, path)| path.first().is_some_and(|it| it == other));
    let violation = |(line, _)| Violation {
        path: path.to_owned(),
        line: Some(line),
        what: format!("{face}/ uses {other}/"),
        remedy: "put what both need in a module beside them",
    };
    imports.map(violation).collect()
}

/// Every path in the code that begins at the crate or a parent module, without that beginning, and
/// its line. Braces are followed: `crate::{a, b::{c}}` is `a`, `b::c`. How far `super` goes up is
/// not counted: no module inside one face may have the other's name.
fn crate_paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (line, token) = &tokens[at];
        let begins = matches!(token.as_str(), "crate" | "super");
        at += 1;
        if begins && tokens.get(at).is_some_and(|(_, token)| token == "::") {
            at = tree_paths(&tokens, at + 1, *line, &[], &mut paths);
        }
    }
    paths
}

/// Reads the path or the braces at `at`, which follow `prefix`; returns where they end.
fn tree_paths(
    tokens: &[(usize, String)],
    mut at: usize,
    mut line: usize,
    prefix: &[String],
    paths: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut path = prefix.to_vec();
    while let Some((token_line, token)) = tokens.get(at) {
        if token == "{" {
            return braces(tokens, at + 1, &path, paths);
        }
        line = *token_line;
        let goes_up = path.is_empty() && matches!(token.as_str(), "super" | "self" | "crate");
        if !goes_up {
            path.push(token.clone());
        }
        at += 1;
        if tokens.get(at).is_none_or(|(_, token)| token != "::") {
            break;
        }
        at += 1;
    }
    paths.push((line, path));
    at
}

fn braces(
    tokens: &[(usize, String)],
    mut at: usize,
    prefix: &[String],
    paths: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    while let Some((line, token)) = tokens.get(at) {
        match token.as_str() {
            "}" => return at + 1,
            "," => at += 1,
            _ => at = tree_paths(tokens, at, *line, prefix, paths),
        }
    }
    at
}

/// Words, `::`, and other characters one by one, with their lines.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let len = match first {
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            tokens.push((line, rest[..len].to_owned()));
            rest = rest[len..].trim_start();
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(path: &str, source: &str) -> Vec<usize> {
        faces_apart(path, source).into_iter().filter_map(|violation| violation.line).collect()
    }

    #[test]
    fn a_face_that_uses_the_other_is_found_on_its_line() {
        let cases: [(&str, &[usize]); 11] = [
            ("use crate::http;", &[1]),
            ("use crate::http::Routes;", &[1]),
            ("\nuse super::http::Routes;", &[2]),
            ("use super::super::http;", &[1]),
            ("use crate::{\n    service::{Service, Reply},\n    http::Routes,\n};", &[3]),
            ("use crate::{limits, http};", &[1]),
            ("use super::{super::http};", &[1]),
            ("fn f() { crate :: http::serve(); }", &[1]),
            ("fn f() -> super::http::A { crate::http::a() }", &[1, 1]),
            ("mod tests { use super::super::http; }", &[1]),
            ("pub(crate) use crate::http as web;", &[1]),
        ];
        for (source, expected) in cases {
            let found = lines_found("crates/central/src/tcp/session.rs", source);
            assert_eq!(found, expected, "{source}");
        }
        assert_eq!(lines_found("crates/central/src/tcp.rs", "use crate::http;"), [1]);
        assert_eq!(lines_found("crates/central/src/http/mod.rs", "use crate::tcp;"), [1]);
    }

    #[test]
    fn other_uses_of_the_word_are_not() {
        let cases = [
            ("crates/central/src/tcp/session.rs", "use crate::service; use http::StatusCode;"),
            ("crates/central/src/tcp/session.rs", "// not crate::http\nlet a = \"crate::http\";"),
            ("crates/central/src/tcp/session.rs", "use crate::service::http; use crate::https;"),
            ("crates/central/src/tcp/session.rs", "pub(crate) fn http() {} use crate::*;"),
            ("crates/central/src/tcp/session.rs", "use crate::{tcp::http_limits, limits::{A}};"),
            ("crates/central/src/http/mod.rs", "use crate::http::routes; use super::service;"),
            ("crates/central/src/lib.rs", "use crate::{http, tcp};"),
            ("crates/central/src/tcp_limits.rs", "use crate::http;"),
            ("crates/agency/src/tcp/session.rs", "use crate::http;"),
        ];
        for (path, source) in cases {
            assert_eq!(faces_apart(path, source), [], "{path}: {source}");
        }
    }
}
