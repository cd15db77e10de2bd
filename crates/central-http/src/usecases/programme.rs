//! The draws by day, and their repetition on other days.
//!
//! A repeated draw has the agencies and numbers of the first one, its name with the other day's
//! date, and its hours as the lottery's clocks show them.

use central::{LocalTime, Zone};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Weekday};
use lottery::{
    DrawId, DrawName, DrawNameError, DrawState, DrawStatus, DrawTerms, HistoryStep, Schedule,
    Timestamp,
};

use crate::limits::{REPEATED_DAYS_MAX, REPEATED_DRAWS_MAX};
use crate::usecases::app::State;
use crate::usecases::dated_name::{dated, day_of};

/// One more than is allowed shows that there are too many.
const DAYS: usize = REPEATED_DAYS_MAX + 1;

/// The draws of a day, to be repeated on the days from the first to the last that are on these
/// weekdays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repetition {
    pub(crate) day: Date,
    pub(crate) first: Date,
    pub(crate) last: Date,
    pub(crate) weekdays: Weekdays,
}

/// Some days of the week, from Monday on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weekdays(pub(crate) [bool; 7]);

impl Weekdays {
    /// Returns Monday to Saturday, and Sunday too if there is a draw on one of these days that is a
    /// Sunday.
    pub(crate) fn usual(mut days: impl Iterator<Item = Date>) -> Self {
        Self([true, true, true, true, true, true, days.any(|day| day.weekday() == Weekday::Sunday)])
    }

    fn contain(self, day: Date) -> bool {
        let at = usize::try_from(day.weekday().to_monday_zero_offset());
        at.ok().and_then(|at| self.0.get(at)).is_some_and(|contained| *contained)
    }
}

/// A draw that repeats another one on a day.
pub(crate) struct Planned {
    pub(crate) source: DrawId,
    /// How often the source was edited: its terms are those that a preview showed if it still is.
    pub(crate) edits: usize,
    pub(crate) day: Date,
    pub(crate) name: String,
    /// What is to be announced, or why it can't be.
    pub(crate) draw: Result<(DrawTerms, Schedule), Obstacle>,
}

/// Why a draw is not repeated on a day.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// There is a draw of that name.
    Announced(DrawId),
    /// The name with the date is invalid.
    Name(DrawNameError),
    /// It would open or close in the past.
    Over,
    /// The lottery's clocks show this time twice, or never.
    Hour(DateTime),
}

/// The repetition has more days or more draws than are announced at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// Returns what a repetition announces, day by day.
pub(crate) fn plan(app: &State, repetition: Repetition) -> Result<Vec<Planned>, TooMuch> {
    let Repetition { day, first, last, weekdays } = repetition;
    let (view, zone) = (app.service.view(), app.service.zone());
    let is_of_day = |it: &DrawStatus| {
        it.state != DrawState::Cancelled && day_of(it, zone).is_some_and(|of| of == day)
    };
    let mut sources = view.find_draws(is_of_day);
    sources.sort_by_key(|it| (it.life.schedule.closes_at, it.life.schedule.opens_at, it.id));
    let days = first.series(1.day()).take_while(|it| *it <= last);
    let days: Vec<_> = days.filter(|it| weekdays.contain(*it)).take(DAYS).collect();
    if days.len() > REPEATED_DAYS_MAX || days.len() * sources.len() > REPEATED_DRAWS_MAX {
        return Err(TooMuch);
    }
    // On its own day a draw is announced already.
    let days = days.into_iter().filter(|on| *on != day);
    let planned = days.flat_map(|on| sources.iter().map(move |source| (source, on)));
    Ok(planned.map(|(source, on)| Planned::of(app, source, day, on)).collect())
}

