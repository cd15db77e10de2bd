//! The console: pages for operators, made here, in Spanish and English. One file a page, each with
//! its own router.
//!
//! ```text
//! login, board, draws, winners, agencies, search, audit, operators
//!               the pages
//! refusal       what is refused: in the reader's language, and as a page
//! form          forms that were filled in here, and what comes of them
//! shell         what all pages have in common
//! visitor       who reads a page, in which language
//! view          a draw as pages show it
//! pagination    long lists in parts
//! text          what the domain says, in both languages
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
mod draws;
mod form;
mod language;
mod login;
mod operators;
mod pagination;
pub(crate) mod refusal;
mod search;
mod shell;
mod text;
mod view;
pub(crate) mod visitor;
mod winners;

use axum::Router;

pub(crate) use board::EVENTS_PATH;

use crate::usecases::app::App;

/// All pages.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .merge(board::router())
        .merge(login::router())
        .merge(draws::router())
        .merge(winners::router())
        .merge(agencies::router())
        .merge(audit::router())
        .merge(search::router())
        .merge(operators::router())
        .merge(assets::router())
}
