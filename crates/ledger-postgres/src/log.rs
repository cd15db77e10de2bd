//! The log of one central.
//!
//! A turn, [`Log::begin`] to [`Log::commit`], is one transaction that holds the row `ledger`. Every
//! error ends the connection, and with it the transaction; connecting again is cheap.
//!
//! What a commit's answer means:
//! - an error of the statement before it: nothing was stored;
//! - success, without a remark: every server that must have it, has it;
//! - anything else, or nothing in time: it is settled. On a new connection the end of the log is
//!   locked, which waits for the old session; the event is looked for; and a write of this
//!   central's own is committed, which returns only once everything before it is replicated.

use std::sync::Arc;

use engine::{Chain, Clock, Entry, Gone, LedgerId, Log, News, Reader, Recovered, Tip};
use futures_util::future::{join, join3};
use lottery::{Draws, Event, Timestamp};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use tokio_util::sync::CancellationToken;

use crate::connections::Connections;
use crate::error::StoreError;
use crate::limits::{
    CLOCK_SKEW_MAX, EVENTS_PAGE_MAX, GROUP_LEN_MAX, OPERATORS_CONNECTIONS_MAX, READING_TIME_MAX,
    READINGS_MAX, SETTLE_RETRY_TIME,
};
use crate::operators::{self, DocumentDigest, OperatorsTurn, SharedOperators};
use crate::primary::Primary;
use crate::reader::PostgresReader;
use crate::rows::{self, Columns, EVENT_COLUMNS, End, ReadEvent, signed};
use crate::session::{AskError, Session, runtime};
use crate::status::Status;
use crate::store::{Durable, Store};
use crate::target::Target;

/// How a log is opened.
pub struct Options {
    /// The name of this central, as others and people see it.
    pub name: String,
    /// Whether a server without a synchronous standby is refused.
    pub require_standby: bool,
    /// The clock of decisions, compared with the database's. `None` where time is made up.
    pub clock: Option<Arc<dyn Clock>>,
    /// Reports the store's state.
    pub status: Status,
}

impl Options {
    /// Those of a central whose time is made up, and whose store nobody watches.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let status = Status::new(|_, _| {});
        Self { name: name.to_owned(), require_standby: false, clock: None, status }
    }
}

/// The log of one central in a store that others share.
pub struct PostgresLog {
    /// Shared only so that it can be run while the log is changed.
    runtime: Arc<Runtime>,
    store: Arc<Store>,
    clock: Option<Arc<dyn Clock>>,
    /// This run's number in the table `node`, and its name there.
    node: i32,
    name: String,
    connected: Option<Connected>,
    /// The last position that this central knows.
    known: Tip,
    /// The end of what is durable as far as this central knows. Readers read up to it.
    durable: Durable,
    /// By which operators this turn's acts are judged.
    operators: Arc<OperatorsTurn>,
    /// Cancelled when the central ends: nothing is waited for any more.
    ending: CancellationToken,
}

/// What the thread that watches the store needs of a log.
pub struct Watched {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) durable: Durable,
    pub(crate) node: i32,
    pub(crate) name: String,
    pub(crate) ending: CancellationToken,
}

struct Connected {
    session: Session,
    end: Statement,
    news: Statement,
    store: Statement,
    replace: Statement,
    /// Whether a transaction holds the end of the log.
    in_turn: bool,
}

/// Why a turn stored nothing, or may have stored something.
enum Fault {
    /// Nothing was stored.
    NotStored(Gone),
    /// It may be stored.
    Unknown(String),
}

/// With the time in milliseconds since 1970 UTC, taken once the row is locked.
const END_LOCKED: &str = "\
WITH last AS MATERIALIZED (SELECT events, chain, operators FROM ledger FOR UPDATE) \
SELECT events, chain, operators, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM last";
const TOUCH: &str = "UPDATE ledger SET touched = touched + 1";

fn news_query() -> String {
    format!("SELECT {EVENT_COLUMNS} FROM event WHERE sequence >= $1 ORDER BY sequence LIMIT $2")
}

