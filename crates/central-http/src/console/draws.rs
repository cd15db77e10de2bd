//! The pages of draws: the list, the steps of a draw, and its record.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use lottery::{
    Act, DrawId, DrawName, DrawNameError, DrawState, DrawStatus, DrawTerms, NumberRange, Reason,
    Schedule, Winners,
};
use operators::Permission;

use super::form::{Form, FormOutcome, Posted};
use super::language::{Choice, Locale};
use super::pagination::{PageQuery, Pagination};
use super::refusal;
use super::shell::{Shell, show, show_as};
use super::text;
use super::view::{DrawView, Step, WinnersView, missing, steps};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::{
    DRAW_AGENCIES_MAX, ITEMS_SHOWN_MAX, RECORD_AGENCIES_MAX, RECORD_WINNERS_MAX, WINNERS_FIRST,
};
use crate::usecases::app::App;
use crate::usecases::draws::{self, expect_bets, status};
use crate::usecases::winners::read;
use crate::web::input::{At, InQuery};
use crate::web::problem::Problem;

#[derive(Template)]
#[template(path = "draws.html")]
struct List {
    p: Shell,
    draws: Vec<DrawView>,
    part: Option<Pagination>,
    form: Form,
    /// Options for local times that occur twice, when clocks are set back.
    opens_choices: Vec<Choice>,
    closes_choices: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "draw.html")]
struct DrawsPage {
    p: Shell,
    d: DrawView,
    steps: Vec<Step>,
    /// Whether it was never opened and can't be opened any more.
    is_expired: bool,
    missing: String,
    reason_needed: bool,
    is_empty: bool,
    entered_by: String,
    winners: Option<WinnersView>,
    files: Vec<File>,
    form: Form,
}

#[derive(Template)]
#[template(path = "acta.html")]
struct Record {
    p: Shell,
    d: DrawView,
    steps: Vec<Step>,
    missing: String,
    winners: Option<WinnersView>,
    /// Whether the record lists every winner, and not only the counts.
    lists_all: bool,
}

/// A file to download.
struct File {
    name: &'static str,
    path: String,
}

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/draws", get(list).post(announce))
        .route("/draws/{id}", get(page))
        .route("/draws/{id}/{step}", get(record).post(step))
}

async fn list(
    State(app): State<App>,
    user: CurrentUser,
    InQuery(PageQuery { page }): InQuery<PageQuery>,
) -> Result<Response, Refusal> {
    list_with(&app, &user, page, FormOutcome::default()).await
}

async fn announce(State(app): State<App>, Posted(user, form): Posted) -> Result<Response, Refusal> {
    user.must(Permission::RunDraws)?;
    let l = user.language;
    let outcome = match announcement(&form, l) {
        Err(text) => FormOutcome::wrong(&text, form),
        Ok((terms, schedule)) => {
            let why = Reason::default();
            match draws::announce(&app, &user.who, why, terms, schedule).await {
                Ok(draw) => return Ok(Redirect::to(&format!("/draws/{draw}")).into_response()),
                Err(refusal) => FormOutcome::of(Err(refusal), form, l)?,
            }
        }
    };
    list_with(&app, &user, None, outcome).await
}

async fn page(
    State(app): State<App>,
    user: CurrentUser,
    At(id): At<u32>,
) -> Result<Response, Refusal> {
    page_with(&app, &user, DrawId(id), FormOutcome::default()).await
}

/// Performs one step of a draw's life cycle.
async fn step(
    State(app): State<App>,
    At((id, step)): At<(u32, String)>,
    Posted(user, form): Posted,
) -> Result<Response, Refusal> {
    user.must(Permission::RunDraws)?;
    let (l, draw) = (user.language, DrawId(id));
    let number = form.get("number").parse();
    let act = match (step.as_str(), number) {
        ("open", _) => Act::Open(draw),
        ("close", _) => Act::Close(draw),
        ("publish", _) => Act::Publish(draw),
        ("number", Ok(number)) => Act::EnterNumber { draw, number },
        ("number", Err(_)) => {
            let text = l.t("Escriba el número con cifras.", "Write the number in digits.");
            return page_with(&app, &user, draw, FormOutcome::wrong(text, form)).await;
        }
        _ => return Err(Refusal::from(Problem::no_such_path())),
    };
    if step == "number" {
        let allow_empty = !form.get("allow_empty").is_empty();
        if let Err(refusal) = expect_bets(&app, draw, allow_empty) {
            let outcome = FormOutcome::of(Err(refusal), form, l)?;
            return page_with(&app, &user, draw, outcome).await;
        }
    }
    let is_sure = step == "open" || !form.get("sure").is_empty();
    let outcome = match Reason::new(form.get("why")) {
        _ if !is_sure => FormOutcome::wrong(l.t("Falta confirmar.", "It was not confirmed."), form),
        Err(error) => FormOutcome::wrong(&refusal::reason(error, l), form),
        Ok(why) => {
            let acted = app.act(&user.who, why, act.clone()).await;
            FormOutcome::of(acted.map(|acted| text::acted(&act, acted, l)), form, l)?
        }
    };
    page_with(&app, &user, draw, outcome).await
}

