//! The centrals that share a store.

use central::{Node, Nodes};
use serde::Serialize;
use utoipa::ToSchema;

use crate::usecases::app::State;

/// What is known of a run of a central.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NodeState {
    /// It is the one that answers.
    This,
    /// It lives.
    Alive,
    /// It has not shown for 10 seconds that it lives.
    Away,
    /// It was alive when this central last saw the others, which it can't now.
    Unknown,
}

impl NodeState {
    pub(crate) const ALL: [Self; 4] = [Self::This, Self::Alive, Self::Away, Self::Unknown];

    pub(crate) fn of(node: &Node, nodes: &Nodes) -> Self {
        match node {
            Node { is_this: true, .. } => Self::This,
            Node { is_away: true, .. } => Self::Away,
            _ if nodes.unseen.is_some() => Self::Unknown,
            _ => Self::Alive,
        }
    }

    /// Returns the state in one word, for programs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::This => "this",
            Self::Alive => "alive",
            Self::Away => "away",
            Self::Unknown => "unknown",
        }
    }
}

/// Returns how many connections of agencies a central has, or had when it was last heard.
pub(crate) fn connections(app: &State, node: &Node) -> u64 {
    if node.is_this { app.service.presence().snapshot().len() as u64 } else { node.connections }
}
