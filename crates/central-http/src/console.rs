//! The console: pages for operators, made here, in Spanish and English.
//!
//! ```text
//! user       who looks, in which language; forms that were filled in here
//! frame         what all pages have in common
//! entrance      log in, log out, choose a language
//! board         the live board
//! draws         draws: the list, the steps of one, its record
//! winners       who won: the agencies of a draw, the winners of one
//! agencies, people, audit log, search
//!               the other pages, one each
//! refusal       what is refused: in the reader's language, and as a page
//! part          long lists in parts
//! view          a draw as pages show it
//! words         what the domain says, in both languages
//! language      texts, numbers and times
//! assets        the style sheet, the script, the icon
//! ```
//!
//! Pages work without the script, which only keeps the board up to date. Every form carries the
//! session's other secret.
//!
//! Deliberately absent: any rule. What may be done, and when, the domain and the roles say.

mod agencies;
mod assets;
mod audit;
mod board;
mod current_user;
mod draws;
mod language;
mod login;
mod operators;
mod pagination;
mod refusal;
mod search;
mod shell;
mod text;
mod view;
mod winners;

use axum::Router;
use axum::routing::{get, post};

pub(super) use board::EVENTS_PATH;
pub(super) use refusal::Reader;

use crate::state::App;

/// All pages.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(board::page))
        .route(EVENTS_PATH, get(board::events))
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/language/{code}", get(login::choose_language))
        .route("/draws", get(draws::list).post(draws::announce))
        .route("/draws/{id}", get(draws::page))
        .route("/draws/{id}/winners", get(winners::agencies))
        .route("/draws/{id}/winners/{agency}", get(winners::of_agency))
        .route("/draws/{id}/{step}", get(draws::record).post(draws::step))
        .route("/agencies", get(agencies::page).post(agencies::register))
        .route("/audit", get(audit::page))
        .route("/search", get(search::page))
        .route("/operators", get(operators::page).post(operators::add))
        .route("/operators/{name}/{change}", post(operators::change))
        .route("/console.css", get(assets::style))
        .route("/console.js", get(assets::script))
        .route("/console.svg", get(assets::icon))
}
