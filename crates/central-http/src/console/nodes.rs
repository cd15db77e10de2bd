//! The page of the centrals that share a store.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use central::{Node, Nodes};

use super::language::Locale;
use super::shell::{Notice, Shell, show};
use super::text;
use super::visitor::CurrentUser;
use crate::usecases::app::{App, State as Central};
use crate::usecases::nodes::{NodeState, connections};

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    p: Shell,
    /// Why the others can't be seen; empty if they can. For experts, in English.
    unseen: String,
    nodes: Vec<NodesRow>,
}

struct NodesRow {
    id: u32,
    name: String,
    state: &'static str,
    class: &'static str,
    heard_at: String,
    started_at: String,
    host: String,
    timeline: String,
    clock: String,
    connections: String,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/nodes", get(page))
}

async fn page(State(app): State<App>, user: CurrentUser) -> Response {
    let (nodes, l) = (app.service.presence().nodes(), user.language);
    let unseen = nodes.as_ref().and_then(|nodes| nodes.unseen.clone());
    let told = nodes.as_ref().filter(|_| unseen.is_some());
    let notice = told.map(|nodes| Notice::bad(text::nodes_unseen(nodes, l)));
    let rows = nodes.iter().flat_map(|nodes| nodes.all.iter().map(|it| (it, &**nodes)));
    let nodes = rows.map(|(node, nodes)| NodesRow::of(&app, node, nodes, l)).collect();
    show(&NodesPage { p: Shell::of(&user, notice), unseen: unseen.unwrap_or_default(), nodes })
}

impl NodesRow {
    fn of(app: &Central, node: &Node, nodes: &Nodes, l: Locale) -> Self {
        let (state, class) = match NodeState::of(node, nodes) {
            NodeState::This => (l.t("esta", "this one"), "open"),
            NodeState::Alive => (l.t("viva", "alive"), "open"),
            NodeState::Away => (l.t("ausente", "away"), "closed"),
            NodeState::Unknown => (l.t("no se sabe", "unknown"), "drawn"),
        };
        let ahead = node.clock_ahead_ms;
        let sign = if ahead < 0 { "−" } else { "+" };
        Self {
            id: node.id,
            name: node.name.clone(),
            state,
            class,
            heard_at: l.time(node.heard_at),
            started_at: l.time(node.started_at),
            host: node.host.clone(),
            timeline: l.n(node.timeline),
            clock: format!("{sign}{} ms", l.n(ahead.unsigned_abs())),
            connections: l.n(connections(app, node)),
        }
    }
}
