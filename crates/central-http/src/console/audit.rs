//! The audit log page.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use lottery::{
    ACTIONS, AuditFilter, AuditSpan, DrawId, Event, Label, StoredEvent, View, action_named,
};
use operators::Permission;
use serde::Deserialize;

use super::language::Locale;
use super::shell::{Shell, show};
use super::text;
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::AUDIT_SHOWN_MAX;
use crate::usecases::app::App;
use crate::usecases::audit::find;
use crate::web::input::InQuery;

/// The filter, as it is typed, and the position in the list.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AuditQuery {
    by: String,
    action: String,
    draw: String,
    from: String,
    to: String,
    /// Events before this one are shown.
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    p: Shell,
    asked: AuditQuery,
    actions: Vec<ActionChoice>,
    /// What is wrong with the filter.
    error: &'static str,
    events: Vec<AuditRow>,
    /// The paths of the next page and of the file.
    next: Option<String>,
    file: String,
}

/// A kind of events to choose.
struct ActionChoice {
    value: &'static str,
    name: &'static str,
    is_chosen: bool,
}

struct AuditRow {
    sequence: String,
    at: String,
    who: String,
    what: String,
    why: String,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/audit", get(page))
}

async fn page(
    State(app): State<App>,
    user: CurrentUser,
    InQuery(asked): InQuery<AuditQuery>,
) -> Result<Response, Refusal> {
    user.must(Permission::ReadAudit)?;
    let l = user.language;
    let actions = ACTIONS.into_iter().map(|value| ActionChoice {
        value,
        name: text::action(value, l),
        is_chosen: value == asked.action,
    });
    let mut page = AuditPage {
        p: Shell::of(&user, None),
        actions: actions.collect(),
        error: "",
        events: Vec::new(),
        next: None,
        file: String::new(),
        asked,
    };
    match page.asked.filter(l) {
        Err(error) => page.error = error,
        Ok(filter) => {
            page.file = file_path(&filter);
            let span = AuditSpan::Before(page.asked.before.unwrap_or(u64::MAX));
            let found = find(&app, &user.who, filter, span, AUDIT_SHOWN_MAX).await?;
            let view = app.service.view();
            page.events = found.events.iter().map(|it| AuditRow::of(view, it, l)).collect();
            page.next = found.next.map(|before| page.asked.path_before(before));
        }
    }
    Ok(show(&page))
}

impl AuditQuery {
    /// Reads the filter. Days are whole days of the lottery's zone.
    fn filter(&self, l: Locale) -> Result<AuditFilter, &'static str> {
        let wrong_name =
            || l.t("El nombre del operador no es válido.", "The operator's name is not valid.");
        let wrong_kind =
            || l.t("El tipo de movimiento no existe.", "There is no such kind of event.");
        let wrong_draw =
            || l.t("El sorteo se indica con su número.", "A draw is given by its number.");
        let wrong_day = || l.t("El día se escribe AAAA-MM-DD.", "A day is written YYYY-MM-DD.");
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let by = given(&self.by).map(Label::new).transpose().map_err(|_| wrong_name())?;
        let action = given(&self.action).map(|it| action_named(&it).ok_or_else(wrong_kind));
        let draw = given(&self.draw).map(|it| it.parse().map(DrawId));
        let day =
            |text: &str| given(text).map(|it| l.read_day(&it).ok_or_else(wrong_day)).transpose();
        Ok(AuditFilter {
            by,
            action: action.transpose()?,
            draw: draw.transpose().map_err(|_| wrong_draw())?,
            since: day(&self.from)?.map(|day| day.start),
            until: day(&self.to)?.map(|day| day.end),
        })
    }

    fn path_before(&self, before: u64) -> String {
        let mut query = query_of("/audit?");
        let typed = [
            ("by", &self.by),
            ("action", &self.action),
            ("draw", &self.draw),
            ("from", &self.from),
            ("to", &self.to),
        ];
        query.extend_pairs(typed.into_iter().filter(|(_, value)| !value.is_empty()));
        query.append_pair("before", &before.to_string()).finish()
    }
}

fn query_of(path: &str) -> form_urlencoded::Serializer<'static, String> {
    form_urlencoded::Serializer::for_suffix(path.to_owned(), path.len())
}

/// Returns the path of the file of all events that the filter takes.
fn file_path(filter: &AuditFilter) -> String {
    let AuditFilter { by, action, draw, since, until } = filter;
    let wanted = [
        ("by", by.as_ref().map(ToString::to_string)),
        ("action", action.map(str::to_owned)),
        ("draw", draw.map(|draw| draw.to_string())),
        ("since", since.map(|since| since.to_string())),
        ("until", until.map(|until| until.to_string())),
    ];
    let mut query = query_of("/api/v1/audit.csv?");
    let wanted = wanted.into_iter().filter_map(|(name, value)| value.map(|it| (name, it)));
    query.extend_pairs(wanted).finish()
}

impl AuditRow {
    fn of(view: &View, stored: &StoredEvent, l: Locale) -> Self {
        let shown = |(draw, number)| {
            let status = view.draw(draw).filter(|status| status.tells_entries_of(stored.at))?;
            Some(super::view::digits(number, &status.terms))
        };
        let number = stored.event.entered().and_then(shown);
        let (who, what) = text::event(&stored.event, l);
        let what = number.map_or_else(|| what.clone(), |number| format!("{what}: {number}"));
        let why = match &stored.event {
            Event::Acted(recorded) => recorded.why.to_string(),
            _ => String::new(),
        };
        Self { sequence: l.n(stored.sequence), at: l.time(stored.at), who, what, why }
    }
}
