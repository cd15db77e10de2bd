//! Brings an idle central to a turn: a thread of its own hears of what others append, and asks now
//! and then in case it does not hear. It also has the centrals see each other.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::StoreError;
use crate::limits::{BEAT_TIME, WATCH_TIME};
use crate::log::Watched;
use crate::nodes::{Node, Nodes, Shown, leave};
use crate::rows::signed;
use crate::session::{AskError, Session, runtime};

/// A central that watches its store. None of its methods may block.
pub trait Watcher: Send + Sync {
    /// Runs in a turn of the engine what others have appended.
    fn wake(&self);

    /// Returns what the others are to see.
    fn shown(&self) -> Shown;

    /// Receives the centrals of the store, every few seconds, or why they can't be seen.
    fn see(&self, nodes: Result<Vec<Node>, String>);
}

/// Nobody: it shows nothing, and looks at nothing.
impl Watcher for () {
    fn wake(&self) {}

    fn shown(&self) -> Shown {
        Shown { connections: 0, presence: "[]".to_owned() }
    }

    fn see(&self, _: Result<Vec<Node>, String>) {}
}

/// The thread that watches a store. Dropping it ends the thread, and lets the log end that waits for
/// its database: what it was storing is then not known.
pub struct Watch {
    ending: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts watching.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(watched: Watched, watcher: Arc<dyn Watcher>) -> Result<Self, StoreError> {
        let ending = watched.ending.clone();
        let runtime = runtime()?;
        let ends = ending.clone();
        let watching = async move {
            let mut session = None;
            let watching = async {
                loop {
                    let Err(error) = watch(&watched, &*watcher, &mut session).await;
                    session = None;
                    watcher.see(Err(error.to_string()));
                    // The next turn finds the same, and reports it.
                    watcher.wake();
                    tokio::time::sleep(WATCH_TIME).await;
                }
            };
            let _: Option<Infallible> = ends.run_until_cancelled(watching).await;
            if let Some(session) = &mut session {
                leave(session, watched.node).await;
            }
        };
        let watching = move || runtime.block_on(watching);
        let thread = thread::Builder::new().name("store-watch".to_owned()).spawn(watching);
        let thread = thread.map_err(|error| StoreError::Away(format!("starting: {error}")))?;
        Ok(Self { ending, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ending.cancel();
        if let Some(thread) = self.thread.take() {
            // It returns nothing.
            let _ = thread.join();
        }
    }
}

/// Watches on a new session, which is left in `session`.
async fn watch(
    watched: &Watched,
    watcher: &dyn Watcher,
    session: &mut Option<Session>,
) -> Result<Infallible, AskError> {
    let connected = watched.store.connect_to_read().await;
    let connected = connected.map_err(|error| AskError::Lost(error.to_string()))?;
    let session = session.insert(connected);
    // A beat that is lost is followed by another: nobody waits for a standby to have it.
    let begin = "SET synchronous_commit = off; LISTEN bolillero";
    session.ask(async |client| client.batch_execute(begin).await).await?;
    let mut nodes = Nodes::prepared(session).await?;
    let timeline = watched.store.state().timeline;
    let mut next_beat = Instant::now();
    loop {
        if watched.store.state().timeline > timeline {
            // This one would go on to answer, and nobody looks at it any more.
            return Err(AskError::Lost("another server was promoted".to_owned()));
        }
        let events = "SELECT events FROM ledger";
        let row = session.ask(async |client| client.query_one(events, &[]).await).await?;
        let events: i64 = row.try_get(0)?;
        if events != signed(watched.durable.tip().sequence) {
            watcher.wake();
        }
        if Instant::now() >= next_beat {
            watcher.see(Ok(nodes.beat(session, watched, watcher.shown()).await?));
            next_beat = Instant::now() + BEAT_TIME;
        }
        session.hear(WATCH_TIME).await?;
    }
}
