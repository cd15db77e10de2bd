//! The languages of messages to people, and the macro that keeps both texts of a message together.

/// A language of messages to people. Log lines are always in English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Spanish.
    Spanish,
    /// English.
    #[default]
    English,
}

impl Language {
    /// Returns the language of a locale such as `es_AR.UTF-8`: Spanish, or else English.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        match locale.split(['_', '.', '@', '-']).next() {
            Some("es") => Self::Spanish,
            _ => Self::English,
        }
    }

    /// Returns the text in this language.
    #[must_use]
    pub fn t<'a>(self, spanish: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Spanish => spanish,
            Self::English => english,
        }
    }
}

/// Formats the text of a language: `say!(language, "spanish", "english")`. Does not compile unless
/// both texts have the same arguments.
macro_rules! say {
    ($language:expr, $spanish:literal, $english:literal $(,)?) => {{
        const {
            assert!(
                $crate::language::same_arguments($spanish, $english),
                "the two texts differ in their arguments"
            );
        }
        match $language {
            $crate::language::Language::Spanish => format!($spanish),
            $crate::language::Language::English => format!($english),
        }
    }};
}

pub(crate) use say;

/// Returns whether two format strings have the same arguments, in any order.
pub(crate) const fn same_arguments(one: &str, other: &str) -> bool {
    includes(one.as_bytes(), other.as_bytes()) && includes(other.as_bytes(), one.as_bytes())
}

/// Returns whether `text` has every argument of `of`.
const fn includes(text: &[u8], of: &[u8]) -> bool {
    let mut at = 0;
    while at < of.len() {
        if of[at] == b'{' && !has(text, of, at) {
            return false;
        }
        at += 1;
    }
    true
}

/// Returns whether `text` has the argument that starts at `at` in `of`.
const fn has(text: &[u8], of: &[u8], at: usize) -> bool {
    let mut start = 0;
    while start < text.len() {
        let mut len = 0;
        while start + len < text.len() && at + len < of.len() && text[start + len] == of[at + len] {
            if of[at + len] == b'}' {
                return true;
            }
            len += 1;
        }
        start += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_follows_the_locale() {
        for locale in ["es_AR.UTF-8", "es", "es-419", "es@euro"] {
            assert_eq!(Language::of_locale(locale), Language::Spanish, "{locale}");
        }
        for locale in ["", "C", "POSIX", "en_US.UTF-8", "est_EE", "de_DE"] {
            assert_eq!(Language::of_locale(locale), Language::English, "{locale}");
        }
    }

    #[test]
    fn texts_with_other_arguments_are_noticed() {
        for (one, other) in [("", "x"), ("{a} de {b}", "{b}: {a}"), ("{a}{a}", "{a}")] {
            assert!(same_arguments(one, other), "{one}");
        }
        for (one, other) in [("{a}", ""), ("{a}", "{b}"), ("{a}", "{ab}"), ("{a}", "{a:?}")] {
            assert!(!same_arguments(one, other) && !same_arguments(other, one), "{one}");
        }
    }
}
