//! Draws: the list, the steps of one, its record.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lottery::{
    Act, ActError, DrawId, DrawName, DrawStatus, DrawTerms, NumberRange, Reason, Schedule,
};
use operators::Permission;

use super::frame::{Frame, Notice, show_as};
use super::language::read_time;
use super::view::{DrawView, Step, WinnersView, missing, steps, winners};
use super::visitor::{Form, Posted, Visitor};
use super::words;
use crate::http::problem::Problem;
use crate::http::state::App;

#[derive(Template)]
#[template(path = "draws.html")]
struct List {
    p: Frame,
    draws: Vec<DrawView>,
    form: Form,
}

#[derive(Template)]
#[template(path = "draw.html")]
struct Page {
    p: Frame,
    d: DrawView,
    steps: Vec<Step>,
    missing: String,
    reason_needed: bool,
    entered_by: String,
    winners: Option<Vec<WinnersView>>,
    files: Vec<File>,
    form: Form,
}

#[derive(Template)]
#[template(path = "acta.html")]
struct Record {
    p: Frame,
    d: DrawView,
    steps: Vec<Step>,
    missing: String,
    winners: Option<Vec<WinnersView>>,
}

/// Something to download.
struct File {
    name: &'static str,
    path: String,
}

pub(super) async fn list(State(app): State<App>, visitor: Visitor) -> Response {
    list_with(&app, &visitor, StatusCode::OK, None, Form::default()).await
}

pub(super) async fn announce(State(app): State<App>, Posted(visitor, form): Posted) -> Response {
    if let Some(refused) = visitor.refused(Permission::RunDraws) {
        return refused;
    }
    let l = visitor.language;
    let announced = match announcement(&form, &visitor) {
        Ok(act) => app.service.act(app.signed(&visitor.who, Reason::default(), act)).await,
        Err(text) => {
            let notice = Some(Notice::bad(text));
            return list_with(&app, &visitor, StatusCode::BAD_REQUEST, notice, form).await;
        }
    };
    match announced {
        Ok(lottery::Acted::Announced(draw)) => {
            Redirect::to(&format!("/draws/{draw}")).into_response()
        }
        Ok(_) => Redirect::to("/draws").into_response(),
        Err(error) => {
            let notice = Some(Notice::bad(words::refused(&error, l)));
            list_with(&app, &visitor, StatusCode::CONFLICT, notice, form).await
        }
    }
}

pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<u32>,
) -> Response {
    page_with(&app, &visitor, DrawId(id), StatusCode::OK, None, Form::default()).await
}

/// One step of a draw's life.
pub(super) async fn step(
    State(app): State<App>,
    Path((id, step)): Path<(u32, String)>,
    Posted(visitor, form): Posted,
) -> Response {
    if let Some(refused) = visitor.refused(Permission::RunDraws) {
        return refused;
    }
    let (l, draw) = (visitor.language, DrawId(id));
    let number = form.get("number").parse();
    let act = match (step.as_str(), number) {
        ("open", _) => Act::Open(draw),
        ("close", _) => Act::Close(draw),
        ("publish", _) => Act::Publish(draw),
        ("number", Ok(number)) => Act::EnterNumber { draw, number },
        ("number", Err(_)) => {
            let text = l.t("Escriba el número con cifras.", "Write the number in digits.");
            let notice = Some(Notice::bad(text));
            return page_with(&app, &visitor, draw, StatusCode::BAD_REQUEST, notice, form).await;
        }
        _ => return visitor.refuse(&Problem::not_found("there is nothing at this path")),
    };
    let is_sure = step == "open" || !form.get("sure").is_empty();
    let (status, notice) = if !is_sure {
        let text = l.t("Falta confirmar.", "It was not confirmed.");
        (StatusCode::BAD_REQUEST, Notice::bad(text))
    } else {
        match Reason::new(form.get("why")) {
            Err(_) => {
                let text = l.t("El motivo es demasiado largo.", "The reason is too long.");
                (StatusCode::BAD_REQUEST, Notice::bad(text))
            }
            Ok(why) => match app.service.act(app.signed(&visitor.who, why, act.clone())).await {
                Ok(acted) => (StatusCode::OK, Notice::good(words::acted(&act, acted, l))),
                Err(error) => (status_of(&error), Notice::bad(words::refused(&error, l))),
            },
        }
    };
    page_with(&app, &visitor, draw, status, Some(notice), form).await
}

