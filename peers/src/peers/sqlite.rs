//! SQLite within this process: one thread writes, and joins all batches that wait into one
//! transaction before it acknowledges each of them.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::batches::{BATCH_BETS, Batch};
use crate::line::{Line, Waiting};
use crate::peer::{About, Peer, batches_of};

const SETTINGS: &[&str] = &[
    "page_size = 16384",
    "locking_mode = EXCLUSIVE",
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 0",
    "cache_size = -262144",
];

const TABLE: &str = "CREATE TABLE bets (agency INTEGER, chunk INTEGER, first_name TEXT, \
                     last_name TEXT, document TEXT, birthdate TEXT, number INTEGER)";

pub(super) struct Sqlite {
    about: About,
    /// Held by the writer for a transaction at a time.
    connection: Arc<Mutex<Connection>>,
    queue: Sender<Waiting>,
}

pub(super) fn start(batches: &Arc<Vec<Batch>>, folder: &Path) -> anyhow::Result<Sqlite> {
    let connection = Connection::open(folder.join("bets.sqlite"))?;
    for setting in SETTINGS {
        connection.execute_batch(&format!("PRAGMA {setting}"))?;
    }
    connection.execute_batch(TABLE)?;
    let connection = Arc::new(Mutex::new(connection));
    let (queue, waiting) = channel();
    let (of_writer, batches) = (Arc::clone(&connection), Arc::clone(batches));
    std::thread::spawn(move || write(&waiting, &of_writer, &batches));
    let about = About {
        name: "SQLite",
        version: format!("SQLite {}, in the process that makes the load", rusqlite::version()),
        settings: format!(
            "{}; one writer joins all that waits into a transaction; wal_checkpoint after each \
             slice, outside of the clock",
            SETTINGS.join(", ")
        ),
    };
    Ok(Sqlite { about, connection, queue })
}

/// Writes until nobody is left to send batches.
fn write(queue: &Receiver<Waiting>, connection: &Mutex<Connection>, batches: &[Batch]) {
    while let Ok(first) = queue.recv() {
        let group: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
        let stored = store(&mut held(connection), &group, batches);
        let done = stored.map_err(|error| error.to_string());
        for waiting in group {
            // Who no longer listens has failed already, and said so.
            let _ = waiting.done.send(done.clone());
        }
    }
}

fn store(
    connection: &mut Connection,
    group: &[Waiting],
    batches: &[Batch],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare_cached(&insert_of(BATCH_BETS))?;
    for waiting in group {
        let batch = &batches[waiting.chunk as usize % batches.len()];
        insert.raw_bind_parameter(1, waiting.agency)?;
        insert.raw_bind_parameter(2, waiting.chunk)?;
        for (first, bet) in (3..).step_by(5).zip(&batch.bets) {
            insert.raw_bind_parameter(first, &bet.first_name)?;
            insert.raw_bind_parameter(first + 1, &bet.last_name)?;
            insert.raw_bind_parameter(first + 2, &bet.document)?;
            insert.raw_bind_parameter(first + 3, &bet.birthdate)?;
            insert.raw_bind_parameter(first + 4, bet.number)?;
        }
        insert.raw_execute()?;
    }
    drop(insert);
    transaction.commit()
}

/// All rows of a batch in one statement; the agency and the chunk are the same in all of them.
fn insert_of(rows: usize) -> String {
    format!("INSERT INTO bets VALUES {}", vec!["(?1, ?2, ?, ?, ?, ?, ?)"; rows].join(", "))
}

fn held(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer for Sqlite {
    fn about(&self) -> &About {
        &self.about
    }

    fn connect(&mut self, agency: u32) -> anyhow::Result<Line> {
        Ok(Line::queue(agency, self.queue.clone()))
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        Ok(held(&self.connection).execute_batch("PRAGMA wal_checkpoint(RESTART)")?)
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        let sql = "SELECT CAST(count(*) AS TEXT) FROM bets";
        let bets: String = held(&self.connection).query_row(sql, [], |row| row.get(0))?;
        batches_of(&bets)
    }
}
