//! Brings an idle central to a turn: a thread of its own hears of what others append, and asks now
//! and then in case it does not hear. It also shows the others that this central lives.

use std::convert::Infallible;
use std::thread::{self, JoinHandle};

use tokio_util::sync::CancellationToken;

use crate::error::StoreError;
use crate::limits::{BEAT_TIME, WATCH_TIME};
use crate::log::Watched;
use crate::rows::signed;
use crate::session::{AskError, Session, runtime};

/// Runs in a turn of the engine what others have appended.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The thread that watches a store. Dropping it ends the thread, and lets the log end that waits for
/// its database: what it was storing is then not known.
pub struct Watch {
    ending: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts watching; `wake` is called when others have appended, and must not block.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(watched: Watched, wake: Wake) -> Result<Self, StoreError> {
        let ending = watched.ending.clone();
        let runtime = runtime()?;
        let watching = async move {
            loop {
                // The next turn finds the same, and reports it.
                let _ = watch(&watched, &wake).await;
                wake();
                tokio::time::sleep(WATCH_TIME).await;
            }
        };
        let ends = ending.clone();
        let watching = move || runtime.block_on(ends.run_until_cancelled(watching));
        let thread = thread::Builder::new().name("store-watch".to_owned()).spawn(move || {
            watching();
        });
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

async fn watch(watched: &Watched, wake: &Wake) -> Result<Infallible, AskError> {
    let connected = watched.store.connect_to_read().await;
    let mut session = connected.map_err(|error| AskError::Lost(error.to_string()))?;
    // A beat that is lost is followed by another: nobody waits for a standby to have it.
    let begin = "SET synchronous_commit = off; LISTEN bolillero";
    session.ask(async |client| client.batch_execute(begin).await).await?;
    let mut beats_due_in = 0;
    loop {
        let events = "SELECT events FROM ledger";
        let row = session.ask(async |client| client.query_one(events, &[]).await).await?;
        let events: i64 = row.try_get(0)?;
        if events != signed(watched.durable.tip().sequence) {
            wake();
        }
        if beats_due_in == 0 {
            beat(&mut session, watched.node).await?;
            beats_due_in = BEAT_TIME.as_millis() / WATCH_TIME.as_millis();
        }
        beats_due_in -= 1;
        session.hear(WATCH_TIME).await?;
    }
}

async fn beat(session: &mut Session, node: i32) -> Result<(), AskError> {
    let beat = "UPDATE node SET beat_at = clock_timestamp() WHERE id = $1";
    session.ask(async |client| client.execute(beat, &[&node]).await).await.map(drop)
}
