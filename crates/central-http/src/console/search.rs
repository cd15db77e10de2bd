//! The search for bets by document or number.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use lottery::{DrawId, DrawState};
use operators::Permission;
use serde::Deserialize;

use super::form::{Form, FormOutcome};
use super::shell::{Shell, show_as};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::usecases::app::App;
use crate::usecases::bets::{FoundBet, Sought, find};
use crate::web::input::InQuery;
use crate::web::paging::{PageParams, cursor_of};

#[derive(Deserialize)]
pub(super) struct SearchQuery {
    draw: Option<u32>,
    #[serde(default)]
    by: String,
    #[serde(default)]
    value: String,
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    p: Shell,
    draws: Vec<(u32, String, bool)>,
    by_number: bool,
    value: String,
    found: Option<Vec<FoundBet>>,
    /// The path that continues the search.
    next: String,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/search", get(page))
}

async fn page(
    State(app): State<App>,
    user: CurrentUser,
    InQuery(asked): InQuery<SearchQuery>,
) -> Result<Response, Refusal> {
    user.must(Permission::SearchBets)?;
    let l = user.language;
    let (by_number, chosen) = (asked.by == "number", asked.draw.map(DrawId));
    let value = asked.value.trim().to_owned();
    let mut outcome = FormOutcome::default();
    let (mut found, mut next) = (None, String::new());
    if let Some(draw) = chosen.filter(|_| !value.is_empty()) {
        match sought(by_number, &value) {
            None => {
                let text = l.t("Un número se escribe con cifras.", "A number is digits only.");
                outcome = FormOutcome::wrong(text, Form::default());
            }
            Some(sought) => {
                let part = PageParams::new(asked.cursor, None);
                match find(&app, &user.who, draw, sought, &part).await {
                    Err(refusal) => outcome = FormOutcome::of(Err(refusal), Form::default(), l)?,
                    Ok(part) => {
                        let rest = |passed: u64| path_of(draw, &asked.by, &value, passed);
                        next = part.next.map_or_else(String::new, rest);
                        found = Some(part.bets);
                    }
                }
            }
        }
    }
    // A cancelled draw has no bets.
    let draws = app.service.view().all_draws().filter(|it| it.state != DrawState::Cancelled);
    let draws = draws.map(|it| (it.id.0, it.terms.name.to_string(), chosen == Some(it.id)));
    let mut draws: Vec<_> = draws.collect();
    draws.reverse();
    let p = Shell::of(&user, outcome.notice);
    Ok(show_as(outcome.status, &SearchPage { p, draws, by_number, value, found, next }))
}

fn sought(by_number: bool, value: &str) -> Option<Sought> {
    if by_number {
        value.parse().ok().map(|number| Sought { number: Some(number), ..Sought::default() })
    } else {
        Some(Sought { document: Some(value.to_owned()), ..Sought::default() })
    }
}

/// Returns the path that continues the search.
fn path_of(draw: DrawId, by: &str, value: &str, passed: u64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::from("/search?"));
    query.append_pair("draw", &draw.to_string()).append_pair("by", by);
    query
        .append_pair("value", value)
        .append_pair("cursor", &cursor_of(&passed.to_string()))
        .finish()
}
