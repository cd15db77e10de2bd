//! Bets by document or number.

use std::ops::ControlFlow;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use lottery::{DrawId, StoredBatch};
use operators::Permission;
use serde::Deserialize;

use super::frame::{Frame, show};
use super::visitor::Visitor;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::limits::SEARCH_FOUND_MAX;

#[derive(Deserialize)]
pub(super) struct Asked {
    draw: Option<u32>,
    #[serde(default)]
    by: String,
    #[serde(default)]
    value: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Page {
    p: Frame,
    draws: Vec<(u32, String, bool)>,
    by_number: bool,
    value: String,
    found: Option<Vec<Found>>,
    is_cut: bool,
}

struct Found {
    agency: u32,
    name: String,
    document: String,
    birthdate: String,
    number: u32,
}

/// What is looked for.
enum Wanted {
    Document(String),
    Number(u32),
}

pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    if let Some(refused) = visitor.refused(Permission::SearchBets) {
        return refused;
    }
    match searched(&app, &visitor, asked).await {
        Ok(page) => show(&page),
        Err(problem) => visitor.refuse(&problem),
    }
}

async fn searched(app: &App, visitor: &Visitor, asked: Asked) -> Result<Page, Problem> {
    let statuses = app.service.statuses().await?;
    let value = asked.value.trim().to_owned();
    let by_number = asked.by == "number";
    let chosen = asked.draw.map(DrawId);
    let found = match chosen.filter(|_| !value.is_empty()) {
        None => None,
        Some(draw) => {
            let status = statuses.iter().find(|status| status.id == draw);
            let status = status.ok_or_else(|| Problem::not_found(format!("no draw {draw}")))?;
            if !status.is_published() {
                visitor.who.must(Permission::SearchBetsBeforePublication)?;
            }
            Some(bets(app, draw, wanted(by_number, &value)?).await?)
        }
    };
    let is_cut = found.as_ref().is_some_and(|found| found.len() == SEARCH_FOUND_MAX);
    let draws = statuses
        .iter()
        .rev()
        .map(|status| (status.id.0, status.terms.name.to_string(), chosen == Some(status.id)));
    let draws = draws.collect();
    Ok(Page { p: Frame::of(visitor, None), draws, by_number, value, found, is_cut })
}

fn wanted(by_number: bool, value: &str) -> Result<Wanted, Problem> {
    if by_number {
        let number = value.parse().map_err(|_| Problem::bad_request("a number is digits only"))?;
        Ok(Wanted::Number(number))
    } else {
        Ok(Wanted::Document(value.to_owned()))
    }
}

async fn bets(app: &App, draw: DrawId, wanted: Wanted) -> Result<Vec<Found>, Problem> {
    let visit = move |found: &mut Vec<Found>, batch: StoredBatch<'_>| {
        for bet in batch.bets().filter_map(Result::ok) {
            let is_wanted = match &wanted {
                Wanted::Document(document) => bet.document() == document,
                Wanted::Number(number) => bet.number() == *number,
            };
            if !is_wanted {
                continue;
            }
            found.push(Found {
                agency: batch.agency.0,
                name: format!("{} {}", bet.first_name(), bet.last_name()),
                document: bet.document().to_owned(),
                birthdate: bet.birthdate().to_string(),
                number: bet.number(),
            });
            if found.len() == SEARCH_FOUND_MAX {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    };
    let found = app.service.scan(draw, Vec::new(), visit).await;
    found.map_err(|_| Problem::unavailable("the bets can't be read now"))
}
