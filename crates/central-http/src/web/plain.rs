//! What is wrong with a request, in words for people: parsers speak of types, variants and digits.

/// What parsers say, and what people are told instead; in this order.
const WORDS: [(&str, &str); 30] = [
    ("Failed to deserialize query string: ", ""),
    ("invalid digit found in string", "a whole number is expected"),
    ("cannot parse integer from empty string", "a whole number is expected"),
    ("number too large to fit in target type", "the number is too large"),
    ("number too small to fit in target type", "the number is too small"),
    ("provided string was not ", "expected: "),
    ("missing field", "missing:"),
    ("duplicate field", "given twice:"),
    ("unknown field", "not known here:"),
    ("unknown variant", "not one of the values:"),
    ("invalid type: ", "wrong: "),
    ("invalid value: ", "wrong: "),
    ("invalid length ", "wrong length: "),
    ("there are no fields", "nothing is expected"),
    ("expected one of", "expected:"),
    ("EOF while parsing", "the JSON ends within"),
    ("trailing characters", "the JSON goes on behind its end"),
    ("trailing comma", "there is a comma too many"),
    ("a borrowed string", "a text"),
    ("string", "text"),
    ("floating point", "number"),
    ("integer", "number"),
    ("a boolean", "true or false"),
    ("boolean", "value"),
    ("a sequence", "a list"),
    ("sequence", "list"),
    ("map", "object"),
    ("u32", "a whole number"),
    ("u64", "a whole number"),
    ("usize", "a whole number"),
];

/// Says what a parser found wrong. What it quotes of the request stays as it is.
pub(crate) fn plain(message: &str) -> String {
    let (mut said, mut rest) = (String::new(), message);
    while let Some(start) = rest.find(['`', '"']) {
        let (words, quoted) = rest.split_at(start);
        let len = quoted_len(quoted);
        said += &in_words(words);
        said += &quoted[..len];
        rest = &quoted[len..];
    }
    said + &in_words(rest)
}

fn in_words(text: &str) -> String {
    let text = WORDS.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    match text.split_once("struct ") {
        // The name of a type of this program follows.
        Some((before, rest)) => {
            format!("{before}an object{}", rest.trim_start_matches(char::is_alphanumeric))
        }
        None => text,
    }
}

/// Returns the length of the quotation that the text begins with, up to its end or the text's.
fn quoted_len(text: &str) -> usize {
    let mut characters = text.char_indices();
    let quote = characters.next().map(|(_, quote)| quote);
    let mut is_escaped = false;
    for (at, c) in characters {
        if Some(c) == quote && !is_escaped {
            return at + c.len_utf8();
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;
    use axum::http::Uri;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[serde(rename = "number")]
        _number: u32,
        #[serde(rename = "state")]
        _state: Option<State>,
        #[serde(default, rename = "raw")]
        _raw: bool,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum State {
        Open,
        Closed,
    }

    /// Words that only mean something to who wrote the program.
    const INTERNAL: [&str; 12] = [
        "digit",
        "string",
        "variant",
        "deserialize",
        "u32",
        "struct",
        "Wanted",
        "EOF",
        "field",
        "target",
        "integer",
        "parse",
    ];

    #[test]
    fn people_are_told_what_is_wrong_without_words_of_the_program() {
        let in_json = |text: &str| serde_json::from_str::<Wanted>(text).unwrap_err().to_string();
        let in_query = |query: &str| {
            let uri = format!("/?{query}").parse::<Uri>().unwrap();
            Query::<Wanted>::try_from_uri(&uri).unwrap_err().body_text()
        };
        for (message, says) in [
            (in_query("number=a"), "number: a whole number is expected"),
            (in_query("number="), "number: a whole number is expected"),
            (in_query("number=99999999999"), "number: the number is too large"),
            (in_query("number=1&raw=yes"), "raw: expected: `true` or `false`"),
            (in_query("state=open"), "missing: `number`"),
            (in_query("number=1&state=won"), "`won`, expected `open` or `closed`"),
            (in_query("number=1&limit=7"), "not known here: `limit`"),
            (in_json("{}"), "missing: `number`"),
            (in_json("{\"number\":\"a\"}"), "wrong: text \"a\", expected a whole number"),
            (in_json("{\"number\":-1}"), "wrong: number `-1`, expected a whole number"),
            (in_json("{\"number\":1,\"raw\":0}"), "expected true or false"),
            (in_json("{\"number\":1,\"number\":2}"), "given twice: `number`"),
            (in_json("[1"), "the JSON ends within"),
            (in_json("\"a map\""), "text \"a map\", expected an object"),
            (in_json("{\"number\":1}}"), "the JSON goes on behind its end"),
        ] {
            let reason = plain(&message);
            assert!(reason.contains(says), "{reason:?} of {message:?}");
            let internal = INTERNAL.iter().find(|word| reason.contains(**word));
            assert_eq!(internal, None, "{reason:?} of {message:?}");
        }
        assert_eq!(plain("unknown field `a map`"), "not known here: `a map`");
        assert_eq!(plain("wrong \"a \\\" map\" map"), "wrong \"a \\\" map\" object");
    }
}
