//! What all pages have in common.

use std::borrow::Cow;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use lottery::text::shown_lines;
use operators::{Permission, Role};

use super::language::Locale;
use super::visitor::CurrentUser;
use crate::access::caller::Credential;

/// The frame around a page's content.
pub(super) struct Shell {
    pub(super) l: Locale,
    pub(super) who: Option<SignedIn>,
    pub(super) csrf: String,
    pub(super) path: String,
    pub(super) notice: Option<Notice>,
    pub(super) may_run: bool,
    pub(super) may_agencies: bool,
    pub(super) may_export: bool,
    role: Option<Role>,
    /// Whether other centrals share the store.
    has_nodes: bool,
}

/// The logged-in user.
pub(super) struct SignedIn {
    pub(super) name: String,
    pub(super) role: &'static str,
}

/// A message about an action that was just done or rejected.
pub(super) struct Notice {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// A section of the console, in the navigation.
pub(super) struct NavItem {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    pub(super) is_here: bool,
}

impl Shell {
    pub(super) fn of(user: &CurrentUser, notice: Option<Notice>) -> Self {
        let (l, role) = (user.language, user.who.role);
        let who = match &user.who.by {
            Credential::Session(_) => (user.who.name.to_string(), role_name(role, l)),
            Credential::Token { label, .. } => (label.clone(), l.t("pantalla", "screen")),
        };
        Self {
            l,
            who: Some(SignedIn { name: who.0, role: who.1 }),
            csrf: user.csrf.clone(),
            path: user.path.clone(),
            notice,
            may_run: Permission::RunDraws.is_held_by(role),
            may_agencies: Permission::ManageAgencies.is_held_by(role),
            may_export: Permission::Export.is_held_by(role),
            role: Some(role),
            has_nodes: user.has_nodes,
        }
    }

    /// Returns the frame for a visitor who is not logged in.
    pub(super) fn of_nobody(l: Locale, path: &str, notice: Option<Notice>) -> Self {
        Self {
            l,
            who: None,
            csrf: String::new(),
            path: path.to_owned(),
            notice,
            may_run: false,
            may_agencies: false,
            may_export: false,
            role: None,
            has_nodes: false,
        }
    }

    /// Returns whether the page is a wall screen's, which leads nowhere else.
    pub(super) fn is_screen(&self) -> bool {
        self.csrf.is_empty()
    }

    /// Returns the sections that the user may open.
    pub(super) fn places(&self) -> Vec<NavItem> {
        use Permission as P;
        let l = self.l;
        let all = [
            ("/", l.t("Tablero", "Board"), P::ViewBoard),
            ("/draws", l.t("Sorteos", "Draws"), P::ViewBoard),
            ("/agencies", l.t("Agencias", "Agencies"), P::ViewBoard),
            ("/nodes", l.t("Centrales", "Centrals"), P::ViewBoard),
            ("/search", l.t("Buscar", "Search"), P::SearchBets),
            ("/audit", l.t("Auditoría", "Audit"), P::ReadAudit),
            ("/operators", l.t("Operadores", "Operators"), P::ManageOperators),
        ];
        let section = self.path.split(['?', '#']).next().unwrap_or("/");
        let all = all.into_iter().filter(|it| it.0 != "/nodes" || self.has_nodes);
        let open = all.filter(|it| self.role.is_some_and(|role| it.2.is_held_by(role)));
        open.map(|(path, name, _)| {
            let below = section.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
            NavItem { path, name, is_here: section == path || (path != "/" && below) }
        })
        .collect()
    }
}

impl Notice {
    pub(super) fn good(text: impl Into<String>) -> Self {
        Self { kind: "good", text: text.into() }
    }

    pub(super) fn warn(text: impl Into<String>) -> Self {
        Self { kind: "warn", text: text.into() }
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self { kind: "bad", text: text.into() }
    }
}

/// Renders a page.
pub(super) fn show(page: &impl Template) -> Response {
    show_as(StatusCode::OK, page)
}

/// Renders a page, with a status.
pub(super) fn show_as(status: StatusCode, page: &impl Template) -> Response {
    (status, Html(rendered(page))).into_response()
}

/// Renders a page or a part of one. Invisible characters in names, reasons or bets are escaped, so
/// that they can be seen.
pub(super) fn rendered(page: &impl Template) -> String {
    let text = page.render().expect("it is written to memory, and its parts can all be shown");
    match shown_lines(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => shown,
    }
}

/// Returns the name of a role, in the user's language.
pub(super) fn role_name(role: Role, l: Locale) -> &'static str {
    match role {
        Role::Viewer => l.t("observador", "viewer"),
        Role::Operator => l.t("operador", "operator"),
        Role::Auditor => l.t("auditor", "auditor"),
        Role::Admin => l.t("administrador", "admin"),
        Role::Standby => l.t("reserva", "standby"),
    }
}