impl PostgresLog {
    /// Opens the log of a store. Blocks.
    ///
    /// # Errors
    /// When no server can be written to, or the store is not one that this program can use.
    pub fn open(target: &Target, options: Options) -> Result<Self, StoreError> {
        let Options { name, require_standby, clock, status } = options;
        let runtime = runtime()?;
        let (store, node) =
            runtime.block_on(Store::open(target.clone(), require_standby, status, &name))?;
        let known = Tip { sequence: 0, chain: Chain::first(store.id()), at: Timestamp(0) };
        Ok(Self {
            runtime: Arc::new(runtime),
            store: Arc::new(store),
            clock,
            node,
            name,
            connected: None,
            known,
            durable: Durable::at(known),
            operators: Arc::default(),
            ending: CancellationToken::new(),
        })
    }

    /// The ledger's id.
    #[must_use]
    pub fn id(&self) -> LedgerId {
        self.store.id()
    }

    /// Returns what a [`Watch`](crate::Watch) of this log needs.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            durable: self.durable.clone(),
            node: self.node,
            name: self.name.clone(),
            ending: self.ending.clone(),
        }
    }

    /// Returns the operators of the store.
    #[must_use]
    pub fn operators(&self) -> SharedOperators {
        let connections = self.connections(OPERATORS_CONNECTIONS_MAX);
        SharedOperators::new(connections, self.connections(1), Arc::clone(&self.operators))
    }

    fn connections(&self, count_max: usize) -> Connections {
        let (store, durable) = (Arc::clone(&self.store), self.durable.clone());
        Connections::new(count_max, store, durable, self.ending.clone())
    }

    /// Opens a turn, and returns the end of the log and the first page of events from `from` on.
    async fn open_turn(&mut self, from: i64) -> Result<(End, Vec<Row>), Gone> {
        let clock = self.clock.clone();
        let connected = self.connected().await?;
        let (end, news) = (connected.end.clone(), connected.news.clone());
        let asked = connected.session.ask(async |client| {
            let page: [&(dyn ToSql + Sync); 2] = [&from, &EVENTS_PAGE_MAX];
            let end = async {
                let row = client.query_one(&end, &[]).await;
                // Not after the news, which may be many.
                (row, clock.map(|clock| clock.now()))
            };
            let turn = join3(client.batch_execute("BEGIN"), end, client.query(&news, &page));
            let (begun, (end, now), news) = turn.await;
            begun?;
            Ok((end?, now, news?))
        });
        let (end, now, news) = asked.await.map_err(|error| gone(&error))?;
        connected.in_turn = true;
        if let Some(now) = now {
            self.compare_clocks(now, &end)?;
        }
        Ok((End::of(&end).map_err(Gone::Failed)?, news))
    }

    /// Refuses to go on while this central's clock and the database's differ.
    fn compare_clocks(&self, ours: Timestamp, end: &Row) -> Result<(), Gone> {
        let theirs: i64 = end.try_get(3).map_err(|error| Gone::Failed(error.to_string()))?;
        let ahead_ms = signed(ours.0) - theirs;
        if u128::from(ahead_ms.unsigned_abs()) <= CLOCK_SKEW_MAX.as_millis() {
            return Ok(());
        }
        self.store.is_away(format!(
            "the clock of this central is {} ms {} the database's, and it decides nothing until \
             they agree: set the clocks of both (NTP)",
            ahead_ms.unsigned_abs(),
            if ahead_ms > 0 { "ahead of" } else { "behind" },
        ));
        Err(Gone::Away)
    }

    async fn read_news(&mut self, news: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone> {
        self.operators.end();
        let (end, mut page) = self.open_turn(signed(self.known.sequence) - 1).await?;
        if self.known.sequence > 0 {
            if page.is_empty() || !self.is_last_known(&page[0])? {
                return Ok(News::OtherHistory);
            }
            page.remove(0);
        }
        loop {
            let is_last = self.known.sequence + page.len() as u64 >= end.events;
            for row in &page {
                let read = self.next_event(row)?;
                news(&read.stored.event, read.stored.at);
                self.known = tip_of(&read);
            }
            if is_last || page.is_empty() {
                break;
            }
            page = self.page_from(signed(self.known.sequence)).await?;
        }
        if (self.known.sequence, self.known.chain) != (end.events, end.chain) {
            return Err(Gone::Failed(format!(
                "the ledger has {} events, and the row that counts them says {}",
                self.known.sequence, end.events
            )));
        }
        self.operators.begin(self.known, end.operators);
        Ok(News::UpTo(self.known))
    }

    fn is_last_known(&self, row: &Row) -> Result<bool, Gone> {
        let read = ReadEvent::of(row).map_err(Gone::Failed)?;
        Ok((read.stored.sequence + 1, read.chain) == (self.known.sequence, self.known.chain))
    }

    fn next_event(&self, row: &Row) -> Result<ReadEvent, Gone> {
        let read = ReadEvent::of(row).map_err(Gone::Failed)?;
        if read.stored.sequence != self.known.sequence {
            return Err(Gone::Failed(format!("event {} is missing", self.known.sequence)));
        }
        read.continues(self.known.chain).map_err(Gone::Failed)?;
        Ok(read)
    }

    async fn page_from(&mut self, from: i64) -> Result<Vec<Row>, Gone> {
        let connected = self.connected().await?;
        let news = connected.news.clone();
        let asked = connected.session.ask_within(READING_TIME_MAX, async |client| {
            client.query(&news, &[&from, &EVENTS_PAGE_MAX]).await
        });
        asked.await.map_err(|error| gone(&error))
    }

    async fn replay_all(&mut self) -> Result<Recovered, Gone> {
        self.connected = None;
        let connected = self.connected().await?;
        let asked = connected.session.ask(async |client| {
            let begin = client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
            let (begun, end) = join(begin, client.query_one(rows::END, &[])).await;
            begun?;
            end
        });
        let end = asked.await.map_err(|error| gone(&error))?;
        let end = End::of(&end).map_err(Gone::Failed)?;
        self.known = Tip { sequence: 0, chain: Chain::first(self.store.id()), at: Timestamp(0) };
        let mut draws = Draws::default();
        while self.known.sequence < end.events {
            let page = self.page_from(signed(self.known.sequence)).await?;
            if page.is_empty() {
                break;
            }
            for row in &page {
                let read = self.next_event(row)?;
                let replayed = draws.replay(&read.stored.event, read.stored.at);
                replayed.map_err(|why| {
                    let sequence = read.stored.sequence;
                    Gone::Failed(format!("event {sequence} is one that the rules forbid: {why}"))
                })?;
                self.known = tip_of(&read);
            }
        }
        if (self.known.sequence, self.known.chain) != (end.events, end.chain) {
            return Err(Gone::Failed(format!(
                "the ledger has {} events, and the row that counts them says {}",
                self.known.sequence, end.events
            )));
        }
        // The next turn begins its own transaction.
        self.connected = None;
        Ok(Recovered { draws, tip: self.known })
    }

    async fn store(&mut self, group: &[Entry]) -> Result<(), Fault> {
        let judged_by = self.operators.digest();
        let operators = self.operators.take_changed_by(group);
        let operators = operators.map_err(|why| Fault::NotStored(Gone::Failed(why)))?;
        if !self.connected.as_ref().is_some_and(|it| it.in_turn) {
            let opened = self.open_turn_at_known(group.is_empty(), judged_by);
            opened.await.map_err(Fault::NotStored)?;
        }
        let (known, node) = (self.known, self.node);
        let connected = self.connected().await.map_err(Fault::NotStored)?;
        let (store, replace) = (connected.store.clone(), connected.replace.clone());
        connected.session.take_notices();
        connected.in_turn = false;
        let (stored, replaced, committed) = match group.last() {
            None => {
                let asked = connected.session.ask(async |client| {
                    let touched = client.execute(TOUCH, &[]);
                    let (touched, committed) = join(touched, client.batch_execute("COMMIT")).await;
                    Ok((touched, Ok(1), committed))
                });
                asked.await.map_err(unknown)?
            }
            Some(last) => {
                let columns = Columns::of(group);
                let (events, known_events) = (signed(last.sequence + 1), signed(known.sequence));
                let (chain, known_chain) = (&last.chain.0[..], &known.chain.0[..]);
                let is_heard = group.iter().any(|entry| entry.batch.is_none());
                let asked = connected.session.ask(async |client| {
                    let parameters =
                        columns.parameters([&events, &chain, &known_events, &known_chain, &node]);
                    let stored = client.execute(&store, &parameters);
                    let replaced = async {
                        let (Some(document), Some(before)) = (&operators, &judged_by) else {
                            return Ok(1);
                        };
                        let (before, after) = (&before[..], &document.digest[..]);
                        client.execute(&replace, &[&before, &after, &document.text]).await
                    };
                    let end = if is_heard { "NOTIFY bolillero; COMMIT" } else { "COMMIT" };
                    Ok(join3(stored, replaced, client.batch_execute(end)).await)
                });
                asked.await.map_err(unknown)?
            }
        };
        let failed = |error| match AskError::from(error) {
            // The transaction was given up with the statement.
            error @ AskError::Server(_) => Fault::NotStored(gone(&error)),
            error => unknown(error),
        };
        let (count, replaced) = (stored.map_err(failed)?, replaced.map_err(failed)?);
        if replaced != 1 {
            let why = "the operators changed while a turn held them";
            return Err(Fault::NotStored(Gone::Failed(why.to_owned())));
        }
        if count != group.len().max(1) as u64 {
            let why = format!("{count} of {} events were stored", group.len());
            return Err(Fault::NotStored(Gone::Failed(why)));
        }
        committed.map_err(|error| unknown(AskError::from(error)))?;
        match connected.session.take_notices().as_slice() {
            [] => Ok(()),
            [notice, ..] => Err(Fault::Unknown(notice.message().to_owned())),
        }
    }

    /// Opens a turn without reading: what is known must be the end, or for an empty group a part,
    /// and the operators those by which acts were judged.
    async fn open_turn_at_known(
        &mut self,
        is_empty: bool,
        judged_by: Option<DocumentDigest>,
    ) -> Result<(), Gone> {
        let (end, page) = self.open_turn(signed(self.known.sequence) - 1).await?;
        let is_end = (end.events, end.chain) == (self.known.sequence, self.known.chain)
            && judged_by.is_none_or(|judged_by| end.operators == judged_by);
        let is_part = || match page.first() {
            Some(row) if self.known.sequence > 0 => self.is_last_known(row),
            _ => Ok(self.known.sequence == 0),
        };
        if is_end || (is_empty && is_part()?) { Ok(()) } else { Err(Gone::Away) }
    }

    /// Finds out whether this central stored everything up to `wanted`, and makes that outcome
    /// durable.
    async fn settled(&mut self, wanted: Tip, is_empty: bool) -> Result<bool, Gone> {
        self.connected = None;
        let (known_by, last) = (self.node, signed(wanted.sequence) - 1);
        let connected = self.connected().await?;
        let asked = connected.session.ask(async |client| {
            let begin = client.batch_execute("BEGIN");
            let (begun, end) = join(begin, client.query_one(END_LOCKED, &[])).await;
            begun?;
            end?;
            let found = "SELECT chain, node FROM event WHERE sequence = $1";
            let found = client.query_opt(found, &[&last]).await?;
            client.execute(TOUCH, &[]).await?;
            Ok(found)
        });
        let found = asked.await.map_err(|error| gone(&error))?;
        let is_stored = match found {
            None => wanted.sequence == 0,
            Some(row) => {
                let of = |error: tokio_postgres::Error| Gone::Failed(error.to_string());
                let chain: &[u8] = row.try_get(0).map_err(of)?;
                let node: i32 = row.try_get(1).map_err(of)?;
                chain == wanted.chain.0 && (is_empty || node == known_by)
            }
        };
        connected.session.take_notices();
        let committed = connected.session.ask(async |client| client.batch_execute("COMMIT").await);
        committed.await.map_err(|error| gone(&error))?;
        match connected.session.take_notices().first() {
            None => Ok(is_stored),
            Some(notice) => {
                self.store.is_away(notice.message().to_owned());
                Err(Gone::Away)
            }
        }
    }

    /// Settles a commit, however long that takes, unless the central shuts down.
    fn settle(&mut self, wanted: Tip, is_empty: bool, why: String) -> Result<(), Gone> {
        self.store.is_away(why);
        let (runtime, ending) = (Arc::clone(&self.runtime), self.ending.clone());
        let settling = async {
            loop {
                match self.settled(wanted, is_empty).await {
                    Err(Gone::Away | Gone::Full(_)) => tokio::time::sleep(SETTLE_RETRY_TIME).await,
                    settled => return settled,
                }
            }
        };
        match runtime.block_on(ending.run_until_cancelled(settling)) {
            Some(Ok(true)) => {
                self.is_durable_up_to(wanted);
                Ok(())
            }
            Some(Ok(false)) => Err(Gone::Away),
            Some(Err(error)) => Err(error),
            None => {
                let why = "it was away when the central ended, and what was being stored may be \
                           stored or not";
                Err(Gone::Failed(why.to_owned()))
            }
        }
    }

    fn is_durable_up_to(&mut self, known: Tip) {
        self.known = known;
        self.durable.set(known);
        self.store.is_back();
    }

    async fn connected(&mut self) -> Result<&mut Connected, Gone> {
        if self.connected.is_none() {
            let primary = self.store.connect().await.map_err(|error| match error {
                StoreError::Away(_) | StoreError::Unsuitable(_) | StoreError::NotAllowed(_) => {
                    Gone::Away
                }
                StoreError::Damaged(why) => Gone::Failed(why),
            })?;
            self.connected = Some(Connected::prepared(primary).await.map_err(|it| gone(&it))?);
        }
        Ok(self.connected.as_mut().expect("it was just set"))
    }

    /// Runs a turn's part, and ends the connection if it failed.
    fn run<T>(&mut self, part: impl AsyncFnOnce(&mut Self) -> Result<T, Gone>) -> Result<T, Gone> {
        let (runtime, ending) = (Arc::clone(&self.runtime), self.ending.clone());
        let done = runtime.block_on(ending.run_until_cancelled(part(self)));
        let done = done.unwrap_or(Err(Gone::Away));
        if let Err(error) = &done {
            self.connected = None;
            self.store.note(error);
        }
        done
    }
}

