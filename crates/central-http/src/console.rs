//! The web console: server-rendered pages for operators, in Spanish and English. One file per page,
//! each with its own router.
//!
//! ```text
//! login, start, board, draws, repeat, draw, acta, winners, agencies, nodes, search, audit,
//! operators, account  the pages
//! refusal       refusals in the user's language, and as a page
//! posted        forms that a logged-in user submits
//! form          the fields of a form, and its outcome
//! shell         what all pages have in common
//! visitor       the user of a page, and their language
//! view          a draw as pages show it
//! chart         bets per minute
//! terms         the form of a draw's terms and schedule
//! pagination    long lists in pages
//! text          domain values in both languages
//! language      texts, numbers and times
//! assets        the style sheet, the script, the icon
//! ```
//!
//! Invariants:
//! - pages work without the script, which only keeps the board up to date;
//! - every form carries the session's CSRF token.
//!
//! Deliberately absent: business rules. The domain and the roles define what is allowed, and when.

mod account;
mod acta;
mod agencies;
mod assets;
mod audit;
mod board;
mod chart;
mod draw;
mod draws;
mod form;
mod language;
mod login;
mod nodes;
mod operators;
mod pagination;
mod posted;
pub(crate) mod refusal;
mod repeat;
mod search;
mod shell;
mod start;
mod terms;
mod text;
mod view;
pub(crate) mod visitor;
mod winners;

use axum::Router;

pub(crate) use board::EVENTS_PATH;

use crate::usecases::app::App;

/// Builds the router of all pages.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .merge(board::router())
        .merge(login::router())
        .merge(start::router())
        .merge(draws::router())
        .merge(repeat::router())
        .merge(draw::router())
        .merge(acta::router())
        .merge(winners::router())
        .merge(agencies::router())
        .merge(nodes::router())
        .merge(audit::router())
        .merge(search::router())
        .merge(operators::router())
        .merge(account::router())
        .merge(assets::router())
}
