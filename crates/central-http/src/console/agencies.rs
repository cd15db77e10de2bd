//! The agencies page: registration, permission to bet, and connections.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use central::Change;
use lottery::{AgencyId, Label, Reason, Registration, TextError};
use operators::Permission;

use super::form::{Form, FormOutcome, done, told};
use super::language::Locale;
use super::pagination::{PageQuery, Pagination};
use super::posted::Posted;
use super::refusal;
use super::shell::{Notice, Shell, show_as};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::ITEMS_SHOWN_MAX;
use crate::usecases::agencies;
use crate::usecases::app::App;
use crate::web::input::InQuery;

#[derive(Template)]
#[template(path = "agencies.html")]
struct AgenciesPage {
    p: Shell,
    agencies: Vec<AgenciesRow>,
    part: Option<Pagination>,
    /// The path that its forms are sent to.
    here: String,
    form: Form,
    /// The registered agency that the form changes; none: it registers a new one.
    changed: Option<Arc<Registration>>,
}

struct AgenciesRow {
    number: u32,
    name: String,
    place: String,
    enabled: bool,
    connections: String,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/agencies", get(page).post(register))
}

async fn page(
    State(app): State<App>,
    user: CurrentUser,
    InQuery(asked): InQuery<PageQuery>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let notice =
        user.is_done.then(|| Notice::good(user.language.t("Agencia guardada.", "Agency saved.")));
    let outcome = FormOutcome { form: Form::of_query(&uri), notice, ..FormOutcome::default() };
    let page = page_with(&app, &user, &asked, outcome);
    Ok(told(&app, &user, page))
}

async fn register(
    State(app): State<App>,
    InQuery(asked): InQuery<PageQuery>,
    Posted(user, form): Posted,
) -> Result<Response, Refusal> {
    user.must(Permission::ManageAgencies)?;
    let l = user.language;
    let mut form = form;
    let outcome = match change(&form, l) {
        Ok((agency, change, why)) => match question(&app, agency, &change, &form, l) {
            Some(question) => {
                let notice = Some(Notice::warn(question));
                form.set("sure", "yes");
                FormOutcome { status: StatusCode::CONFLICT, notice, form }
            }
            None => match agencies::change(&app, &user.who, why, agency, change).await {
                Ok(_) => return Ok(done(&app, &here(&asked))),
                Err(refusal) => FormOutcome::of(Err(refusal), form, l)?,
            },
        },
        Err(why) => FormOutcome::wrong(&why, form),
    };
    Ok(page_with(&app, &user, &asked, outcome))
}

/// Returns the question to be confirmed before a registered agency gets another name or place.
fn question(
    app: &App,
    agency: AgencyId,
    change: &Change,
    form: &Form,
    l: Locale,
) -> Option<String> {
    let Change::Describe { name, place } = change else { return None };
    let known = app.service.view().registration(agency)?;
    let is_same = known.name == *name && known.place == *place;
    (!is_same && form.get("sure").is_empty()).then(|| {
        let (exists, change) = (l.t("ya existe", "exists"), l.t("¿Cambiarla?", "Change it?"));
        let it = l.t("La agencia", "Agency");
        format!("{it} {agency} {exists}: {}, {}. {change}", known.name, known.place)
    })
}

/// Parses the change that a form asks for; returns an error message if it is invalid.
fn change(form: &Form, l: Locale) -> Result<(AgencyId, Change, Reason), String> {
    let label = |name, what, what_in_english| {
        let wrong = |error| match error {
            TextError::Label(it) | TextError::Reason(it) => {
                refusal::text(what, what_in_english, it, l)
            }
        };
        Label::new(form.get(name)).map_err(wrong)
    };
    let number = form.get("agency").parse().map_err(|_| {
        l.t("El número de la agencia no se entiende.", "The agency's number can't be understood.")
    })?;
    let change = match form.get("enabled") {
        "yes" => Change::Enable(true),
        "no" => Change::Enable(false),
        _ => Change::Describe {
            name: label("name", "el nombre", "the name")?,
            place: label("place", "el lugar", "the place")?,
        },
    };
    let why = Reason::new(form.get("why")).map_err(|error| refusal::reason(error, l))?;
    Ok((AgencyId(number), change, why))
}

fn here(asked: &PageQuery) -> String {
    asked.page.map_or_else(|| "/agencies".to_owned(), |it| format!("/agencies?page={it}"))
}

fn page_with(app: &App, user: &CurrentUser, asked: &PageQuery, outcome: FormOutcome) -> Response {
    let FormOutcome { status, notice, mut form } = outcome;
    let (view, l) = (app.service.view(), user.language);
    let count = view.registered_count();
    let (places, part) = Pagination::of(count, asked.page, ITEMS_SHOWN_MAX, "/agencies?page=", l);
    let connected = app.service.presence().by_agency();
    let registered = view.registrations_behind(places.start, places.len());
    let rows = registered.iter().map(|it| {
        let connections = connected.get(&it.agency).map_or(0, |it| it.connections);
        AgenciesRow {
            number: it.agency.0,
            name: it.name.to_string(),
            place: it.place.to_string(),
            enabled: it.enabled,
            connections: l.n(connections as u64),
        }
    });
    let agencies = rows.collect();
    let described = form.get("agency").parse().ok().filter(|_| form.get("enabled").is_empty());
    let changed = described.and_then(|agency| view.registration(AgencyId(agency)));
    if let Some(known) = &changed {
        if form.get("name").is_empty() {
            // The form shows what is registered, and so asks by itself.
            form.set("sure", "yes");
        }
        form.or_set("name", known.name.as_str());
        form.or_set("place", known.place.as_str());
    }
    let (p, here) = (Shell::of(user, notice), here(asked));
    show_as(status, &AgenciesPage { p, agencies, part, here, form, changed })
}
