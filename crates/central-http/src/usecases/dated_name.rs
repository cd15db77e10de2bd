//! The day of a draw, and the date in its name: draws that are repeated differ in both.

use central::Zone;
use jiff::civil::{Date, DateTime};
use lottery::DrawStatus;

/// How names write a date: the first of these that occurs in a name is changed.
const DATES: [&str; 9] = [
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%d/%m/%y",
    "%d-%m-%y",
    "%-d/%-m/%Y",
    "%d/%m",
    "%d-%m",
    "%-d/%-m",
];

/// How a date is added to a name without one.
const DATE_ADDED: &str = "%d/%m";

/// Returns the day of a draw: the one of its close, or else of its opening, or of its announcement.
pub(crate) fn day_of(draw: &DrawStatus, zone: Zone) -> Option<Date> {
    let life = &draw.life;
    let closes_at = life.schedule.closes_at.or(life.closed.as_ref().map(|it| it.at));
    let opens_at = life.schedule.opens_at.or(life.opened_at);
    zone.shown(closes_at.or(opens_at).unwrap_or(life.announced_at)).map(DateTime::date)
}

/// Returns a name with the date of another day instead of its own, or with it at the end.
pub(crate) fn dated(name: &str, from: Date, to: Date) -> String {
    match split(name, from) {
        Some((before, after, format)) => format!("{before}{}{after}", to.strftime(format)),
        None => format!("{name} {}", to.strftime(DATE_ADDED)),
    }
}

/// Returns the name of a draw without its date: draws that repeat one another share it.
pub(crate) fn undated(draw: &DrawStatus, zone: Zone) -> String {
    let name = draw.terms.name.as_str();
    let parts = day_of(draw, zone).and_then(|day| split(name, day));
    let (before, after, _) = parts.unwrap_or((name, "", ""));
    format!("{} {}", before.trim_end(), after.trim_start()).trim().to_owned()
}

/// Returns what is before and after a date in a name, and how it is written.
fn split(name: &str, date: Date) -> Option<(&str, &str, &'static str)> {
    DATES.into_iter().find_map(|format| {
        let written = date.strftime(format).to_string();
        let at = place_of(&written, name)?;
        Some((&name[..at], &name[at + written.len()..], format))
    })
}

/// Returns where a date is in a name, unless it is a part of a longer number.
fn place_of(date: &str, name: &str) -> Option<usize> {
    let is_digit = |it: Option<char>| it.is_some_and(|it| it.is_ascii_digit());
    let mut places = name.match_indices(date);
    let found = places.find(|(at, _)| {
        let (before, after) = (&name[..*at], &name[at + date.len()..]);
        !is_digit(before.chars().next_back()) && !is_digit(after.chars().next())
    });
    found.map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use lottery::{
        Agencies, DrawId, DrawName, DrawState, DrawTerms, Lifecycle, NumberRange, Schedule,
        Timestamp,
    };

    use super::*;

    #[test]
    fn the_date_in_a_name_is_changed_as_it_is_written_or_added() {
        for (name, expected) in [
            ("Quiniela nocturna 05/11", "Quiniela nocturna 12/11"),
            ("nocturna 2026-11-05", "nocturna 2026-11-12"),
            ("05/11/2026 nocturna", "12/11/2026 nocturna"),
            ("nocturna 5/11", "nocturna 12/11"),
            ("nocturna 05-11", "nocturna 12-11"),
            ("nocturna 1105/112", "nocturna 1105/112 12/11"),
            ("La Ñata", "La Ñata 12/11"),
        ] {
            assert_eq!(dated(name, date(2026, 11, 5), date(2026, 11, 12)), expected);
        }
        assert_eq!(dated("fin 31/12/2026", date(2026, 12, 31), date(2027, 1, 1)), "fin 01/01/2027");
    }

    #[test]
    fn repeated_draws_have_the_same_name_without_its_date() {
        let status = |name: &str, day: Date| {
            let at = day.at(21, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
            let closes_at = Timestamp(at.timestamp().as_millisecond().try_into().unwrap());
            let schedule = Schedule { opens_at: None, closes_at: Some(closes_at) };
            let life = Lifecycle::announced(schedule, Timestamp(0));
            let terms = DrawTerms {
                name: DrawName::new(name).unwrap(),
                agencies: Agencies::first(1).unwrap(),
                numbers: NumberRange::default(),
            };
            let (id, state) = (DrawId(1), DrawState::Announced);
            DrawStatus { id, terms, state, agencies_finished: 0, batches: 0, bets: 0, life }
        };
        let [today, next] = [date(2026, 11, 5), date(2026, 11, 12)];
        for name in ["nocturna 05/11", "05/11/2026 nocturna", "la 5/11 nocturna", "La Ñata"] {
            let again = dated(name, today, next);
            let undated = |name: &str, day| undated(&status(name, day), Zone::default());
            assert_eq!(undated(name, today), undated(&again, next), "{name}");
            assert!(!undated(name, today).contains("11"), "{name}");
            assert_ne!(undated("matutina 05/11", today), undated(name, today));
        }
    }
}
