//! Operators, their sessions and attempts to log in, shared by all centrals of a store.
//!
//! The operators are one document. The row `ledger` has its digest, so that a turn, which locks that
//! row, knows by which operators its acts are judged: those that no other central can change before
//! the turn ends. A change is made by the transaction that stores the act which records it.
//!
//! Sessions and attempts are rows. Except for the end of a session, they are not waited for to be on a
//! standby: a promotion may lose the last of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::operators::attempts::{RATE_OF_ADDRESS, RATE_OF_NAME, RATE_OF_PAIR, Rate};
use ::operators::limits::{
    ATTEMPTS_REMEMBERED_MAX, SESSION_IDLE_TIME_MAX, SESSION_TIME_MAX, SESSIONS_PER_OPERATOR_MAX,
};
use ::operators::{
    Digest, MakeChange, Name, OperatorStore, OperatorsError, People, SessionUser, Unrecorded,
};
use engine::{Entry, Tip};
use lottery::{Act, AuditedAction, Event, Judge};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio_postgres::{Client, Row};

use crate::connections::{Connection, Connections};
use crate::error::StoreError;
use crate::limits::{JUDGED_TIME_MAX, SESSION_USE_TIME};
use crate::primary::{self, Primary, Seen};
use crate::rows;
use crate::schema;
use crate::session::{AskError, Session, runtime};
use crate::target::Target;

/// The digest of a document of operators.
pub(crate) type DocumentDigest = [u8; 32];

/// A document of operators, as it is stored.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) digest: DocumentDigest,
    pub(crate) text: String,
    people: Arc<People>,
}

/// What a turn of the log and the operators' store share.
#[derive(Default)]
pub(crate) struct OperatorsTurn {
    state: Mutex<Option<Turn>>,
}

struct Turn {
    /// After that, nothing more is judged in it.
    judged_until: Instant,
    /// What the turn has read: whoever judges asks a server that has it.
    known: Tip,
    /// The digest of the operators, as the turn found it.
    digest: DocumentDigest,
    /// The operators as changes that were decided in this turn leave them, and how many these are.
    next: Option<(Arc<People>, usize)>,
}

impl OperatorsTurn {
    /// Nothing is judged any more.
    pub(crate) fn end(&self) {
        *self.state.lock() = None;
    }

    /// A turn begins: the operators are these, and nothing is decided.
    pub(crate) fn begin(&self, known: Tip, digest: DocumentDigest) {
        let judged_until = now() + JUDGED_TIME_MAX;
        *self.state.lock() = Some(Turn { judged_until, known, digest, next: None });
    }

    /// Returns the digest of the operators by which this turn's acts are judged; `None` where
    /// nothing is judged, as by a copy.
    pub(crate) fn digest(&self) -> Option<DocumentDigest> {
        self.state.lock().as_ref().map(|turn| turn.digest)
    }

    /// Returns the operators as a group leaves them, if it changes them.
    pub(crate) fn take_changed_by(&self, group: &[Entry]) -> Result<Option<Document>, String> {
        let changes = group.iter().filter(|entry| match &entry.event {
            Event::Acted(recorded) => {
                matches!(recorded.act, Act::Audited(AuditedAction::ChangeOperators(_)))
            }
            _ => false,
        });
        let count = changes.count();
        let mut state = self.state.lock();
        let Some(turn) = state.as_mut() else { return Ok(None) };
        match turn.next.take() {
            // A change that was decided and is not in the group had no room.
            _ if count == 0 => Ok(None),
            Some((people, changes)) if changes == count => Ok(Some(Document::of(people))),
            _ => Err("a change of the operators has no document".to_owned()),
        }
    }
}

impl Document {
    pub(crate) fn of(people: Arc<People>) -> Self {
        let text = people.document();
        Self { digest: Sha256::digest(&text).into(), text, people }
    }

    /// Reads a row of [`READ`].
    fn read(row: &Row) -> Result<Self, String> {
        let failed = |error: tokio_postgres::Error| error.to_string();
        let digest = rows::digest(row.try_get(0).map_err(failed)?)?;
        let text: String = row.try_get(1).map_err(failed)?;
        if digest != <[u8; 32]>::from(Sha256::digest(&text)) {
            return Err("the operators in the store are not those that were stored: restore the \
                        database from a good copy"
                .to_owned());
        }
        let people = People::of_document(&text);
        let people = people.map_err(|why| format!("the operators in the store: {why}"))?;
        Ok(Self { digest, text, people: Arc::new(people) })
    }
}

