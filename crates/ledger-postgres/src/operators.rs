//! Operators, their sessions and attempts to log in, shared by all centrals of a store.
//!
//! The operators are one document. The row `ledger` has its digest, so that a turn, which locks that
//! row, knows by which operators its acts are judged: those that no other central can change before
//! the turn ends. A change is made by the transaction that stores the act which records it.
//!
//! Sessions and attempts are rows. Except for the end of a session, they are not waited for to be on a
//! standby: a promotion may lose the last of them.

mod attempts;
mod document;
mod sessions;
mod table;
mod turn;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::operators::{
    Digest, MakeChange, Name, OperatorStore, OperatorsError, People, SessionUser, Unrecorded,
};
use engine::Tip;
use lottery::Judge;
use parking_lot::Mutex;
use tokio_postgres::{Client, Error};

pub use self::document::OperatorsChangeError;
use self::document::{DIGEST, READ, replace};
pub(crate) use self::document::{Document, DocumentDigest, REPLACE};
use self::sessions::user_of;
pub use self::table::OperatorsTable;
pub(crate) use self::turn::OperatorsTurn;
use self::turn::Turn;
use crate::connections::{Connection, Connections};
use crate::session::now;

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
        asking: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, OperatorsError> {
        self.with(|connection| connection.ask(asking))
    }

    /// Changes something in a transaction whose commit waits for no disk and no standby.
    fn change_soon_durable<T>(
        &self,
        change: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, OperatorsError> {
        self.ask(async |client| {
            client.batch_execute("BEGIN; SET LOCAL synchronous_commit = off").await?;
            let changed = change(client).await?;
            client.batch_execute("COMMIT").await?;
            Ok(changed)
        })
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
            let left = |people: &People| Ok::<_, Infallible>(people.without_recorded(&recorded));
            let replaced = connection.drive(async |session| replace(session, left).await)?;
            replaced.map_err(|error| error.to_string())
        })
    }

    fn begin_session(&self, user: SessionUser, session: Digest) -> Result<(), OperatorsError> {
        self.0.change_soon_durable(async |client| sessions::begin(client, &user, session).await)
    }

    fn session_user(
        &self,
        session: Digest,
        is_use: bool,
    ) -> Result<Option<SessionUser>, OperatorsError> {
        let found = self.0.with(|connection| user_of(connection, session))?;
        let Some((user, is_due)) = found else { return Ok(None) };
        if is_use && is_due {
            self.0.change_soon_durable(async |client| sessions::note_use(client, session).await)?;
        }
        Ok(Some(user))
    }

    /// Waits for a standby: a promotion must not bring back a session that was logged out.
    fn end_session(&self, session: Digest) -> Result<bool, OperatorsError> {
        self.0.ask(async |client| sessions::end(client, session).await)
    }

    fn end_sessions_of(&self, name: &Name) -> Result<(), OperatorsError> {
        self.0.change_soon_durable(async |client| sessions::end_all_of(client, name).await)
    }

    fn begin_attempt(
        &self,
        name: &str,
        address: IpAddr,
    ) -> Result<Option<Duration>, OperatorsError> {
        self.0.change_soon_durable(async |client| attempts::begin(client, name, address).await)
    }

    fn attempt_succeeded(&self, name: &str, address: IpAddr) -> Result<(), OperatorsError> {
        self.0.change_soon_durable(async |client| attempts::reset(client, name, address).await)
    }
}