/// The printable record.
pub(super) async fn record(
    State(app): State<App>,
    visitor: Visitor,
    Path((id, what)): Path<(u32, String)>,
) -> Response {
    if what != "acta" {
        // Somebody loaded the page of a step again.
        return Redirect::to(&format!("/draws/{id}")).into_response();
    }
    let (l, draw) = (visitor.language, DrawId(id));
    match found(&app, &visitor, draw).await {
        Err(problem) => visitor.refuse(&problem),
        Ok((status, unfinished, winners)) => show_as(
            StatusCode::OK,
            &Record {
                p: Frame::of(&visitor, None),
                d: DrawView::of(&status, l),
                steps: steps(&status, l),
                missing: missing(&status, &unfinished, l),
                winners,
            },
        ),
    }
}

async fn list_with(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    notice: Option<Notice>,
    form: Form,
) -> Response {
    match app.service.statuses().await {
        Err(fault) => visitor.refuse(&fault.into()),
        Ok(statuses) => {
            let l = visitor.language;
            let draws = statuses.iter().rev().map(|status| DrawView::of(status, l)).collect();
            show_as(status, &List { p: Frame::of(visitor, notice), draws, form })
        }
    }
}

async fn page_with(
    app: &App,
    visitor: &Visitor,
    draw: DrawId,
    code: StatusCode,
    notice: Option<Notice>,
    form: Form,
) -> Response {
    let l = visitor.language;
    let (status, unfinished, winners) = match found(app, visitor, draw).await {
        Ok(found) => found,
        Err(problem) => return visitor.refuse(&problem),
    };
    let operated = status.operated.as_ref();
    let closes_at = operated.and_then(|operated| operated.schedule.closes_at);
    let is_early = closes_at.is_some_and(|at| app.service.now() < at);
    let entered_by = operated.and_then(|operated| operated.entered_by.as_ref());
    let files = [("CSV", "bets.csv"), ("Parquet", "bets.parquet")];
    let files = files.map(|(name, file)| {
        let path = format!("/api/v1/draws/{draw}/{file}");
        File { name, path }
    });
    let page = Page {
        p: Frame::of(visitor, notice),
        steps: steps(&status, l),
        missing: missing(&status, &unfinished, l),
        reason_needed: is_early || !status.all_finished(),
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
    show_as(code, &page)
}

/// A draw, who has not finished it, and its winners for who may see them.
async fn found(
    app: &App,
    visitor: &Visitor,
    draw: DrawId,
) -> Result<(DrawStatus, Vec<u32>, Option<Vec<WinnersView>>), Problem> {
    let statuses = app.service.statuses().await?;
    let status = statuses.into_iter().find(|status| status.id == draw);
    let status = status.ok_or_else(|| Problem::not_found(format!("there is no draw {draw}")))?;
    let standings = app.service.standings(draw).await.map_err(Problem::not_found)?;
    let unfinished = standings.iter().filter(|it| !it.finished).map(|it| it.agency.0).collect();
    let drawn = matches!(status.state, lottery::DrawState::Drawn { .. });
    let found = if drawn && visitor.who.role.may(Permission::ReadWinners) {
        let found = app.service.drawn_winners(draw).await;
        let found = found.map_err(|_| Problem::unavailable("the winners can't be read now"))?;
        Some(winners(&found, visitor.language))
    } else {
        None
    };
    Ok((status, unfinished, found))
}

/// What a form announces; why it can't, in words.
fn announcement(form: &Form, visitor: &Visitor) -> Result<Act, String> {
    let l = visitor.language;
    let wrong = |spanish: &'static str, english: &'static str| l.t(spanish, english).to_owned();
    let name = DrawName::new(form.get("name"))
        .map_err(|_| wrong("El nombre tiene de 1 a 64 letras.", "The name has 1 to 64 bytes."))?;
    let agencies = form.get("agencies").parse().map_err(|_| {
        wrong(
            "Escriba las agencias como números y rangos en orden: 1-5, 7.",
            "Write the agencies as numbers and ranges in order: 1-5, 7.",
        )
    })?;
    let number = |name| form.get(name).parse().ok();
    let numbers = number("number_min").zip(number("number_max"));
    let numbers =
        numbers.and_then(|(min, max)| NumberRange::new(min, max).ok()).ok_or_else(|| {
            wrong(
                "El número menor no puede superar al mayor.",
                "The smallest number can't be above the largest.",
            )
        })?;
    let time = |name| {
        read_time(form.get(name))
            .map_err(|_| wrong("Un horario no se entiende.", "A time can't be understood."))
    };
    let schedule = Schedule { opens_at: time("opens_at")?, closes_at: time("closes_at")? };
    Ok(Act::Announce { terms: DrawTerms { name, agencies, numbers }, schedule })
}

fn status_of(error: &ActError) -> StatusCode {
    match error {
        ActError::UnknownDraw(_) => StatusCode::NOT_FOUND,
        ActError::NumberRange { .. } | ActError::Schedule => StatusCode::BAD_REQUEST,
        ActError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    }
}
