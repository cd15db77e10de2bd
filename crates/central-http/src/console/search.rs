//! Bets by document or number.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lottery::DrawId;
use operators::Permission;
use serde::Deserialize;

use super::current_user::{CurrentUser, Form, FormOutcome};
use super::shell::{Shell, show_as};
use crate::bets::{BetView, Sought, find};
use crate::input::InQuery;
use crate::problem::Problem;
use crate::state::App;

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
    found: Option<Vec<BetView>>,
    /// Where the search goes on.
    next: String,
}

pub(super) async fn page(
    State(app): State<App>,
    user: CurrentUser,
    InQuery(asked): InQuery<SearchQuery>,
) -> Result<Response, Problem> {
    user.must(Permission::SearchBets)?;
    let l = user.language;
    let (by_number, chosen) = (asked.by == "number", asked.draw.map(DrawId));
    let value = asked.value.trim().to_owned();
    let mut outcome = FormOutcome::default();
    let (mut found, mut next) = (None, String::new());
    if let Some(draw) = chosen.filter(|_| !value.is_empty()) {
        match sought(by_number, &value, asked.cursor) {
            None => {
                let text = l.t("Un número se escribe con cifras.", "A number is digits only.");
                outcome = FormOutcome::wrong(text, Form::default());
            }
            Some(sought) => match find(&app, &user.who, draw, sought).await {
                Err(problem) => outcome = FormOutcome::refused(problem, Form::default(), l)?,
                Ok(part) => {
                    let rest = |cursor: String| path_of(draw, &asked.by, &value, &cursor);
                    next = part.next.map_or_else(String::new, rest);
                    found = Some(part.items);
                }
            },
        }
    }
    let draws = app.service.view().all_draws();
    let draws = draws.map(|it| (it.id.0, it.terms.name.to_string(), chosen == Some(it.id)));
    let mut draws: Vec<_> = draws.collect();
    draws.reverse();
    let p = Shell::of(&user, outcome.notice);
    Ok(show_as(outcome.status, &SearchPage { p, draws, by_number, value, found, next }))
}

fn sought(by_number: bool, value: &str, cursor: Option<String>) -> Option<Sought> {
    if by_number {
        value.parse().ok().map(|number| Sought::by(None, Some(number), cursor))
    } else {
        Some(Sought::by(Some(value.to_owned()), None, cursor))
    }
}

/// Where the search goes on.
fn path_of(draw: DrawId, by: &str, value: &str, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::from("/search?"));
    query.append_pair("draw", &draw.to_string()).append_pair("by", by);
    query.append_pair("value", value).append_pair("cursor", cursor).finish()
}