const DIGEST: &str = "SELECT operators FROM ledger";
const READ: &str = "SELECT ledger.operators, document FROM ledger, operators";

/// Replaces the operators, if they are those of the digest `$1`; otherwise it fails, and with it the
/// transaction.
pub(crate) const REPLACE: &str = "\
WITH changed AS (UPDATE ledger SET operators = $2 WHERE operators = $1 RETURNING 1) \
UPDATE operators SET document = $3 WHERE 1 / (SELECT count(*) FROM changed) = 1";

/// The operators of a store, for one central. Clones are the same.
#[derive(Clone)]
pub struct SharedOperators(Arc<Inner>);

struct Inner {
    connections: Connections,
    /// Used by whoever decides alone, who waits for nobody.
    judges: Connections,
    turn: Arc<OperatorsTurn>,
    read: Mutex<Option<Document>>,
}

impl SharedOperators {
    pub(crate) fn new(
        connections: Connections,
        judges: Connections,
        turn: Arc<OperatorsTurn>,
    ) -> Self {
        Self(Arc::new(Inner { connections, judges, turn, read: Mutex::default() }))
    }
}

impl Inner {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, String>,
    ) -> Result<T, OperatorsError> {
        self.connections.with(work).map_err(OperatorsError)
    }

    fn ask<T>(
        &self,
        asking: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, OperatorsError> {
        self.with(|connection| connection.ask(asking))
    }

    /// Returns the document now.
    fn document(&self) -> Result<Document, OperatorsError> {
        let known = self.read.lock().clone();
        let document = self.with(|connection| {
            if let Some(known) = known {
                let digest = connection.query(DIGEST, &[])?;
                let digest: Option<&[u8]> = digest.first().and_then(|row| row.try_get(0).ok());
                if digest == Some(&known.digest) {
                    return Ok(known);
                }
            }
            read(connection)
        })?;
        *self.read.lock() = Some(document.clone());
        Ok(document)
    }

    /// Returns what this turn has read, and the operators by which its acts are judged: as the turn
    /// found them, or as changes that were decided in it leave them.
    fn turn(&self) -> Result<(Tip, Arc<People>), OperatorsError> {
        let (known, digest) = match &*self.turn.state.lock() {
            Some(turn) if now() >= turn.judged_until => {
                let why = "the operators are read too slowly for this turn of the log";
                return Err(OperatorsError(why.to_owned()));
            }
            Some(Turn { known, next: Some((next, _)), .. }) => {
                return Ok((*known, Arc::clone(next)));
            }
            Some(Turn { known, digest, .. }) => (*known, *digest),
            None => return Err(OperatorsError("nothing is being decided".to_owned())),
        };
        if let Some(read) = self.read.lock().as_ref().filter(|it| it.digest == digest) {
            return Ok((known, Arc::clone(&read.people)));
        }
        let document = self.judges.with_all_before(known, read).map_err(OperatorsError)?;
        if document.digest != digest {
            let why = "the server that answers has other operators than the turn";
            return Err(OperatorsError(why.to_owned()));
        }
        *self.read.lock() = Some(document.clone());
        Ok((known, document.people))
    }

    /// Decides a change in a turn; returns the version that it changes, or `None` if it is refused.
    fn decide(&self, change: &MakeChange) -> Option<u64> {
        let (_, people) = self.turn().ok()?;
        let changed = people.changed(|people| if change(people) { Ok(()) } else { Err(()) });
        let (changed, ()) = changed.ok()?;
        if let Some(turn) = &mut *self.turn.state.lock() {
            let count = turn.next.as_ref().map_or(0, |(_, count)| *count);
            turn.next = Some((Arc::new(changed), count + 1));
        }
        Some(people.version())
    }
}

fn read(connection: &mut Connection) -> Result<Document, String> {
    let rows = connection.query(READ, &[])?;
    Document::read(rows.first().ok_or("the store has no operators")?)
}

