//! Rust source without its comments and its literals, so that rules about code do not trip over
//! words about code.

/// The same text with every character of a comment, a string or a character literal made a space.
/// Line breaks stay, so that lines keep their numbers.
pub(super) fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let blanked = match first {
            '/' if rest.starts_with("//") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => Some(block_comment_len(rest)),
            '"' => Some(string_len(rest)),
            'r' | 'b' | 'c' if !after_word => prefixed_string_len(rest),
            '\'' => character_len(rest),
            _ => None,
        };
        let taken = &rest[..blanked.unwrap_or(first.len_utf8())];
        if blanked.is_some() {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(taken);
        }
        rest = &rest[taken.len()..];
    }
    code
}

/// Comments nest.
fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// From a quote to the quote that closes it.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `b"..."`, `c"..."`, `r"..."`, `br#"..."#` and so on; none when it is something else.
fn prefixed_string_len(text: &str) -> Option<usize> {
    let prefix = text.find(|c| !matches!(c, 'r' | 'b' | 'c')).filter(|at| *at <= 2)?;
    let raw = text[..prefix].ends_with('r');
    let hashes = text[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let quote = prefix + hashes;
    if !text[quote..].starts_with('"') || (!raw && hashes > 0) {
        return None;
    }
    if !raw {
        return Some(quote + string_len(&text[quote..]));
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = quote + 1;
    Some(text[inside..].find(&end).map_or(text.len(), |at| inside + at + end.len()))
}

/// `'x'` or `'\n'`; none for a lifetime.
fn character_len(text: &str) -> Option<usize> {
    let inside = &text[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let escaped = escape.chars().next()?.len_utf8();
        return Some(1 + 1 + escaped + escape[escaped..].find('\'')? + 1);
    }
    let len = inside.chars().next()?.len_utf8();
    inside[len..].starts_with('\'').then_some(1 + len + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_is_kept() {
        let cases = [
            ("let a = 1; // x", "let a = 1;     "),
            ("a /* x /* y */ z */ b", "a                   b"),
            ("/* x\ny */ b", "    \n     b"),
            (r#"f("x \" y", z)"#, "f(        , z)"),
            (r##"f(r#"x " y"#, z)"##, "f(          , z)"),
            (r#"f(b"x", br"\", z)"#, "f(    ,      , z)"),
            ("f('x', '\\'', '\"', z)", "f(   ,     ,    , z)"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("number\"x\"", "number   "),
            ("r#type + brr + bar", "r#type + brr + bar"),
            ("ñ // ñ\nb", "ñ     \nb"),
            ("\"open\nb", "     \n "),
        ];
        for (source, expected) in cases {
            let expected_len = source.chars().count();
            let code = code_only(source);
            assert_eq!(code.chars().count(), expected_len, "{source}");
            assert_eq!(code.trim_end(), expected.trim_end(), "{source}");
        }
    }

    #[test]
    fn no_source_of_ours_loses_a_line() {
        let tree = crate::tidy::tree::Tree::read(&crate::steps::root()).unwrap();
        for file in tree.ending(".rs") {
            let code = code_only(&file.text);
            assert_eq!(code.lines().count(), file.text.lines().count(), "{}", file.path);
        }
    }
}
