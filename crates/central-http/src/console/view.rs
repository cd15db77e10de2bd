//! A draw as pages show it.

use jiff::civil::Date;
use lottery::{DrawState, DrawStatus, DrawTerms, Timestamp, Winners};

use super::language::Locale;
use super::text;
use crate::usecases::draws::LifeState;

/// A draw, formatted for a page.
pub(super) struct DrawView {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) class: &'static str,
    pub(super) automatic: bool,
    pub(super) bets: String,
    pub(super) batches: String,
    pub(super) agencies: String,
    pub(super) finished: String,
    pub(super) numbers: String,
    /// When it was opened, or else is to be.
    pub(super) opens: Moment,
    /// When it was closed, or else is to be.
    pub(super) closes: Moment,
    pub(super) closed_by: String,
    /// When its winners were published.
    pub(super) published: Moment,
    /// The winning number, once the draw was made.
    pub(super) number: String,
}

/// A moment of a draw.
pub(super) struct Moment {
    pub(super) at: String,
    /// Whether it is scheduled, and has not come.
    pub(super) is_planned: bool,
}

/// An act on a draw.
pub(super) struct Movement {
    pub(super) at: String,
    pub(super) by: String,
    pub(super) what: String,
    pub(super) why: String,
}

/// One of the steps of a draw's life cycle.
pub(super) struct Step {
    pub(super) name: &'static str,
    /// The CSS class: `done`, `now` or empty.
    pub(super) class: &'static str,
    pub(super) when: String,
}

/// The winners of a draw: some of its agencies, with some of their winners.
pub(super) struct WinnersView {
    pub(super) count: String,
    pub(super) agencies: Vec<AgencyWinners>,
    /// How many more agencies have winners.
    pub(super) more: Option<String>,
    /// The number of the last agency shown.
    pub(super) last: u32,
}

/// The first winners of one agency.
pub(super) struct AgencyWinners {
    pub(super) agency: u32,
    pub(super) count: String,
    pub(super) documents: String,
    /// How many more winners there are.
    pub(super) more: Option<String>,
}

impl DrawView {
    pub(super) fn of(status: &DrawStatus, l: Locale) -> Self {
        Self::of_day(status, None, l)
    }

    /// Returns a draw whose times have no date if it is this day.
    pub(super) fn of_day(status: &DrawStatus, day: Option<Date>, l: Locale) -> Self {
        let (life, state) = (&status.life, LifeState::of(status));
        let number = match status.state {
            DrawState::Drawn { number } => digits(number, &status.terms),
            _ => String::new(),
        };
        Self {
            id: status.id.0,
            name: status.terms.name.to_string(),
            state: text::state(state, l),
            class: state.as_str(),
            automatic: life.automatic,
            bets: l.n(status.bets),
            batches: l.n(status.batches),
            agencies: format!("{} ({})", l.n(status.terms.agencies.count()), status.terms.agencies),
            finished: l.n(status.agencies_finished),
            numbers: status.terms.numbers.to_string(),
            opens: Moment::of(life.opened_at, life.schedule.opens_at, day, l),
            closes: Moment::of(
                life.closed.as_ref().map(|it| it.at),
                life.schedule.closes_at,
                day,
                l,
            ),
            published: Moment::of(life.published_at, None, day, l),
            closed_by: life.closed.as_ref().map_or_else(String::new, |closing| {
                let by = match &closing.by {
                    Some(by) => text::actor(by, l),
                    None => l.t("terminaron todas", "all have finished").to_owned(),
                };
                let why = &closing.why;
                if why.is_empty() { by } else { format!("{by}: {why}") }
            }),
            number,
        }
    }
}

/// Formats a number of a draw, with as many digits as its largest.
pub(super) fn digits(number: u32, terms: &DrawTerms) -> String {
    let width = terms.numbers.max().to_string().len();
    format!("{number:0width$}")
}

