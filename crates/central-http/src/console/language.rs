//! Localization: both languages side by side where they are used, and the formats of numbers and
//! times.

use axum::http::{HeaderMap, header};
use jiff::civil::{Date, DateTime, Weekday};
use lottery::Timestamp;

use central::{LocalTime, Zone};

/// The cookie that stores the chosen language.
pub(super) const COOKIE: &str = "bolillero_language";

/// A language of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Spanish,
    English,
}

/// A user's language, and the lottery's time zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Locale {
    language: Language,
    pub(super) zone: Zone,
}

/// One of two moments with the same local time, for the user to choose.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The value that a form sends.
    pub(super) value: String,
    /// The text that the user sees.
    pub(super) text: String,
}

/// A day in the lottery's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) start: Timestamp,
    /// The start of the next day.
    pub(super) end: Timestamp,
}

impl Language {
    /// Returns the chosen language, or else the browser's preferred one, or else Spanish.
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies =
            lines.flat_map(|line| line.split(';')).filter_map(|it| it.split_once('='));
        let chosen = cookies.find(|(name, _)| name.trim() == COOKIE);
        if let Some(language) = chosen.and_then(|(_, code)| Self::from_code(code.trim())) {
            return language;
        }
        let requested =
            headers.get(header::ACCEPT_LANGUAGE).and_then(|requested| requested.to_str().ok());
        let requested =
            requested.unwrap_or_default().split(',').map(|it| it.split(['-', ';']).next());
        let mut known = requested.filter_map(|it| Self::from_code(it.unwrap_or_default().trim()));
        known.next().unwrap_or(Self::Spanish)
    }

    /// Returns the language of a code: `es` or `en`.
    pub(super) fn from_code(code: &str) -> Option<Self> {
        match code {
            "es" => Some(Self::Spanish),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Spanish => "es",
            Self::English => "en",
        }
    }
}

impl Locale {
    /// Returns the locale for a request with these headers.
    pub(super) fn of(headers: &HeaderMap, zone: Zone) -> Self {
        Self { language: Language::of(headers), zone }
    }

