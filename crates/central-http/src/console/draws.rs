//! The page of all draws, and the form to announce one.

use std::cmp::Reverse;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use jiff::civil::Date;
use lottery::{DrawId, DrawStatus, Reason};
use operators::Permission;

use super::draw;
use super::form::{Form, FormOutcome, done, told};
use super::language::Locale;
use super::pagination::{PageQuery, Pagination};
use super::posted::Posted;
use super::shell::{Notice, Shell, show_as};
use super::terms::{self, TermsForm};
use super::view::DrawView;
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::ITEMS_SHOWN_MAX;
use crate::usecases::app::App;
use crate::usecases::dated_name::day_of;
use crate::usecases::draws::{LifeState, announce, pending};
use crate::web::input::InQuery;

#[derive(Template)]
#[template(path = "draws.html")]
struct List {
    p: Shell,
    sections: Vec<SectionView>,
    part: Option<Pagination>,
    terms: TermsForm,
    /// Whether the form was filled in before.
    is_typed: bool,
}

/// A part of the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    /// Open, closed or drawn.
    UnderWay,
    /// Announced for a day.
    Announced(Option<Date>),
    /// Published or cancelled, of a day.
    Over(Reverse<Option<Date>>),
}

struct SectionView {
    title: String,
    /// The day that can be repeated; empty if it can't.
    day: String,
    draws: Vec<DrawView>,
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
    let l = user.language;
    let notice =
        user.is_done.then(|| Notice::good(l.t("Sorteos programados.", "Draws announced.")));
    let outcome = FormOutcome { form: Form::of_query(&uri), notice, ..FormOutcome::default() };
    told(&app, &user, list_with(&app, &user, page, outcome))
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
    let today = l.date(app.service.now());
    let sections = SectionView::all(shown.collect(), today, l);
    let (p, is_typed) = (Shell::of(user, notice), !form.is_empty());
    let terms = TermsForm::new(form, l);
    show_as(status, &List { p, sections, part, terms, is_typed })
}

impl Section {
    fn of(draw: &DrawStatus, l: Locale) -> Self {
        let day = day_of(draw, l.zone);
        match LifeState::of(draw) {
            LifeState::Open | LifeState::Closed | LifeState::Drawn => Self::UnderWay,
            LifeState::Announced => Self::Announced(day),
            LifeState::Published | LifeState::Cancelled => Self::Over(Reverse(day)),
        }
    }

    fn day(self) -> Option<Date> {
        match self {
            Self::UnderWay => None,
            Self::Announced(day) | Self::Over(Reverse(day)) => day,
        }
    }

    fn title(self, today: Option<Date>, l: Locale) -> String {
        let day = self.day().map_or_else(String::new, |day| l.day(day));
        let is_today = self.day().is_some() && self.day() == today;
        let day = if is_today { format!("{}, {day}", l.t("hoy", "today")) } else { day };
        match self {
            Self::UnderWay => l.t("En curso", "Under way").to_owned(),
            Self::Announced(_) => format!("{} {day}", l.t("Programados:", "Announced:")),
            Self::Over(_) => format!("{} {day}", l.t("Terminados:", "Over:")),
        }
    }
}

impl SectionView {
    /// Returns the sections of these draws, which are in order of urgency.
    fn all(mut draws: Vec<DrawStatus>, today: Option<Date>, l: Locale) -> Vec<Self> {
        draws.sort_by_key(|draw| Section::of(draw, l));
        let sections = draws.chunk_by(|one, next| Section::of(one, l) == Section::of(next, l));
        let sections = sections.filter_map(|draws| {
            let section = Section::of(draws.first()?, l);
            // Times of draws under way have no date if it is today.
            let shown_day = section.day().or(today);
            Some(Self {
                title: section.title(today, l),
                day: section.day().map_or_else(String::new, |day| day.to_string()),
                draws: draws.iter().map(|it| DrawView::of_day(it, shown_day, l)).collect(),
            })
        });
        sections.collect()
    }
}