impl Moment {
    fn of(
        real: Option<Timestamp>,
        planned: Option<Timestamp>,
        day: Option<Date>,
        l: Locale,
    ) -> Self {
        let is_planned = real.is_none() && planned.is_some();
        let at = real.or(planned);
        Self { at: at.map_or_else(|| "—".to_owned(), |at| l.time_of(at, day)), is_planned }
    }
}

impl Movement {
    /// Returns the acts on a draw, oldest first.
    pub(super) fn all(status: &DrawStatus, l: Locale) -> Vec<Self> {
        let acts = status.life.history.iter().map(|it| {
            let (at, by, why) = (l.time(it.at), text::actor(&it.by, l), it.why.to_string());
            let mut what = text::step(it.step, l);
            if let Some(number) = it.number {
                what = format!("{what}: {}", digits(number, &status.terms));
            }
            Self { at, by, what, why }
        });
        acts.collect()
    }
}

/// Returns the steps of a draw's life cycle: done, current, or to come.
pub(super) fn steps(status: &DrawStatus, l: Locale) -> Vec<Step> {
    let life = &status.life;
    let (cancelled, mut times) = (status.state == DrawState::Cancelled, Vec::new());
    times.push((LifeState::Announced, Some(life.announced_at)));
    if cancelled {
        times.push((LifeState::Cancelled, life.history.last().map(|it| it.at)));
    } else {
        times.push((LifeState::Open, life.opened_at));
        times.push((LifeState::Closed, life.closed.as_ref().map(|closing| closing.at)));
        times.push((LifeState::Drawn, life.drawn_at));
        times.push((LifeState::Published, life.published_at));
    }
    let now = times.iter().position(|(state, _)| *state == LifeState::of(status)).unwrap_or(0);
    let steps = times.into_iter().enumerate().map(|(at, (state, time))| Step {
        name: text::state(state, l),
        class: class_of(at, now),
        when: time.map_or_else(String::new, |time: Timestamp| l.time(time)),
    });
    steps.collect()
}

fn class_of(at: usize, now: usize) -> &'static str {
    match at.cmp(&now) {
        std::cmp::Ordering::Less => "done",
        std::cmp::Ordering::Equal => "now",
        std::cmp::Ordering::Greater => "",
    }
}

/// Returns a sentence with the unfinished agencies; empty if all have finished.
pub(super) fn missing(status: &DrawStatus, unfinished: &[u32], l: Locale) -> String {
    if status.all_finished() {
        return String::new();
    }
    let shown: Vec<_> = unfinished.iter().take(20).map(u32::to_string).collect();
    let more = if unfinished.len() > shown.len() { "…" } else { "" };
    format!(
        "{}: {} ({}{more})",
        l.t("Agencias que no terminaron", "Agencies that have not finished"),
        l.n(unfinished.len() as u64),
        shown.join(", ")
    )
}

impl WinnersView {
    /// Returns the agencies with a number above `after`; 0 starts at the first.
    pub(super) fn of(
        winners: &Winners,
        after: u32,
        agencies_max: usize,
        documents_max: usize,
        l: Locale,
    ) -> Self {
        let mut rest = winners.iter().filter(|(agency, _)| agency.0 > after);
        let shown = rest.by_ref().take(agencies_max);
        let agencies: Vec<_> = shown
            .map(|(agency, of)| {
                let documents: Vec<_> = of.iter().take(documents_max).collect();
                let more = of.count() - documents.len() as u64;
                AgencyWinners {
                    agency: agency.0,
                    count: l.n(of.count()),
                    documents: documents.join(", "),
                    more: (more > 0).then(|| l.n(more)),
                }
            })
            .collect();
        let more = rest.count() as u64;
        Self {
            count: l.n(winners.count()),
            last: agencies.last().map_or(after, |it| it.agency),
            agencies,
            more: (more > 0).then(|| l.n(more)),
        }
    }
}