    pub(super) fn code(self) -> &'static str {
        self.language.code()
    }

    pub(super) fn is_spanish(self) -> bool {
        self.language == Language::Spanish
    }

    /// Returns the text in the user's language.
    pub(super) fn t<'a>(self, spanish: &'a str, english: &'a str) -> &'a str {
        match self.language {
            Language::Spanish => spanish,
            Language::English => english,
        }
    }

    /// Formats a number, in groups of three digits.
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

    /// Formats a date and time, with its offset from UTC.
    pub(super) fn time(self, at: Timestamp) -> String {
        self.format(at, self.t("%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"))
    }

    /// Returns the date at a moment; `None` outside the calendar.
    pub(super) fn date(self, at: Timestamp) -> Option<Date> {
        self.zone.shown(at).map(DateTime::date)
    }

    /// Formats a date, with the day of the week.
    pub(super) fn day(self, day: Date) -> String {
        let date = day.strftime(self.t("%d/%m/%Y", "%Y-%m-%d"));
        format!("{} {date}", self.weekday(day.weekday()))
    }

    /// Returns the name of a day of the week.
    pub(super) fn weekday(self, weekday: Weekday) -> &'static str {
        match weekday {
            Weekday::Monday => self.t("lunes", "Monday"),
            Weekday::Tuesday => self.t("martes", "Tuesday"),
            Weekday::Wednesday => self.t("miércoles", "Wednesday"),
            Weekday::Thursday => self.t("jueves", "Thursday"),
            Weekday::Friday => self.t("viernes", "Friday"),
            Weekday::Saturday => self.t("sábado", "Saturday"),
            Weekday::Sunday => self.t("domingo", "Sunday"),
        }
    }

    /// Formats a time: without its date, if that is this day.
    pub(super) fn time_of(self, at: Timestamp, day: Option<Date>) -> String {
        let is_of_day = day.is_some() && self.date(at) == day;
        if is_of_day { self.hour(at) } else { self.time(at) }
    }

    /// Formats a time of day, with its offset from UTC.
    pub(super) fn hour(self, at: Timestamp) -> String {
        self.format(at, "%H:%M:%S")
    }

    fn format(self, at: Timestamp, format: &str) -> String {
        self.zone.format(at, format).unwrap_or_else(|| "—".to_owned())
    }

    /// Parses the date and time of a form's field; returns `None` if it is empty.
    ///
    /// `chosen` selects one of two moments with the same local time, as [`Choice::value`].
    pub(super) fn read_time(self, text: &str, chosen: &str) -> Result<Option<Timestamp>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let shown = text.parse().map_err(|_| {
            self.t("Un horario no se entiende.", "A time can't be understood.").to_owned()
        })?;
        match self.zone.read(shown) {
            LocalTime::Once(at) => Ok(Some(at)),
            LocalTime::Twice(both) => {
                let selected = both.into_iter().find(|(at, _)| at.to_string() == chosen);
                selected.map(|(at, _)| Some(at)).ok_or_else(|| self.says(self.twice(), text))
            }
            LocalTime::Never => Err(self.says(self.never(), text)),
        }
    }

    /// Returns the day that a form's field holds; `None` if it holds none.
    pub(super) fn read_day(self, text: &str) -> Option<Day> {
        let rules = self.zone.rules();
        let start_of = |date: Date| {
            let start = date.to_zoned(rules.clone()).ok()?.timestamp().as_millisecond();
            u64::try_from(start).ok().map(Timestamp)
        };
        let date: Date = text.parse().ok()?;
        Some(Day { start: start_of(date)?, end: start_of(date.tomorrow().ok()?)? })
    }

    /// Formats a date and time as a form's field has it, without fractions of a second.
    pub(super) fn typed(self, at: Timestamp) -> String {
        let shown = self.zone.shown(Timestamp(at.0 - at.0 % 1000));
        shown.map_or_else(String::new, |shown| shown.to_string())
    }

    /// Returns the moments to choose from, if a field's local time occurs twice.
    pub(super) fn choices(self, text: &str) -> Vec<Choice> {
        let read = text.parse().map(|shown| self.zone.read(shown));
        let Ok(LocalTime::Twice(both)) = read else { return Vec::new() };
        let choice =
            |(at, _): (Timestamp, _)| Choice { value: at.to_string(), text: self.time(at) };
        both.map(choice).into()
    }

    fn twice(self) -> &'static str {
        self.t(
            "los relojes marcan esa hora dos veces, porque se atrasan; elija cuál de las dos es.",
            "clocks show that time twice, as they are set back; choose which of the two it is.",
        )
    }

    fn never(self) -> &'static str {
        self.t(
            "los relojes no marcan esa hora, porque se adelantan; elija otra.",
            "clocks do not show that time, as they are set forward; choose another.",
        )
    }

    fn says(self, what: &str, text: &str) -> String {
        format!("{} ({}): {what}", text.replace('T', " "), self.zone)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::console) fn spanish() -> Locale {
        Locale { language: Language::Spanish, zone: Zone::default() }
    }

    fn english(zone: &str) -> Locale {
        Locale { language: Language::English, zone: Zone::named(zone).unwrap() }
    }

    #[test]
    fn numbers_are_grouped_as_each_language_writes_them() {
        for (number, in_spanish) in [
            (0_u64, "0"),
            (999, "999"),
            (1000, "1.000"),
            (78_697, "78.697"),
            (1_234_567, "1.234.567"),
        ] {
            assert_eq!(spanish().n(number), in_spanish);
            assert_eq!(english("UTC").n(number), in_spanish.replace('.', ","));
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
    fn times_are_read_and_told_in_the_lotterys_zone() {
        assert_eq!(spanish().read_time("", ""), Ok(None));
        let at = spanish().read_time("2026-11-24T21:00", "").unwrap().unwrap();
        assert_eq!(at.to_string(), "2026-11-25T00:00:00.000Z");
        assert_eq!(spanish().time(at), "24/11/2026 21:00:00 UTC-3");
        assert_eq!(english("Europe/Madrid").time(at), "2026-11-25 01:00:00 UTC+1");
        assert_eq!(spanish().typed(at), "2026-11-24T21:00:00");
        assert_eq!(spanish().read_time(&spanish().typed(at), ""), Ok(Some(at)));
        assert!(spanish().read_time("mañana", "").is_err());
    }

    #[test]
    fn a_day_begins_and_ends_in_the_lotterys_zone() {
        let day = spanish().read_day("2026-11-24").unwrap();
        assert_eq!(day.start.to_string(), "2026-11-24T03:00:00.000Z");
        assert_eq!(day.end.to_string(), "2026-11-25T03:00:00.000Z");
        // Clocks are set forward at midnight.
        let day = english("America/Santiago").read_day("2026-09-06").unwrap();
        assert_eq!(day.start.to_string(), "2026-09-06T04:00:00.000Z");
        assert_eq!(day.end.0 - day.start.0, 23 * 60 * 60 * 1000);
        for wrong in ["", "24/11/2026", "2026-02-30", "1969-12-31", "9999-12-31"] {
            assert_eq!(spanish().read_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_that_clocks_show_twice_or_never_is_asked_about() {
        let l = english("America/Santiago");
        let twice = "2026-04-04T23:30";
        assert!(l.read_time(twice, "").unwrap_err().contains("choose which of the two"));
        let choices = l.choices(twice);
        let texts: Vec<_> = choices.iter().map(|choice| &*choice.text).collect();
        assert_eq!(texts, ["2026-04-04 23:30:00 UTC-3", "2026-04-04 23:30:00 UTC-4"]);
        let chosen = l.read_time(twice, &choices[1].value).unwrap().unwrap();
        assert_eq!(l.time(chosen), texts[1]);
        assert!(l.read_time(twice, "2026-04-04T00:00:00.000Z").is_err());
        let never = l.read_time("2026-09-06T00:30", "").unwrap_err();
        assert!(never.starts_with("2026-09-06 00:30 (America/Santiago): clocks do not show"));
        for once in ["2026-11-24T21:00", "", "x"] {
            assert_eq!(l.choices(once), []);
        }
    }
}
