//! What centrals that share a store know of each other, as plain values.

use std::net::SocketAddr;

use lottery::{AgencyId, DrawName, Timestamp};

/// A snapshot of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its number in this run of its central; a later connection has a greater one.
    pub id: u64,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Whether a certificate identifies its agency.
    pub certified: bool,
    /// The agency of its last message, or of its certificate.
    pub agency: Option<AgencyId>,
    /// Whether that agency is more than a claim: by a certificate, or in a draw of its.
    pub vouched: bool,
    /// The draw of its first message.
    pub draw: Option<DrawName>,
    /// When it was accepted.
    pub since: Timestamp,
    /// When its last whole message arrived, or it was accepted.
    pub last_message: Timestamp,
}

/// The centrals that share a store, this one among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// Each run of a central, by number.
    pub all: Vec<Node>,
    /// When they were seen.
    pub seen_at: Timestamp,
    /// Why they can't be seen since then, if so.
    pub unseen: Option<String>,
}

/// A run of a central on a shared store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number: a later run has a greater one.
    pub id: u32,
    /// Its name, which others may have too.
    pub name: String,
    /// Whether it is this one.
    pub is_this: bool,
    /// Whether it has not shown for a while that it lives.
    pub is_away: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last showed that it lives.
    pub heard_at: Timestamp,
    /// By how much its clock was ahead of the database's then.
    pub clock_ahead_ms: i64,
    /// The server that it writes to, and that server's timeline.
    pub host: String,
    /// See [`Node::host`].
    pub timeline: u32,
    /// How many connections it had.
    pub connections: u64,
    /// Those connections, as many as it tells; none for this one, whose presence knows better.
    pub connected: Vec<Connected>,
}

impl Nodes {
    /// Returns the one of this number.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<&Node> {
        self.all.iter().find(|node| node.id == id)
    }

    /// The number of this central, if it was seen.
    pub(super) fn this(&self) -> Option<u32> {
        self.all.iter().find(|node| node.is_this).map(|node| node.id)
    }

    /// Those whose agencies are connected, as far as is known.
    pub(super) fn others(&self) -> impl Iterator<Item = &Node> + Clone {
        self.all.iter().filter(|node| !node.is_this && !node.is_away)
    }
}
