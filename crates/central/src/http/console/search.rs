//! Bets by document or number.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use lottery::DrawId;
use operators::Permission;
use serde::Deserialize;

use super::frame::{Frame, show};
use super::visitor::Visitor;
use crate::http::bets::{BetView, Sought, find};
use crate::http::problem::Problem;
use crate::http::state::App;

#[derive(Deserialize)]
pub(super) struct Asked {
    draw: Option<u32>,
    #[serde(default)]
    by: String,
    #[serde(default)]
    value: String,
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Page {
    p: Frame,
    draws: Vec<(u32, String, bool)>,
    by_number: bool,
    value: String,
    found: Option<Vec<BetView>>,
    /// Where the search goes on.
    next: String,
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
    let (value, by_number) = (asked.value.trim().to_owned(), asked.by == "number");
    let chosen = asked.draw.map(DrawId);
    let (found, cursor) = match chosen.filter(|_| !value.is_empty()) {
        None => (None, None),
        Some(draw) => {
            let sought = sought(by_number, &value, asked.cursor)?;
            let part = find(app, &visitor.who, draw, sought).await?;
            (Some(part.items), part.next)
        }
    };
    let next = cursor.map_or_else(String::new, |cursor| {
        let mut query = form_urlencoded::Serializer::new(String::from("/search?"));
        let draw = chosen.map_or_else(String::new, |draw| draw.to_string());
        query.append_pair("draw", &draw).append_pair("by", &asked.by);
        query.append_pair("value", &value).append_pair("cursor", &cursor).finish()
    });
    let draws = statuses
        .iter()
        .rev()
        .map(|status| (status.id.0, status.terms.name.to_string(), chosen == Some(status.id)));
    let draws = draws.collect();
    Ok(Page { p: Frame::of(visitor, None), draws, by_number, value, found, next })
}

fn sought(by_number: bool, value: &str, cursor: Option<String>) -> Result<Sought, Problem> {
    if by_number {
        let number = value.parse().map_err(|_| Problem::bad_request("a number is digits only"))?;
        Ok(Sought::by(None, Some(number), cursor))
    } else {
        Ok(Sought::by(Some(value.to_owned()), None, cursor))
    }
}