/// Returns the operator of a valid session, and whether its use is to be noted.
fn user_of(
    connection: &mut Connection,
    session: Digest,
) -> Result<Option<(SessionUser, bool)>, String> {
    let found = connection.query(
        "SELECT name, generation, used_at < clock_timestamp() - $4::text::interval FROM session \
         WHERE digest = $1 AND used_at > clock_timestamp() - $2::text::interval \
         AND begun_at > clock_timestamp() - $3::text::interval",
        &[
            &session.bytes(),
            &seconds(SESSION_IDLE_TIME_MAX),
            &seconds(SESSION_TIME_MAX),
            &seconds(SESSION_USE_TIME),
        ],
    )?;
    let Some(row) = found.first() else { return Ok(None) };
    let failed = |error: tokio_postgres::Error| error.to_string();
    let name: String = row.try_get(0).map_err(failed)?;
    let generation: i64 = row.try_get(1).map_err(failed)?;
    let is_due: bool = row.try_get(2).map_err(failed)?;
    let generation = u32::try_from(generation).map_err(|error| error.to_string())?;
    let name = Name::new(name).map_err(|error| error.to_string())?;
    Ok(Some((SessionUser { name, generation }, is_due)))
}

impl OperatorStore for SharedOperators {
    fn people(&self) -> Result<Arc<People>, OperatorsError> {
        self.0.document().map(|document| document.people)
    }

    fn judging(&self, session: Option<Digest>) -> Result<Option<Vec<Arc<People>>>, OperatorsError> {
        let (known, people) = self.0.turn()?;
        if let Some(session) = session {
            let user = |connection: &mut Connection| user_of(connection, session);
            if self.0.judges.with_all_before(known, user).map_err(OperatorsError)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(vec![people]))
    }

    /// Made while its record is decided, and stored with it.
    fn change(
        &self,
        change: MakeChange,
        record: &mut dyn FnMut(Judge) -> bool,
    ) -> Result<bool, OperatorsError> {
        let inner = Arc::clone(&self.0);
        Ok(record(Box::new(move || inner.decide(&change))))
    }

    fn record_changes(
        &self,
        record: &mut dyn FnMut(&Unrecorded) -> bool,
    ) -> Result<(), OperatorsError> {
        let people = self.people()?;
        let recorded: Vec<_> = people.unrecorded().iter().take_while(|it| record(it)).collect();
        if recorded.is_empty() {
            return Ok(());
        }
        self.0.with(|connection| {
            let replaced = connection.drive(async |session| {
                replace(session, |people| Ok::<_, String>(people.without_recorded(&recorded))).await
            })?;
            replaced.map_err(|error| match error {
                ReplaceError::Refused(why)
                | ReplaceError::Failed(why)
                | ReplaceError::Damaged(why) => why,
            })
        })
    }

    fn begin_session(&self, user: SessionUser, session: Digest) -> Result<(), OperatorsError> {
        let kept = i64::try_from(SESSIONS_PER_OPERATOR_MAX - 1).unwrap_or(0);
        let (name, generation) = (user.name.as_str(), i64::from(user.generation));
        self.0.ask(async |client| {
            client.batch_execute(BEGIN_SOON_DURABLE).await?;
            let over = "DELETE FROM session WHERE NOT (used_at > clock_timestamp() - $1::text::interval \
                        AND begun_at > clock_timestamp() - $2::text::interval)";
            client.execute(over, &[&seconds(SESSION_IDLE_TIME_MAX), &seconds(SESSION_TIME_MAX)]).await?;
            let oldest = "DELETE FROM session WHERE digest IN (SELECT digest FROM session \
                          WHERE name = $1 ORDER BY used_at DESC OFFSET $2)";
            client.execute(oldest, &[&name, &kept]).await?;
            let begin = "INSERT INTO session (digest, name, generation) VALUES ($1, $2, $3)";
            client.execute(begin, &[&session.bytes(), &name, &generation]).await?;
            client.batch_execute("COMMIT").await
        })
    }

    fn session_user(
        &self,
        session: Digest,
        is_use: bool,
    ) -> Result<Option<SessionUser>, OperatorsError> {
        let found = self.0.with(|connection| user_of(connection, session))?;
        let Some((user, is_due)) = found else { return Ok(None) };
        if is_use && is_due {
            self.0.ask(async |client| {
                client.batch_execute(BEGIN_SOON_DURABLE).await?;
                let used = "UPDATE session SET used_at = clock_timestamp() WHERE digest = $1";
                client.execute(used, &[&session.bytes()]).await?;
                client.batch_execute("COMMIT").await
            })?;
        }
        Ok(Some(user))
    }