/// Shows the printable record.
async fn record(
    State(app): State<App>,
    user: CurrentUser,
    At((id, what)): At<(u32, String)>,
) -> Result<Response, Refusal> {
    if what != "acta" {
        // The user reloaded the page of a step.
        return Ok(Redirect::to(&format!("/draws/{id}")).into_response());
    }
    let (l, draw) = (user.language, DrawId(id));
    let (status, unfinished, winners) = found(&app, &user, draw).await?;
    let lists_all = winners.as_ref().is_none_or(|it| it.count() <= RECORD_WINNERS_MAX);
    let documents_max = if lists_all { usize::MAX } else { 0 };
    let shown = |it: &Winners| WinnersView::of(it, 0, RECORD_AGENCIES_MAX, documents_max, l);
    Ok(show(&Record {
        p: Shell::of(&user, None),
        d: DrawView::of(&status, l),
        steps: steps(&status, l),
        missing: missing(&status, &unfinished, l),
        winners: winners.as_ref().map(shown),
        lists_all,
    }))
}

async fn list_with(
    app: &App,
    user: &CurrentUser,
    page: Option<usize>,
    outcome: FormOutcome,
) -> Result<Response, Refusal> {
    let FormOutcome { status, notice, form } = outcome;
    let (view, l) = (app.service.view(), user.language);
    let count = view.draw_count();
    let (places, part) = Pagination::of(count, page, ITEMS_SHOWN_MAX, "/draws?page=", l);
    // The newest draws come first and have the highest numbers.
    let older = u32::try_from(count - places.end).ok().map(DrawId);
    let shown = view.draws(older, places.len());
    let draws = shown.iter().rev().map(|status| DrawView::of(status, l)).collect();
    let [opens_choices, closes_choices] =
        ["opens_at", "closes_at"].map(|name| l.choices(form.get(name)));
    let p = Shell::of(user, notice);
    Ok(show_as(status, &List { p, draws, part, form, opens_choices, closes_choices }))
}

async fn page_with(
    app: &App,
    user: &CurrentUser,
    draw: DrawId,
    outcome: FormOutcome,
) -> Result<Response, Refusal> {
    let FormOutcome { status: code, notice, form } = outcome;
    let l = user.language;
    let (status, unfinished, winners) = found(app, user, draw).await?;
    let shown = |it: &Winners| WinnersView::of(it, 0, DRAW_AGENCIES_MAX, WINNERS_FIRST, l);
    let winners = winners.as_ref().map(shown);
    let over = status.life.is_expired(app.service.now());
    let is_early = !over && status.life.schedule.closes_at.is_some();
    let entered_by = status.life.entered_by.as_ref();
    let files = [("CSV", "bets.csv"), ("Parquet", "bets.parquet")];
    let files = files.map(|(name, file)| {
        let path = format!("/api/v1/draws/{draw}/{file}");
        File { name, path }
    });
    let page = DrawsPage {
        p: Shell::of(user, notice),
        steps: steps(&status, l),
        is_expired: over && status.state == DrawState::Announced,
        missing: missing(&status, &unfinished, l),
        reason_needed: is_early || !status.all_finished(),
        is_empty: status.bets == 0,
        entered_by: entered_by.map_or_else(String::new, |who| {
            let text = l.t(
                "ya ingresó el número; falta otro operador.",
                "has entered the number; another operator is needed.",
            );
            format!("{who} {text}")
        }),
        winners,
        files: if status.is_published() { files.into() } else { Vec::new() },
        d: DrawView::of(&status, l),
        form,
    };
    Ok(show_as(code, &page))
}

/// Returns a draw, its unfinished agencies, and its winners if the user may see them.
async fn found(
    app: &App,
    user: &CurrentUser,
    draw: DrawId,
) -> Result<(DrawStatus, Vec<u32>, Option<Winners>), Refusal> {
    let status = status(app, draw)?;
    let agencies = app.service.view().all_agencies(draw);
    let unfinished = agencies.filter(|it| !it.finished).map(|it| it.agency.0).collect();
    let drawn = matches!(status.state, DrawState::Drawn { .. });
    let winners = if drawn && user.who.may(Permission::ReadWinners) {
        Some(read(app, &user.who, &status).await?)
    } else {
        None
    };
    Ok((status, unfinished, winners))
}

/// Parses the announcement in a form; returns an error message if it is invalid.
fn announcement(form: &Form, l: Locale) -> Result<(DrawTerms, Schedule), String> {
    let name = DrawName::new(form.get("name"))
        .map_err(|DrawNameError(fault)| refusal::text("el nombre", "the name", fault, l))?;
    let agencies = form.get("agencies").parse().map_err(|_| {
        l.t(
            "Escriba las agencias como números y rangos en orden: 1-5, 7.",
            "Write the agencies as numbers and ranges in order: 1-5, 7.",
        )
    })?;
    let number = |name| form.get(name).parse().ok();
    let numbers = number("number_min").zip(number("number_max"));
    let numbers =
        numbers.and_then(|(min, max)| NumberRange::new(min, max).ok()).ok_or_else(|| {
            l.t(
                "El número menor no puede superar al mayor.",
                "The smallest number can't be above the largest.",
            )
        })?;
    let opens_at = l.read_time(form.get("opens_at"), form.get("opens_at_which"))?;
    let closes_at = l.read_time(form.get("closes_at"), form.get("closes_at_which"))?;
    Ok((DrawTerms { name, agencies, numbers }, Schedule { opens_at, closes_at }))
}
