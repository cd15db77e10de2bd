//! The fields of a form, and its outcome.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::language::Locale;
use super::refusal;
use super::shell::Notice;
use super::visitor::CurrentUser;
use crate::access::identify::set_done_cookie;
use crate::access::refusal::Refusal;
use crate::usecases::app::App;
use crate::web::input::read;
use crate::web::problem::Problem;

/// The fields of a form, and what is wrong with them.
#[derive(Clone, Default)]
pub(super) struct Form {
    fields: BTreeMap<String, String>,
    errors: BTreeMap<&'static str, String>,
}

/// The fields that a form still has after the session ended: no passwords, no numbers that were
/// entered, no confirmations.
const KEPT_FIELDS: [&str; 15] = [
    "step",
    "name",
    "place",
    "role",
    "agency",
    "agencies",
    "number_min",
    "number_max",
    "opens_at",
    "closes_at",
    "day",
    "first",
    "last",
    "label",
    "why",
];

/// How the names of more such fields begin: ticks of days and of draws.
const KEPT_PREFIXES: [&str; 2] = [WEEKDAY, TICK];

/// Begins the names of the ticks of weekdays, and is that of the field that a form with them has.
pub(super) const WEEKDAY: &str = "weekday";

/// Begins the names of the ticks of draws.
pub(super) const TICK: &str = "tick-";

/// The outcome of a form, for the page that it was on.
#[derive(Default)]
pub(super) struct FormOutcome {
    pub(super) status: StatusCode,
    pub(super) notice: Option<Notice>,
    /// The values that the form shows again.
    pub(super) form: Form,
}

impl Form {
    /// Parses the fields of a body.
    pub(super) async fn read(body: Body) -> Result<Self, Problem> {
        Ok(Self::parsed(&read(body).await?))
    }

    /// Parses what the user typed before their session ended.
    pub(super) fn of_query(uri: &Uri) -> Self {
        let mut form = Self::parsed(uri.query().unwrap_or_default().as_bytes());
        form.fields.retain(|name, _| is_kept(name));
        form
    }

    fn parsed(text: &[u8]) -> Self {
        let fields = form_urlencoded::parse(text).into_owned().collect();
        Self { fields, errors: BTreeMap::new() }
    }

    /// Returns what the user typed, as the query of a path.
    pub(super) fn kept(&self) -> String {
        let kept = self.filled("").filter(|name| is_kept(name)).map(|name| (name, self.get(name)));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }

    /// Returns whether it has no fields.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Sets a field.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.fields.insert(name.to_owned(), value.to_owned());
    }

    /// Sets a field that is missing.
    pub(super) fn or_set(&mut self, name: &str, value: impl Into<String>) {
        self.fields.entry(name.to_owned()).or_insert_with(|| value.into());
    }

    /// Says what is wrong with a field.
    pub(super) fn mark(&mut self, name: &'static str, why: impl Into<String>) {
        self.errors.insert(name, why.into());
    }

    /// Returns what is wrong with a field; empty if nothing is.
    pub(super) fn error(&self, name: &str) -> &str {
        self.errors.get(name).map_or("", String::as_str)
    }

    /// Returns a field without surrounding white space; empty if it is missing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.trim())
    }

    /// Returns the names of the fields that are filled in and begin with this prefix.
    pub(super) fn filled(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let names = self.fields.keys().filter(|name| !self.get(name).is_empty());
        names.map(String::as_str).filter(move |name| name.starts_with(prefix))
    }

    /// Returns a field exactly as it was typed; empty if it is missing.
    pub(super) fn secret(&self, name: &str) -> String {
        self.fields.get(name).cloned().unwrap_or_default()
    }
}

fn is_kept(name: &str) -> bool {
    KEPT_FIELDS.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl FormOutcome {
    /// Returns the outcome: a notice with the text on success, or with the refusal's reason.
    ///
    /// # Errors
    /// The refusal itself, if its status is 401 or 403: the page is not shown again then.
    pub(super) fn of(done: Result<&str, Refusal>, form: Form, l: Locale) -> Result<Self, Refusal> {
        let refusal = match done {
            Ok(text) => {
                return Ok(Self { notice: Some(Notice::good(text)), ..Self::default() });
            }
            Err(refusal) => refusal,
        };
        match refusal.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refusal),
            status => {
                let notice = Some(Notice::bad(refusal::why(&refusal, l)));
                Ok(Self { status, notice, form })
            }
        }
    }

    /// Returns the outcome of a form with invalid fields.
    pub(super) fn wrong(text: &str, form: Form) -> Self {
        Self { status: StatusCode::BAD_REQUEST, notice: Some(Notice::bad(text)), form }
    }

    /// Returns the outcome of a form that the user did not confirm.
    pub(super) fn unconfirmed(form: Form, l: Locale) -> Self {
        Self::wrong(l.t("Falta confirmar.", "It was not confirmed."), form)
    }

    /// Returns the outcome of a form that says beside its fields what is wrong with them.
    pub(super) fn marked(form: Form, l: Locale) -> Self {
        let text = l.t(
            "No se hizo. Revise los campos marcados.",
            "It was not done. Check the marked fields.",
        );
        Self::wrong(text, form)
    }
}

/// Redirects to a page that says once what was done.
pub(super) fn done(app: &App, path: &str) -> Response {
    let cookie = set_done_cookie(&app.access, true);
    ([(header::SET_COOKIE, cookie)], Redirect::to(path)).into_response()
}

/// Returns the page that said what was done: it does not say so again.
pub(super) fn told(app: &App, user: &CurrentUser, mut page: Response) -> Response {
    if user.is_done {
        let cookie = set_done_cookie(&app.access, false);
        page.headers_mut().append(header::SET_COOKIE, cookie);
    }
    page
}