    /// Waits for a standby: a promotion must not bring back a session that was logged out.
    fn end_session(&self, session: Digest) -> Result<bool, OperatorsError> {
        let end = "DELETE FROM session WHERE digest = $1";
        self.0.ask(async |client| Ok(client.execute(end, &[&session.bytes()]).await? > 0))
    }

    fn end_sessions_of(&self, name: &Name) -> Result<(), OperatorsError> {
        self.0.ask(async |client| {
            client.batch_execute(BEGIN_SOON_DURABLE).await?;
            client.execute("DELETE FROM session WHERE name = $1", &[&name.as_str()]).await?;
            client.batch_execute("COMMIT").await
        })
    }

    fn begin_attempt(
        &self,
        name: &str,
        address: IpAddr,
    ) -> Result<Option<Duration>, OperatorsError> {
        let limited = [
            (pair_key(name, address), RATE_OF_PAIR),
            (format!("address {address}"), RATE_OF_ADDRESS),
            (format!("name {name}"), RATE_OF_NAME),
        ];
        let keys: Vec<_> = limited.iter().map(|(key, _)| key.as_str()).collect();
        self.0.ask(async |client| {
            client.batch_execute(BEGIN_SOON_DURABLE).await?;
            client.batch_execute("SET LOCAL lock_timeout = 1000").await?;
            // One attempt is counted after another.
            client.execute("SELECT pg_advisory_xact_lock($1)", &[&ATTEMPTS_LOCK]).await?;
            client.batch_execute("DELETE FROM attempt WHERE paid_at <= clock_timestamp()").await?;
            let found = "SELECT key, (extract(epoch FROM paid_at - clock_timestamp()) * 1000000)::bigint \
                         FROM attempt WHERE key = ANY($1)";
            let mut unpaid = vec![Duration::ZERO; keys.len()];
            for row in client.query(found, &[&keys]).await? {
                let (key, micros): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
                if let Some(at) = keys.iter().position(|it| *it == key) {
                    unpaid[at] = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
                }
            }
            let waits = limited.iter().zip(&unpaid).filter_map(|((_, rate), it)| rate.wait(*it));
            let mut wait = waits.max();
            if unpaid.contains(&Duration::ZERO) {
                // When there is room for another key, if there is none.
                let full = "SELECT (extract(epoch FROM min(paid_at) - clock_timestamp()) * 1000000)::bigint \
                            FROM attempt HAVING count(*) >= $1";
                let full = client.query_opt(full, &[&ATTEMPTS_KEPT_MAX]).await?;
                if let Some(row) = full {
                    let micros: i64 = row.try_get(0)?;
                    let room_in = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
                    wait = wait.max(Some(room_in));
                }
            }
            if wait.is_none() {
                let paid_in = |(at, (_, rate)): (usize, &(String, Rate))| {
                    i64::try_from((unpaid[at] + rate.price).as_micros()).unwrap_or(i64::MAX)
                };
                let paid_in: Vec<_> = limited.iter().enumerate().map(paid_in).collect();
                let count = "INSERT INTO attempt (key, paid_at) \
                             SELECT key, clock_timestamp() + micros * interval '1 microsecond' \
                             FROM unnest($1::text[], $2::bigint[]) AS counted(key, micros) \
                             ON CONFLICT (key) DO UPDATE SET paid_at = excluded.paid_at";
                client.execute(count, &[&keys, &paid_in]).await?;
            }
            client.batch_execute("COMMIT").await?;
            Ok(wait)
        })
    }

    fn attempt_succeeded(&self, name: &str, address: IpAddr) -> Result<(), OperatorsError> {
        let key = pair_key(name, address);
        self.0.ask(async |client| {
            client.batch_execute(BEGIN_SOON_DURABLE).await?;
            client.execute("DELETE FROM attempt WHERE key = $1", &[&key]).await?;
            client.batch_execute("COMMIT").await
        })
    }
}

/// Begins a transaction whose commit waits for no disk and no standby.
const BEGIN_SOON_DURABLE: &str = "BEGIN; SET LOCAL synchronous_commit = off";

