//! Quoting of values in log lines. Some values come from agencies or users: they must not look like
//! another field or line, nor hide characters.

use std::borrow::Cow;
use std::fmt::Write as _;

use lottery::text::is_hidden;

/// Returns a value for a text line: unchanged if it has no separator and no invisible character;
/// otherwise quoted, with quotes, backslashes and invisible characters escaped.
pub(super) fn in_text(value: &str) -> Cow<'_, str> {
    let plain = !value.contains(|c| c == '|' || c == '"' || is_hidden(c))
        && !value.contains(": ")
        && value.trim() == value;
    if plain {
        return Cow::Borrowed(value);
    }
    let mut quoted = String::with_capacity(value.len() + 16);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_hidden(c) => quoted.extend(c.escape_default()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// Escapes invisible characters in JSON, without changing its meaning. They occur in strings only.
pub(super) fn in_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("it is written to memory");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_values_are_unchanged_and_others_are_quoted() {
        for plain in
            ["success", "93", "127.0.0.1:12345", "ñandú 'x' \\", "2024-08-21T22:11:15Z", ""]
        {
            assert_eq!(in_text(plain), plain);
        }
        for (value, quoted) in [
            ("x | result: success", r#""x | result: success""#),
            ("can't read x: no such file", r#""can't read x: no such file""#),
            ("a|", r#""a|""#),
            (" a", r#"" a""#),
            ("the \"x\\y\"", r#""the \"x\\y\"""#),
            ("a\nb\u{1b}[0m ñ", r#""a\nb\u{1b}[0m ñ""#),
            ("a\u{202e}b\u{200b}\u{2028}", r#""a\u{202e}b\u{200b}\u{2028}""#),
        ] {
            assert_eq!(in_text(value), quoted);
        }
    }

    /// Splits a line as a reader would: at separators outside quotes.
    fn fields(line: &str) -> Vec<String> {
        let (mut fields, mut quoted, mut escaped) = (vec![String::new()], false, false);
        for c in line.chars() {
            let is_end = !quoted && fields.last().is_some_and(|it| it.ends_with(" |")) && c == ' ';
            if is_end {
                let field = fields.last_mut().unwrap();
                field.truncate(field.len() - 2);
                fields.push(String::new());
                continue;
            }
            fields.last_mut().unwrap().push(c);
            (quoted, escaped) = match c {
                _ if escaped => (quoted, false),
                '\\' if quoted => (quoted, true),
                '"' => (!quoted, false),
                _ => (quoted, false),
            };
        }
        fields
    }

    proptest! {
        #[test]
        fn no_value_is_taken_for_another_field(
            value in prop_oneof![any::<String>(), r#"[ |:"\\a\n\u{202e}]{0,12}"#],
        ) {
            let line = format!("a: {} | b: c", in_text(&value));
            let found = fields(&line);
            prop_assert_eq!(found.len(), 2, "{}", line);
            prop_assert_eq!(&*found[1], "b: c");
            prop_assert!(!line.contains(is_hidden), "{}", line);
        }

        #[test]
        fn escaped_json_says_the_same(
            value: String,
            more in "[\u{202e}\u{200b}\u{7f}\u{e0041}]{0,3}",
        ) {
            let said = serde_json::json!({ "error": value + &more });
            let line = said.to_string();
            let escaped = in_json(&line);
            prop_assert!(!escaped.contains(is_hidden));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), said);
        }
    }
}
