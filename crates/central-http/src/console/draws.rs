//! The page of all draws, and the form to announce one.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use lottery::{DrawId, Reason};
use operators::Permission;

use super::draw;
use super::form::{Form, FormOutcome, done};
use super::pagination::{PageQuery, Pagination};
use super::posted::Posted;
use super::shell::{Shell, show_as};
use super::terms::{self, TermsForm};
use super::view::DrawView;
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::ITEMS_SHOWN_MAX;
use crate::usecases::app::App;
use crate::usecases::draws::{announce, pending};
use crate::web::input::InQuery;

#[derive(Template)]
#[template(path = "draws.html")]
struct List {
    p: Shell,
    draws: Vec<DrawView>,
    part: Option<Pagination>,
    terms: TermsForm,
    /// Whether the form was filled in before.
    is_typed: bool,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/draws", get(list).post(announced))
}

async fn list(
    State(app): State<App>,
    user: CurrentUser,
    InQuery(PageQuery { page }): InQuery<PageQuery>,
    uri: Uri,
) -> Response {
    let outcome = FormOutcome { form: Form::of_query(&uri), ..FormOutcome::default() };
    list_with(&app, &user, page, outcome)
}

/// Announces a draw.
async fn announced(
    State(app): State<App>,
    Posted(user, mut form): Posted,
) -> Result<Response, Refusal> {
    user.must(Permission::RunDraws)?;
    let l = user.language;
    let outcome = match terms::read(&mut form, None, l) {
        None => FormOutcome::marked(form, l),
        Some((terms, schedule)) => {
            match announce(&app, &user.who, Reason::default(), terms, schedule).await {
                Ok(draw) => return Ok(done(&app, &format!("/draws/{draw}"))),
                Err(refusal) => draw::refused(refusal, form, l)?,
            }
        }
    };
    Ok(list_with(&app, &user, None, outcome))
}

fn list_with(app: &App, user: &CurrentUser, page: Option<usize>, outcome: FormOutcome) -> Response {
    let FormOutcome { status, notice, form } = outcome;
    let (view, l) = (app.service.view(), user.language);
    let pending = pending(app);
    let count = view.draw_count();
    let (places, part) = Pagination::of(count, page, ITEMS_SHOWN_MAX, "/draws?page=", l);
    // What is over comes last, the newest first; the newest draws have the highest numbers.
    let mut waiting: Vec<_> = pending.iter().map(|draw| draw.id).collect();
    waiting.sort_unstable();
    let ids = (1..=u32::try_from(count).unwrap_or(u32::MAX)).rev().map(DrawId);
    let over = ids.filter(|id| waiting.binary_search(id).is_err());
    let over = over.skip(places.start.saturating_sub(pending.len()));
    let over = over.filter_map(|id| view.draw(id));
    let shown = pending.iter().skip(places.start).cloned().chain(over).take(places.len());
    let draws = shown.map(|draw| DrawView::of(&draw, l)).collect();
    let (p, is_typed) = (Shell::of(user, notice), !form.is_empty());
    let terms = TermsForm::new(form, l);
    show_as(status, &List { p, draws, part, terms, is_typed })
}