impl Planned {
    fn of(app: &State, source: &DrawStatus, day: Date, on: Date) -> Self {
        let name = dated(source.terms.name.as_str(), day, on);
        let is_edit = |it: &&lottery::HistoryEntry| it.step == HistoryStep::Edited;
        Self {
            source: source.id,
            edits: source.life.history.iter().filter(is_edit).count(),
            day: on,
            draw: draw(app, source, &name, day, on),
            name,
        }
    }
}

fn draw(
    app: &State,
    source: &DrawStatus,
    name: &str,
    day: Date,
    on: Date,
) -> Result<(DrawTerms, Schedule), Obstacle> {
    let named = app.service.view().draw_named(name);
    if let Some(known) = named.filter(|it| it.state != DrawState::Cancelled) {
        return Err(Obstacle::Announced(known.id));
    }
    let name = DrawName::new(name).map_err(Obstacle::Name)?;
    let zone = app.service.zone();
    let Schedule { opens_at, closes_at } = source.life.schedule;
    let moved = |at: Option<Timestamp>| at.map(|at| moved(at, zone, day, on)).transpose();
    let schedule = Schedule { opens_at: moved(opens_at)?, closes_at: moved(closes_at)? };
    let now = app.service.now();
    let is_past = |at: Timestamp| at <= now;
    let is_before_today = zone.shown(now).is_some_and(|now| on < now.date());
    if is_before_today || [schedule.opens_at, schedule.closes_at].into_iter().flatten().any(is_past)
    {
        return Err(Obstacle::Over);
    }
    let terms = DrawTerms { name, ..source.terms.clone() };
    Ok((terms, schedule))
}

/// Returns the moment that is as many days later as one day is after another, at the same hour of
/// the lottery's clocks.
fn moved(at: Timestamp, zone: Zone, from: Date, to: Date) -> Result<Timestamp, Obstacle> {
    let Some(shown) = zone.shown(at) else { return Err(Obstacle::Over) };
    let later = from.until(to).and_then(|days| shown.checked_add(days));
    let Ok(later) = later else { return Err(Obstacle::Hour(shown)) };
    match zone.read(later) {
        LocalTime::Once(at) => Ok(at),
        LocalTime::Twice(_) | LocalTime::Never => Err(Obstacle::Hour(later)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn sunday_is_a_usual_day_of_those_who_draw_on_sundays() {
        let week = date(2026, 11, 2).series(1.day()).take(7).collect::<Vec<_>>();
        let usual = Weekdays::usual(week[..6].iter().copied());
        let contained = week.iter().map(|day| usual.contain(*day)).collect::<Vec<_>>();
        assert_eq!(contained, [true, true, true, true, true, true, false]);
        assert_eq!(Weekdays::usual(week.into_iter()), Weekdays([true; 7]));
    }

    #[test]
    fn a_local_hour_stays_the_same_when_clocks_change() {
        // Clocks of Chile are set forward in the night to 6 September 2026, and back in April.
        let zone = Zone::named("America/Santiago").unwrap();
        let at = |text: &str| {
            let at: jiff::Timestamp = text.parse().unwrap();
            Timestamp(at.as_millisecond().try_into().unwrap())
        };
        let moved = |text: &str, to: Date| moved(at(text), zone, date(2026, 9, 5), to);
        let evening = "2026-09-05T21:00:00-04:00";
        assert_eq!(moved(evening, date(2026, 9, 6)), Ok(at("2026-09-06T21:00:00-03:00")));
        let night = "2026-09-05T00:30:00-04:00";
        let never = date(2026, 9, 6).at(0, 30, 0, 0);
        assert_eq!(moved(night, date(2026, 9, 6)), Err(Obstacle::Hour(never)));
        assert_eq!(moved(night, date(2026, 9, 7)), Ok(at("2026-09-07T00:30:00-03:00")));
        // A draw that opens on the day before does so too.
        let before = "2026-09-04T20:00:00-04:00";
        assert_eq!(moved(before, date(2026, 9, 8)), Ok(at("2026-09-07T20:00:00-03:00")));
    }
}
