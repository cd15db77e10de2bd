//! Connections beside that of the turns, each used by one thread at a time.
//!
//! A server is used only if it has the last event that this central knows to be durable: one that was
//! the primary before a promotion, and still answers, does not have it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{LedgerId, Tip};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use tokio_util::sync::CancellationToken;

use crate::limits::{QUERY_TIME_MAX, READING_TIME_MAX, RECONNECT_TIME};
use crate::rows::signed;
use crate::session::{Session, now, runtime};
use crate::store::{Durable, Store};

const ENDS: &str = "the central ends";

/// A few connections, kept for later use.
pub(crate) struct Connections {
    store: Arc<Store>,
    durable: Durable,
    /// Cancelled when the central ends: nothing is waited for any more.
    ending: CancellationToken,
    count_max: usize,
    kept: Mutex<Kept>,
    returned: Condvar,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Connection>,
    in_use: usize,
    /// When no server could be used, and why: nobody tries again at once.
    away: Option<(Instant, String)>,
}

/// A connection, and what drives it.
pub(crate) struct Connection {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    session: Session,
    ending: CancellationToken,
}

impl Connections {
    /// At most `count_max`; whoever needs one more waits.
    pub(crate) fn new(
        count_max: usize,
        store: Arc<Store>,
        durable: Durable,
        ending: CancellationToken,
    ) -> Self {
        let (kept, returned) = (Mutex::default(), Condvar::new());
        Self { store, durable, ending, count_max, kept, returned }
    }

    /// The ledger's id.
    pub(crate) fn ledger(&self) -> LedgerId {
        self.store.id()
    }

    /// Uses a connection to a server that has all that was durable before; keeps it if `work`
    /// succeeds.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, String>,
    ) -> Result<T, String> {
        self.with_all_before(self.durable.tip(), work)
    }

    /// As [`Connections::with`], of a server that has everything before a position.
    pub(crate) fn with_all_before<T>(
        &self,
        end: Tip,
        work: impl FnOnce(&mut Connection) -> Result<T, String>,
    ) -> Result<T, String> {
        let (idle, _place) = self.enter()?;
        // A connection that was idle may have ended, or its server been left behind, as for the
        // other ones.
        let idle = idle.and_then(|mut connection| match connection.expect_to_have(end) {
            Ok(()) => Some(connection),
            Err(_) => {
                self.kept.lock().idle.clear();
                None
            }
        });
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect(end).inspect_err(|why| {
                self.kept.lock().away = Some((now(), why.clone()));
            })?,
        };
        let done = work(&mut connection)?;
        let mut kept = self.kept.lock();
        kept.away = None;
        kept.idle.push(connection);
        Ok(done)
    }

    fn enter(&self) -> Result<(Option<Connection>, Place<'_>), String> {
        let mut kept = self.kept.lock();
        loop {
            let away = kept.away.as_ref().filter(|(since, _)| {
                kept.idle.is_empty() && now().saturating_duration_since(*since) < RECONNECT_TIME
            });
            let why = away.map(|(_, why)| why.clone());
            let why = why.or(self.ending.is_cancelled().then(|| ENDS.to_owned()));
            if let Some(why) = why {
                // The next one that waits learns of it too.
                self.returned.notify_one();
                return Err(why);
            }
            if kept.in_use < self.count_max {
                break;
            }
            self.returned.wait(&mut kept);
        }
        kept.in_use += 1;
        Ok((kept.idle.pop(), Place(self)))
    }

    fn connect(&self, durable: Tip) -> Result<Connection, String> {
        let runtime = runtime().map_err(|error| error.to_string())?;
        let connecting = self.ending.run_until_cancelled(self.store.connect_to_read());
        let session = runtime.block_on(connecting).ok_or(ENDS)?;
        let session = session.map_err(|error| error.to_string())?;
        let (runtime, ending) = (Some(runtime), self.ending.clone());
        let mut connection = Connection { runtime, session, ending };
        connection.expect_to_have(durable)?;
        Ok(connection)
    }
}

/// A connection's place, free again when it is dropped.
struct Place<'a>(&'a Connections);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.kept.lock().in_use -= 1;
        self.0.returned.notify_one();
    }
}

impl Connection {
    /// Checks that the server has everything before a position.
    fn expect_to_have(&mut self, end: Tip) -> Result<(), String> {
        let Some(last) = end.sequence.checked_sub(1) else { return Ok(()) };
        let found = self.query("SELECT chain FROM event WHERE sequence = $1", &[&signed(last)])?;
        let chain = found.first().map(|row| row.try_get::<_, &[u8]>(0));
        match chain.transpose().map_err(|error| error.to_string())? {
            Some(chain) if chain == end.chain.0 => Ok(()),
            _ => {
                Err(format!("the server that answers does not have event {last} as it was stored"))
            }
        }
    }

    /// Runs a query that is answered at once.
    pub(crate) fn query(
        &mut self,
        query: &str,
        of: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, String> {
        self.query_within(QUERY_TIME_MAX, query, of)
    }

    /// Runs a query for a page of a long reading.
    pub(crate) fn page(
        &mut self,
        query: &str,
        of: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, String> {
        self.query_within(READING_TIME_MAX, query, of)
    }

    fn query_within(
        &mut self,
        time_max: Duration,
        query: &str,
        of: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, String> {
        let asked = self.drive(async |session| {
            session.ask_within(time_max, async |client| client.query(query, of).await).await
        });
        asked?.map_err(|error| error.to_string())
    }

    /// Asks something of the server.
    pub(crate) fn ask<T>(
        &mut self,
        asking: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, String> {
        let asked = self.drive(async |session| {
            session.take_notices();
            let answer = session.ask(asking).await.map_err(|error| error.to_string())?;
            // A warning with a commit: it may be lost.
            let notices = session.take_notices();
            notices.first().map_or(Ok(answer), |notice| Err(notice.message().to_owned()))
        });
        asked?
    }

    /// Drives something that uses the session.
    pub(crate) fn drive<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Session) -> T,
    ) -> Result<T, String> {
        let Self { runtime, session, ending } = self;
        let runtime = runtime.as_ref().expect("it is taken only when it is dropped");
        let done = runtime.block_on(ending.run_until_cancelled(work(session)));
        done.ok_or_else(|| ENDS.to_owned())
    }
}

impl Drop for Connection {
    /// Whoever drops it last may be a task, which must not wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