impl Log for PostgresLog {
    fn recover(&mut self) -> Result<Recovered, Gone> {
        self.run(async |log| log.replay_all().await)
    }

    fn begin(&mut self, news: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone> {
        self.run(async |log| log.read_news(news).await)
    }

    fn room_for(&self, first: usize) -> usize {
        first.max(GROUP_LEN_MAX)
    }

    fn commit(&mut self, group: &[Entry]) -> Result<(), Gone> {
        let wanted = group.last().map_or(self.known, Entry::tip);
        let (runtime, ending) = (Arc::clone(&self.runtime), self.ending.clone());
        let stored = runtime.block_on(ending.run_until_cancelled(self.store(group)));
        match stored.unwrap_or_else(|| Err(Fault::Unknown("the central ends".to_owned()))) {
            Ok(()) => {
                self.is_durable_up_to(wanted);
                Ok(())
            }
            Err(Fault::NotStored(error)) => {
                self.connected = None;
                self.store.note(&error);
                Err(error)
            }
            Err(Fault::Unknown(why)) => self.settle(wanted, group.is_empty(), why),
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(PostgresReader::new(self.durable.clone(), self.connections(READINGS_MAX)))
    }
}

impl Connected {
    async fn prepared(primary: Primary) -> Result<Self, AskError> {
        let mut session = primary.session;
        let news = news_query();
        let asked = session.ask(async |client| {
            let end = client.prepare(END_LOCKED).await?;
            let news = client.prepare(&news).await?;
            let store = client.prepare(rows::STORE).await?;
            Ok((end, news, store, client.prepare(operators::REPLACE).await?))
        });
        let (end, news, store, replace) = asked.await?;
        Ok(Self { session, end, news, store, replace, in_turn: false })
    }
}

fn tip_of(read: &ReadEvent) -> Tip {
    Tip { sequence: read.stored.sequence + 1, chain: read.chain, at: read.stored.at }
}

fn unknown(error: AskError) -> Fault {
    Fault::Unknown(error.to_string())
}

/// What an error says of the log, where nothing was stored.
fn gone(error: &AskError) -> Gone {
    match error {
        AskError::Lost(_) => Gone::Away,
        AskError::Unexpected(why) => Gone::Failed(why.clone()),
        AskError::Server(server) => match server.code().code() {
            "53100" => Gone::Full(error.to_string()),
            // Integrity, and what a program or a right is missing.
            code if code.starts_with("23") || code.starts_with("42") || code.starts_with("XX") => {
                Gone::Failed(error.to_string())
            }
            _ => Gone::Away,
        },
    }
}
