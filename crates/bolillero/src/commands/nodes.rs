//! Joins the centrals that share a store: what this one tells the others of its agencies, and what
//! it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use central::limits::CONNECTIONS_TOLD_MAX;
use central::{Connected, Node, Presence};
use engine::Engine;
use ledger_postgres::{Shown, Watcher};
use lottery::{AgencyId, DrawName, Timestamp};
use serde::{Deserialize, Serialize};

/// A central beside others.
pub(super) struct Neighbour {
    engine: Weak<Engine>,
    /// Whether the engine was asked for a turn that it has not taken.
    is_asked: Arc<AtomicBool>,
    /// The connections here, once the central is open.
    presence: OnceLock<Arc<Presence>>,
}

/// What is told of last messages is in steps: what has not changed is not written again.
const TOLD_STEP_MS: u64 = 10_000;

/// A connection as centrals tell it to each other. A newer program may tell more.
#[derive(Serialize, Deserialize)]
struct Told {
    id: u64,
    peer: SocketAddr,
    certified: bool,
    agency: Option<u32>,
    vouched: bool,
    draw: Option<String>,
    since_ms: u64,
    last_message_ms: u64,
}

impl Neighbour {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        let engine = Arc::downgrade(engine);
        Self { engine, is_asked: Arc::default(), presence: OnceLock::new() }
    }

    /// Begins to tell who is connected.
    pub(super) fn tell_of(&self, presence: Arc<Presence>) {
        self.presence.get_or_init(|| presence);
    }
}

impl Watcher for Neighbour {
    fn wake(&self) {
        if let Some(engine) = self.engine.upgrade()
            && !self.is_asked.swap(true, Ordering::Relaxed)
        {
            let asked = Arc::clone(&self.is_asked);
            engine.keep_time(move |_| asked.store(false, Ordering::Relaxed));
        }
    }

    fn shown(&self) -> Shown {
        let connected = self.presence.get().map(|it| it.snapshot()).unwrap_or_default();
        let told = connected.iter().take(CONNECTIONS_TOLD_MAX).map(Told::of);
        let presence = serde_json::to_string(&told.collect::<Vec<_>>());
        let presence = presence.expect("its keys are text");
        Shown { connections: connected.len() as u64, presence }
    }

    fn see(&self, nodes: Result<Vec<ledger_postgres::Node>, String>) {
        if let Some(presence) = self.presence.get() {
            presence.see(nodes.map(|nodes| nodes.into_iter().map(node).collect()));
        }
    }
}

fn node(node: ledger_postgres::Node) -> Node {
    // Its clock may be wrong: nothing happened after it told it.
    let at = |ms: u64| {
        let by_the_database = ms.saturating_add_signed(node.clock_ahead_ms.saturating_neg());
        Timestamp(by_the_database).min(node.beat_at)
    };
    let connected = |told: Told| {
        let Told { id, peer, certified, agency, vouched, draw, since_ms, last_message_ms } = told;
        let draw = draw.as_deref().and_then(DrawName::stored);
        let (agency, since) = (agency.map(AgencyId), at(since_ms));
        let last_message = at(last_message_ms);
        Connected { id, peer, certified, agency, vouched, draw, since, last_message }
    };
    // What another program tells may be unknown here: then how many there are is all that is known.
    let told: Vec<Told> = serde_json::from_str(&node.shown.presence).unwrap_or_default();
    Node {
        id: node.id,
        name: node.name,
        is_this: node.is_this,
        is_away: node.is_away,
        started_at: node.started_at,
        heard_at: node.beat_at,
        clock_ahead_ms: node.clock_ahead_ms,
        host: node.host,
        timeline: node.timeline,
        connections: node.shown.connections,
        connected: told.into_iter().take(CONNECTIONS_TOLD_MAX).map(connected).collect(),
    }
}

impl Told {
    fn of(connected: &Connected) -> Self {
        Self {
            id: connected.id,
            peer: connected.peer,
            certified: connected.certified,
            agency: connected.agency.map(|agency| agency.0),
            vouched: connected.vouched,
            draw: connected.draw.as_ref().map(DrawName::to_string),
            since_ms: connected.since.0,
            last_message_ms: connected.last_message.0 / TOLD_STEP_MS * TOLD_STEP_MS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_connection_is_what_another_central_knows() {
        let connected = Connected {
            id: 7,
            peer: "[::1]:4000".parse().unwrap(),
            certified: true,
            agency: Some(AgencyId(u32::MAX)),
            vouched: true,
            draw: DrawName::new("nocturna \"ñ\"").ok(),
            since: Timestamp(15_000),
            last_message: Timestamp(20_000),
        };
        let told = serde_json::to_string(&[Told::of(&connected)]).unwrap();
        let shown = Shown { connections: 1, presence: told };
        let told = ledger_postgres::Node {
            id: 2,
            name: "central-2".to_owned(),
            is_this: false,
            is_away: false,
            started_at: Timestamp(3),
            beat_at: Timestamp(24_000),
            clock_ahead_ms: 0,
            host: "db1:5432".to_owned(),
            timeline: 6,
            shown,
        };
        assert_eq!(node(told.clone()).connected, [connected]);
        for (clock_ahead_ms, expected) in [(3_000, 12_000), (-9_000, 24_000), (i64::MIN, 24_000)] {
            let told = ledger_postgres::Node { clock_ahead_ms, ..told.clone() };
            assert_eq!(node(told).connected[0].since, Timestamp(expected));
        }
        for unknown in ["", "{}", "[{\"id\":1}]", "[1]"] {
            let shown = Shown { connections: 1, presence: unknown.to_owned() };
            let unknown = node(ledger_postgres::Node { shown, ..told.clone() });
            assert_eq!((unknown.connections, unknown.connected.len()), (1, 0));
        }
    }
}
