//! The page that repeats the draws of a day on other days.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan as _};
use lottery::{DrawState, Reason};
use operators::Permission;

use super::form::{Form, FormOutcome, TICK, WEEKDAY, done};
use super::language::Locale;
use super::posted::Posted;
use super::refusal;
use super::shell::{Shell, show_as};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::{REPEATABLE_DAYS_MAX, REPEATED_DAYS_MAX, REPEATED_DRAWS_MAX};
use crate::usecases::app::App;
use crate::usecases::dated_name::day_of;
use crate::usecases::draws::announce;
use crate::usecases::programme::{Obstacle, Planned, Repetition, TooMuch, Weekdays, plan};

#[derive(Template)]
#[template(path = "repeat.html")]
struct Repeat {
    p: Shell,
    form: Form,
    /// The days with draws to choose from.
    sources: Vec<SourceDay>,
    weekdays: Vec<WeekdayChoice>,
    /// What is to be announced, by day; empty until the days are chosen.
    days: Vec<PlannedDay>,
    /// Whether something can be announced.
    is_possible: bool,
}

/// A day with draws that can be repeated.
struct SourceDay {
    value: String,
    text: String,
}

/// A day of the week to choose.
struct WeekdayChoice {
    /// The name of its tick.
    key: String,
    text: &'static str,
    is_ticked: bool,
}

struct PlannedDay {
    name: String,
    draws: Vec<PlannedRow>,
}

struct PlannedRow {
    /// The name and value of its tick.
    key: String,
    edits: usize,
    is_ticked: bool,
    name: String,
    /// Empty if it can't be announced.
    opens: String,
    closes: String,
    agencies: String,
    numbers: String,
    /// The page of the draw that has this name.
    known: Option<String>,
    /// Why it is not announced; empty if it can be.
    obstacle: String,
    /// Why it was just refused; empty if it was not.
    error: String,
}

/// Why draws were refused, by the names of their ticks.
type Errors = BTreeMap<String, String>;

pub(super) fn router() -> Router<App> {
    Router::new().route("/draws/repeat", get(page).post(repeat))
}

async fn page(State(app): State<App>, user: CurrentUser, uri: Uri) -> Result<Response, Refusal> {
    user.must(Permission::RunDraws)?;
    let mut form = Form::of_query(&uri);
    let planned = if form.get("first").is_empty() {
        Vec::new()
    } else {
        planned(&app, &mut form, user.language).unwrap_or_default()
    };
    let outcome = FormOutcome { form, ..FormOutcome::default() };
    Ok(page_with(&app, &user, outcome, &planned, Errors::new()))
}

/// Announces the draws that are ticked.
async fn repeat(
    State(app): State<App>,
    Posted(user, mut form): Posted,
) -> Result<Response, Refusal> {
    user.must(Permission::RunDraws)?;
    let l = user.language;
    let Some(plan) = planned(&app, &mut form, l) else {
        return Ok(page_with(&app, &user, FormOutcome::marked(form, l), &[], Errors::new()));
    };
    let ticked: Vec<_> = plan.iter().filter(|it| !form.get(&key(it)).is_empty()).collect();
    if form.filled(TICK).count() > ticked.len() {
        let text = l.t(
            "Alguno de los sorteos marcados ya no es de ese día; revise la lista.",
            "Some of the ticked draws are no longer of that day; check the list.",
        );
        let outcome = FormOutcome::wrong(text, form);
        return Ok(page_with(&app, &user, outcome, &plan, Errors::new()));
    }
    if ticked.is_empty() {
        let text = l.t("Marque al menos un sorteo.", "Tick at least one draw.");
        let outcome = FormOutcome::wrong(text, form);
        return Ok(page_with(&app, &user, outcome, &plan, Errors::new()));
    }
    let mut errors = Errors::new();
    for draw in ticked {
        let announced = announced(&app, &user, draw, form.get(&key(draw))).await?;
        errors.extend(announced.err().map(|why| (key(draw), why)));
    }
    if errors.is_empty() {
        return Ok(done(&app, "/draws"));
    }
    let text = l.t(
        "Algunos sorteos no se programaron; vea el motivo de cada uno.",
        "Some draws were not announced; see the reason of each.",
    );
    let outcome = FormOutcome { status: StatusCode::CONFLICT, ..FormOutcome::wrong(text, form) };
    let mut again = outcome.form.clone();
    let plan = planned(&app, &mut again, l).unwrap_or_default();
    Ok(page_with(&app, &user, outcome, &plan, errors))
}

