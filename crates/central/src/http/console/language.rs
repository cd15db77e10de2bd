//! What an operator reads: both languages side by side where they are used, numbers and times as
//! each writes them.

use axum::http::{HeaderMap, header};
use jiff::tz::TimeZone;
use lottery::Timestamp;

/// The cookie that keeps the choice.
pub(super) const COOKIE: &str = "bolillero_language";

/// A language of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Spanish,
    English,
}

impl Language {
    /// The one chosen, or else the one that the browser asks for, or else Spanish.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies =
            lines.flat_map(|line| line.split(';')).filter_map(|it| it.split_once('='));
        let chosen = cookies.find(|(name, _)| name.trim() == COOKIE);
        if let Some(language) = chosen.and_then(|(_, code)| Self::from_code(code.trim())) {
            return language;
        }
        let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|asked| asked.to_str().ok());
        let asked = asked.unwrap_or_default().split(',').map(|it| it.split(['-', ';']).next());
        let mut known = asked.filter_map(|it| Self::from_code(it.unwrap_or_default().trim()));
        known.next().unwrap_or(Self::Spanish)
    }

    /// The language of a code: `es` or `en`.
    pub(super) fn from_code(code: &str) -> Option<Self> {
        match code {
            "es" => Some(Self::Spanish),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    pub(super) fn code(self) -> &'static str {
        self.t("es", "en")
    }

    pub(super) fn is_spanish(self) -> bool {
        self == Self::Spanish
    }

    /// One of two texts that say the same.
    pub(super) fn t<'a>(self, spanish: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Spanish => spanish,
            Self::English => english,
        }
    }

    /// A number, in groups of three digits.
    pub(super) fn n(self, number: impl Into<u64>) -> String {
        let digits = number.into().to_string();
        let mut grouped = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                grouped.push_str(self.t(".", ","));
            }
            grouped.push(digit);
        }
        grouped
    }

    /// A day and time, where the central is.
    pub(super) fn time(self, at: Timestamp) -> String {
        self.zoned(at, self.t("%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"))
    }

    /// A time of day, where the central is.
    pub(super) fn hour(self, at: Timestamp) -> String {
        self.zoned(at, "%H:%M:%S")
    }

    /// A day and time, or a dash.
    pub(super) fn time_or_dash(self, at: Option<Timestamp>) -> String {
        at.map_or_else(|| "—".to_owned(), |at| self.time(at))
    }

    fn zoned(self, at: Timestamp, format: &str) -> String {
        let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(at) => at.to_zoned(TimeZone::system()).strftime(format).to_string(),
            Err(_) => "—".to_owned(),
        }
    }
}

/// The time that a form's field of day and time means, where the central is; none when empty.
pub(super) fn read_time(text: &str) -> Result<Option<Timestamp>, jiff::Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let local: jiff::civil::DateTime = text.parse()?;
    let ms = local.to_zoned(TimeZone::system())?.timestamp().as_millisecond();
    Ok(Some(Timestamp(u64::try_from(ms).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_as_each_language_writes_them() {
        for (number, spanish) in [
            (0_u64, "0"),
            (999, "999"),
            (1000, "1.000"),
            (78_697, "78.697"),
            (1_234_567, "1.234.567"),
        ] {
            assert_eq!(Language::Spanish.n(number), spanish);
            assert_eq!(Language::English.n(number), spanish.replace('.', ","));
        }
    }

    #[test]
    fn the_choice_wins_over_what_the_browser_asks_for() {
        let mut headers = HeaderMap::new();
        assert_eq!(Language::of(&headers), Language::Spanish);
        headers.insert(header::ACCEPT_LANGUAGE, "pt-BR, en-US;q=0.9, es;q=0.8".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::English);
        headers.insert(header::COOKIE, "a=b; bolillero_language=es".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::Spanish);
    }

    #[test]
    fn times_of_forms_are_those_of_the_central() {
        assert_eq!(read_time("").unwrap(), None);
        let at = read_time("2026-11-24T21:00").unwrap().unwrap();
        assert_eq!(Language::Spanish.time(at), "24/11/2026 21:00:00");
        assert!(read_time("mañana").is_err());
    }
}