/// Held while an attempt is counted: "attempts" as a number.
const ATTEMPTS_LOCK: i64 = 0x6174_7465_6d70_7473;

/// Most keys of attempts, of the three kinds.
const ATTEMPTS_KEPT_MAX: i64 = 3 * ATTEMPTS_REMEMBERED_MAX as i64;

fn pair_key(name: &str, address: IpAddr) -> String {
    format!("pair {address} {name}")
}

fn seconds(time: Duration) -> String {
    format!("{} seconds", time.as_secs())
}

/// The operators of a store, on the command line. All of it blocks.
pub struct OperatorsTable {
    runtime: tokio::runtime::Runtime,
    session: Session,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum OperatorsChangeError<E: std::error::Error + 'static> {
    /// The change was refused.
    #[error(transparent)]
    Refused(E),
    /// The operators could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OperatorsTable {
    /// Opens those of a store.
    ///
    /// # Errors
    /// When no server can be written to, or it has no ledger that this program knows.
    pub fn open(target: &Target) -> Result<Self, StoreError> {
        let runtime = runtime()?;
        let session = runtime.block_on(async {
            let found = primary::find(target, &Seen::default(), false).await?;
            let Primary { mut session, host, .. } = found;
            schema::check(&mut session, &host).await?;
            Ok::<_, StoreError>(session)
        })?;
        Ok(Self { runtime, session })
    }

    /// Reads the operators.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn read(&mut self) -> Result<People, StoreError> {
        let Self { runtime, session } = self;
        let asked = session.ask(async |client| client.query_one(READ, &[]).await);
        let row = runtime.block_on(asked).map_err(|error| StoreError::Away(error.to_string()))?;
        let document = Document::read(&row).map_err(StoreError::Damaged)?;
        Ok(Arc::unwrap_or_clone(document.people))
    }

    /// Replaces the operators by what `change` makes of them, durably.
    ///
    /// # Errors
    /// When `change` refuses, or they can't be read or written.
    pub fn change<E: std::error::Error + 'static>(
        &mut self,
        change: impl FnOnce(&People) -> Result<People, E>,
    ) -> Result<(), OperatorsChangeError<E>> {
        let Self { runtime, session } = self;
        match runtime.block_on(replace(session, change)) {
            Ok(()) => Ok(()),
            Err(ReplaceError::Refused(why)) => Err(OperatorsChangeError::Refused(why)),
            Err(ReplaceError::Failed(why)) => Err(StoreError::Away(why).into()),
            Err(ReplaceError::Damaged(why)) => Err(StoreError::Damaged(why).into()),
        }
    }
}

enum ReplaceError<E> {
    Refused(E),
    Failed(String),
    Damaged(String),
}

/// Replaces the operators in a transaction of its own, with the lock of all turns.
async fn replace<E>(
    session: &mut Session,
    change: impl FnOnce(&People) -> Result<People, E>,
) -> Result<(), ReplaceError<E>> {
    let failed = |error: AskError| ReplaceError::Failed(error.to_string());
    let locked = session.ask(async |client| {
        client.batch_execute("BEGIN; SELECT FROM ledger FOR UPDATE").await?;
        client.query_one(READ, &[]).await
    });
    let row = locked.await.map_err(failed)?;
    let document = Document::read(&row).map_err(ReplaceError::Damaged)?;
    let changed = Document::of(Arc::new(change(&document.people).map_err(ReplaceError::Refused)?));
    session.take_notices();
    let replaced = session.ask(async |client| {
        let (before, after) = (&document.digest[..], &changed.digest[..]);
        let replaced = client.execute(REPLACE, &[&before, &after, &changed.text]).await?;
        client.batch_execute("COMMIT").await?;
        Ok(replaced)
    });
    let not_known = |why: String| {
        ReplaceError::Failed(format!("whether the change is made is not known, look again: {why}"))
    };
    let replaced = replaced.await.map_err(|error| not_known(error.to_string()))?;
    match session.take_notices().first() {
        Some(notice) => Err(not_known(notice.message().to_owned())),
        None if replaced == 1 => Ok(()),
        None => Err(ReplaceError::Failed("the operators were not replaced".to_owned())),
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a turn judges is bounded")]
fn now() -> Instant {
    Instant::now()
}
