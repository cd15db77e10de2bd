//! The centrals that share a store, as they see each other: a row each, which its central renews.
//!
//! Whether a central is away is judged by the database's clock alone. A row is renewed without
//! waiting for a standby: one that is lost is followed by another.

use futures_util::future::join3;
use lottery::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use crate::limits::{AWAY_TIME, FORGET_TIME, LEAVE_TIME_MAX, NODES_MAX};
use crate::log::Watched;
use crate::rows::signed;
use crate::session::{AskError, Session};

/// A run of a central.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number: a later run has a greater one.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// Whether it has not shown for a while that it lives.
    pub is_away: bool,
    /// When it began, by the database's clock as all times of it.
    pub started_at: Timestamp,
    /// When it last showed that it lives.
    pub beat_at: Timestamp,
    /// By how much its clock was ahead of the database's then.
    pub clock_ahead_ms: i64,
    /// The server that it writes to, and that server's timeline.
    pub host: String,
    /// See [`Node::host`].
    pub timeline: u32,
    /// What it shows.
    pub shown: Shown,
}

/// What a central shows the others of its agencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// How many connections they have.
    pub connections: u64,
    /// JSON about them, which only centrals read; empty of the one that asks.
    pub presence: String,
}

const BEAT: &str = "\
INSERT INTO node (id, name, clock_ahead_ms, host, timeline, connections, presence) \
OVERRIDING SYSTEM VALUE \
VALUES ($1, $2, coalesce($3 - (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 0), $4, $5, \
  $6, $7::text::jsonb) \
ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at, \
  clock_ahead_ms = excluded.clock_ahead_ms, host = excluded.host, timeline = excluded.timeline, \
  connections = excluded.connections, presence = coalesce(excluded.presence, node.presence) \
RETURNING presence IS NULL";

/// Runs that are away for long, or that a later one of the same name follows.
const FORGET: &str = "\
DELETE FROM node AS old WHERE beat_at < clock_timestamp() - $1::bigint * interval '1 ms' \
  OR (beat_at < clock_timestamp() - $2::bigint * interval '1 ms' AND EXISTS \
    (SELECT FROM node AS later WHERE later.name = old.name AND later.id > old.id))";

/// All that have shown that they live; if there are too many, the latest.
const NODES: &str = "\
SELECT id, name, id = $1, beat_at < clock_timestamp() - $2::bigint * interval '1 ms', \
  (extract(epoch FROM started_at) * 1000)::bigint, (extract(epoch FROM beat_at) * 1000)::bigint, \
  clock_ahead_ms, host, timeline, connections, CASE WHEN id <> $1 THEN presence::text END \
FROM node WHERE beat_at > started_at OR id = $1 \
ORDER BY id = $1 DESC, beat_at DESC LIMIT $3";

const LEAVE: &str = "DELETE FROM node WHERE id = $1";

/// The statements of a session, and what it has written.
pub(crate) struct Nodes {
    beat: Statement,
    forget: Statement,
    nodes: Statement,
    /// What is known to be in this central's row.
    written: Option<String>,
}

impl Nodes {
    pub(crate) async fn prepared(session: &mut Session) -> Result<Self, AskError> {
        let prepared = session.ask(async |client| {
            let beat = client.prepare(BEAT).await?;
            let forget = client.prepare(FORGET).await?;
            Ok((beat, forget, client.prepare(NODES).await?))
        });
        let (beat, forget, nodes) = prepared.await?;
        Ok(Self { beat, forget, nodes, written: None })
    }

    /// Shows that this central lives, and returns all, by number.
    pub(crate) async fn beat(
        &mut self,
        session: &mut Session,
        watched: &Watched,
        shown: Shown,
    ) -> Result<Vec<Node>, AskError> {
        let now = watched.clock.as_ref().map(|clock| signed(clock.now().0));
        let state = watched.store.state();
        let Shown { connections, presence } = shown;
        let (connections, timeline) = (signed(connections), i64::from(state.timeline));
        let news = (self.written.as_ref() != Some(&presence)).then_some(&presence);
        let away = millis(AWAY_TIME);
        let asked = session.ask(async |client: &Client| {
            let beat: [&(dyn ToSql + Sync); 7] =
                [&watched.node, &watched.name, &now, &state.host, &timeline, &connections, &news];
            let (forget, nodes) = (millis(FORGET_TIME), watched.node);
            let forget: [&(dyn ToSql + Sync); 2] = [&forget, &away];
            let nodes: [&(dyn ToSql + Sync); 3] = [&nodes, &away, &NODES_MAX];
            let (beat, forgotten, nodes) = join3(
                client.query_one(&self.beat, &beat),
                client.execute(&self.forget, &forget),
                client.query(&self.nodes, &nodes),
            )
            .await;
            forgotten?;
            Ok((beat?, nodes?))
        });
        let (beat, nodes) = asked.await?;
        // It is, where the row was deleted meanwhile.
        let is_missing: bool = beat.try_get(0)?;
        self.written = (!is_missing).then_some(presence);
        let mut nodes = nodes.iter().map(Node::of).collect::<Result<Vec<_>, _>>()?;
        nodes.sort_by_key(|node| node.id);
        Ok(nodes)
    }
}

/// Tells the others that this central ends, if that can be done soon.
pub(crate) async fn leave(session: &mut Session, node: i32) {
    let leaving =
        session.ask_within(LEAVE_TIME_MAX, async |client| client.execute(LEAVE, &[&node]).await);
    // Without it, the others find it away.
    let _ = leaving.await;
}

impl Node {
    fn of(row: &Row) -> Result<Self, Error> {
        let presence: Option<String> = row.try_get(10)?;
        Ok(Self {
            id: row.try_get::<_, i32>(0)?.cast_unsigned(),
            name: row.try_get(1)?,
            is_this: row.try_get(2)?,
            is_away: row.try_get(3)?,
            started_at: Timestamp(unsigned(row.try_get(4)?)),
            beat_at: Timestamp(unsigned(row.try_get(5)?)),
            clock_ahead_ms: row.try_get(6)?,
            host: row.try_get(7)?,
            timeline: u32::try_from(row.try_get::<_, i64>(8)?).unwrap_or(0),
            shown: Shown {
                connections: unsigned(row.try_get(9)?),
                presence: presence.unwrap_or_default(),
            },
        })
    }
}

/// What is never negative, unless somebody wrote it by hand.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