/// Announces a draw as the preview showed it; otherwise returns why not.
async fn announced(
    app: &App,
    user: &CurrentUser,
    draw: &Planned,
    edits: &str,
) -> Result<Result<(), String>, Refusal> {
    let l = user.language;
    if edits != draw.edits.to_string() {
        let text = l.t(
            "El sorteo que se repite cambió; revíselo y márquelo de nuevo.",
            "The draw that is repeated has changed; check it and tick it again.",
        );
        return Ok(Err(text.to_owned()));
    }
    let (terms, schedule) = match &draw.draw {
        Ok((terms, schedule)) => (terms.clone(), *schedule),
        Err(obstacle) => return Ok(Err(obstacle_text(obstacle, l))),
    };
    match announce(app, &user.who, Reason::default(), terms, schedule).await {
        Ok(_) => Ok(Ok(())),
        Err(refusal) => match refusal.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refusal),
            _ => Ok(Err(refusal::why(&refusal, l))),
        },
    }
}

/// Reads the days, and plans their draws; marks what is wrong with them.
fn planned(app: &App, form: &mut Form, l: Locale) -> Option<Vec<Planned>> {
    let [day, first, last] = ["day", "first", "last"].map(|name| {
        let day = form.get(name).parse::<Date>();
        let text = l.t("Elija una fecha.", "Choose a date.");
        day.map_err(|_| form.mark(name, text)).ok()
    });
    let (day, first, last) = (day?, first?, last?);
    if last < first {
        let text =
            l.t("El último día es anterior al primero.", "The last day is before the first.");
        form.mark("last", text);
        return None;
    }
    let weekdays = weekdays(app, form, l);
    if weekdays == Weekdays([false; 7]) {
        form.mark(
            WEEKDAY,
            l.t("Elija al menos un día de la semana.", "Choose at least one weekday."),
        );
        return None;
    }
    match plan(app, Repetition { day, first, last, weekdays }) {
        Ok(planned) => Some(planned),
        Err(TooMuch) => {
            let (days, draws) = (l.n(REPEATED_DAYS_MAX as u64), l.n(REPEATED_DRAWS_MAX as u64));
            let (up_to, days_and) = (l.t("Hasta", "Up to"), l.t("días y", "days and"));
            let at_once = l.t("sorteos por vez.", "draws at once.");
            form.mark("last", format!("{up_to} {days} {days_and} {draws} {at_once}"));
            None
        }
    }
}

/// Returns the weekdays that are chosen, or the usual ones.
fn weekdays(app: &App, form: &Form, l: Locale) -> Weekdays {
    if form.get(WEEKDAY).is_empty() {
        return Weekdays::usual(drawn_days(app, l).into_keys());
    }
    let is_ticked = |at: usize| !form.get(&weekday_key(at)).is_empty();
    Weekdays(std::array::from_fn(is_ticked))
}

/// Returns the name of a weekday's tick.
fn weekday_key(at: usize) -> String {
    format!("{WEEKDAY}-{}", at + 1)
}

/// Returns the name of a draw's tick.
fn key(draw: &Planned) -> String {
    format!("{TICK}{}-{}", draw.source, draw.day)
}

