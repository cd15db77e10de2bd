//! SQLite within this process: one thread writes, and joins all batches that wait into one
//! transaction before it acknowledges each of them.

use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context as _, bail};
use parking_lot::Mutex;

use super::{Started, Store, batches_of};
use crate::batches::{Batch, Batches};
use crate::setting::Setting;
use crate::speech::{Connection, Reply, Speech, Stream};

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

struct Sqlite {
    /// Held by the writer for a transaction at a time.
    connection: Arc<Mutex<rusqlite::Connection>>,
    queue: Sender<Waiting>,
    batches: Rc<Batches>,
}

/// The texts of a bet, and its number.
type Bet = (Vec<String>, u32);

/// A batch in the writer's queue, and where it is told once it is durable: a byte [`DURABLE`], or
/// why it is not.
struct Waiting {
    agency: u32,
    chunk: u32,
    batch: usize,
    told: Arc<UnixStream>,
}

const DURABLE: u8 = 0;

/// Batches as entries of the queue; acknowledgements come over a pair of sockets.
struct Queue {
    batches: Rc<Batches>,
    queue: Sender<Waiting>,
    told: Arc<UnixStream>,
}

pub(super) fn start(setting: &Setting, _: u32) -> anyhow::Result<Option<Started>> {
    let connection = rusqlite::Connection::open(setting.path("bets.sqlite"))?;
    for setting in SETTINGS {
        connection.execute_batch(&format!("PRAGMA {setting}"))?;
    }
    connection.execute_batch(TABLE)?;
    let connection = Arc::new(Mutex::new(connection));
    let (queue, waiting) = channel();
    let of_writer = Arc::clone(&connection);
    let batches: Vec<_> = setting.typical.iter().map(bets_of).collect();
    std::thread::spawn(move || write(&waiting, &of_writer, &batches));
    let about = format!(
        "SQLite {}, in the process that makes the load; {}; a row a bet; one writer joins all that \
         waits into a transaction; wal_checkpoint between measurements",
        rusqlite::version(),
        SETTINGS.join(", ")
    );
    let batches = Rc::clone(&setting.typical);
    let store = Box::new(Sqlite { connection, queue, batches });
    Ok(Some(Started { name: "SQLite", about, store }))
}

/// Bets as they are stored: texts, and the number.
fn bets_of(batch: &Batch) -> Vec<Bet> {
    let bet = |bet: &str| {
        let (texts, number) = bet.rsplit_once('|').unwrap_or_default();
        let number = number.parse().expect("the number of a generated bet is one");
        (texts.split('|').map(str::to_owned).collect(), number)
    };
    batch.text.split('&').map(bet).collect()
}

/// Writes until nobody is left to send batches.
fn write(
    queue: &Receiver<Waiting>,
    connection: &Mutex<rusqlite::Connection>,
    batches: &[Vec<Bet>],
) {
    while let Ok(first) = queue.recv() {
        let group: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
        let stored = store(&mut connection.lock(), &group, batches);
        let told = stored.map_or_else(|error| error.to_string().into_bytes(), |()| vec![DURABLE]);
        for waiting in group {
            // Who no longer listens has failed already, and said so.
            let _ = (&*waiting.told).write_all(&told);
        }
    }
}

fn store(
    connection: &mut rusqlite::Connection,
    group: &[Waiting],
    batches: &[Vec<Bet>],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for waiting in group {
        let bets = &batches[waiting.batch];
        let mut insert = transaction.prepare_cached(&insert_of(bets.len()))?;
        insert.raw_bind_parameter(1, waiting.agency)?;
        insert.raw_bind_parameter(2, waiting.chunk)?;
        for (first, (texts, number)) in (3..).step_by(5).zip(bets) {
            for (at, text) in (first..).zip(texts) {
                insert.raw_bind_parameter(at, text)?;
            }
            insert.raw_bind_parameter(first + 4, number)?;
        }
        insert.raw_execute()?;
    }
    transaction.commit()
}

/// All rows of a batch in one statement; the agency and the chunk are the same in all of them.
fn insert_of(rows: usize) -> String {
    format!("INSERT INTO bets VALUES {}", vec!["(?1, ?2, ?, ?, ?, ?, ?)"; rows].join(", "))
}

impl Store for Sqlite {
    fn connect(&mut self, _: u32) -> anyhow::Result<Connection> {
        let (stream, told) = UnixStream::pair()?;
        let (batches, queue) = (Rc::clone(&self.batches), self.queue.clone());
        let speech = Rc::new(Queue { batches, queue, told: Arc::new(told) });
        Ok(Connection { stream: Box::new(stream), speech })
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        Ok(self.connection.lock().execute_batch("PRAGMA wal_checkpoint(RESTART)")?)
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        let sql = "SELECT CAST(count(*) AS TEXT) FROM bets";
        let bets: String = self.connection.lock().query_row(sql, [], |row| row.get(0))?;
        batches_of(&bets)
    }
}

impl Speech for Queue {
    fn add(&self, _: &mut Vec<u8>, agency: u32, chunk: u32) -> anyhow::Result<()> {
        let (batch, told) = (self.batches.index(agency, chunk), Arc::clone(&self.told));
        let waiting = Waiting { agency, chunk, batch, told };
        self.queue.send(waiting).ok().context("the writer has ended")
    }

    fn reply(&self, received: &[u8], _: Option<u32>) -> anyhow::Result<Option<Reply>> {
        match received.first() {
            None => Ok(None),
            Some(&DURABLE) => Ok(Some(Reply { len: 1, acknowledges: true })),
            Some(_) => bail!("SQLite refused: {}", String::from_utf8_lossy(received)),
        }
    }
}

impl Stream for UnixStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}