fn page_with(
    app: &App,
    user: &CurrentUser,
    outcome: FormOutcome,
    planned: &[Planned],
    mut errors: Errors,
) -> Response {
    let FormOutcome { status, notice, mut form } = outcome;
    let l = user.language;
    let today = l.date(app.service.now());
    let drawn = drawn_days(app, l);
    let sources = sources(&drawn, l);
    let chosen = Weekday::Monday.cycle_forward().zip(weekdays(app, &form, l).0).enumerate();
    let weekdays = chosen.map(|(at, (weekday, is_ticked))| WeekdayChoice {
        key: weekday_key(at),
        text: l.weekday(weekday),
        is_ticked,
    });
    let weekdays = weekdays.collect();
    if let (Some(today), Some(newest)) = (today, sources.first()) {
        form.or_set("day", newest.value.as_str());
        let first = form.get("day").parse().map_or(today, |day: Date| day.max(today));
        let later = |days: Span| first.saturating_add(days).to_string();
        form.or_set("first", later(1.day()));
        form.or_set("last", later(7.days()));
    }
    let mut days: Vec<PlannedDay> = Vec::new();
    let is_ticked = |it: &Planned| !form.get(&key(it)).is_empty();
    // All are ticked until the user unticks some.
    let is_new = !planned.iter().any(is_ticked);
    for draw in planned {
        let (name, error) = (l.day(draw.day), errors.remove(&key(draw)).unwrap_or_default());
        let row = PlannedRow::of(draw, is_new || is_ticked(draw), error, l);
        match days.last_mut() {
            Some(last) if last.name == name => last.draws.push(row),
            _ => days.push(PlannedDay { name, draws: vec![row] }),
        }
    }
    let is_possible = planned.iter().any(|it| it.draw.is_ok());
    let p = Shell::of(user, notice);
    show_as(status, &Repeat { p, form, sources, weekdays, days, is_possible })
}

/// Returns the days with draws, with their numbers of draws.
fn drawn_days(app: &App, l: Locale) -> BTreeMap<Date, u64> {
    let mut counts = BTreeMap::new();
    let draws = app.service.view().all_draws().filter(|it| it.state != DrawState::Cancelled);
    for day in draws.filter_map(|it| day_of(&it, l.zone)) {
        *counts.entry(day).or_default() += 1;
    }
    counts
}

/// Returns the newest days with draws.
fn sources(drawn: &BTreeMap<Date, u64>, l: Locale) -> Vec<SourceDay> {
    let newest = drawn.iter().rev().take(REPEATABLE_DAYS_MAX);
    let newest = newest.map(|(day, count)| SourceDay {
        value: day.to_string(),
        text: format!("{} ({})", l.day(*day), l.n(*count)),
    });
    newest.collect()
}

impl PlannedRow {
    fn of(draw: &Planned, is_ticked: bool, error: String, l: Locale) -> Self {
        let row = Self {
            key: key(draw),
            edits: draw.edits,
            is_ticked,
            name: draw.name.clone(),
            opens: String::new(),
            closes: String::new(),
            agencies: String::new(),
            numbers: String::new(),
            known: None,
            obstacle: String::new(),
            error,
        };
        let day = Some(draw.day);
        let by_hand = || l.t("a mano", "by hand").to_owned();
        match &draw.draw {
            Ok((terms, schedule)) => Self {
                opens: schedule.opens_at.map_or_else(by_hand, |at| l.time_of(at, day)),
                closes: schedule.closes_at.map_or_else(by_hand, |at| l.time_of(at, day)),
                agencies: terms.agencies.to_string(),
                numbers: terms.numbers.to_string(),
                ..row
            },
            Err(obstacle) => Self {
                known: match obstacle {
                    Obstacle::Announced(draw) => Some(format!("/draws/{draw}")),
                    _ => None,
                },
                obstacle: obstacle_text(obstacle, l),
                ..row
            },
        }
    }
}

/// Returns why a draw is not repeated on a day.
fn obstacle_text(obstacle: &Obstacle, l: Locale) -> String {
    match obstacle {
        Obstacle::Announced(_) => l.t("Ya está programado.", "It is announced already.").to_owned(),
        Obstacle::Name(error) => refusal::text("el nombre", "the name", error.0, l),
        Obstacle::Over => l.t("Su hora ya pasó.", "Its time has passed.").to_owned(),
        Obstacle::Hour(hour) => {
            let text = l.t(
                "ese día los relojes cambian a esa hora; prográmelo por separado",
                "clocks change at that hour on that day; announce it separately",
            );
            format!("{hour} ({}): {text}.", l.zone)
        }
    }
}
