//! What the parts of one central share of its store.

use std::sync::{Arc, OnceLock};

use engine::{Gone, LedgerId, Tip};
use parking_lot::Mutex;

use crate::error::StoreError;
use crate::primary::{self, Primary, Seen};
use crate::schema;
use crate::session::{AskError, Session};
use crate::status::{Status, StoreState};
use crate::target::Target;

/// The store of a central.
pub(crate) struct Store {
    target: Target,
    require_standby: bool,
    seen: Mutex<Seen>,
    status: Status,
    id: OnceLock<LedgerId>,
}

/// The end of what is durable as far as a central knows. Clones are the same.
#[derive(Clone)]
pub(crate) struct Durable(Arc<Mutex<Tip>>);

impl Durable {
    pub(crate) fn at(tip: Tip) -> Self {
        Self(Arc::new(Mutex::new(tip)))
    }

    pub(crate) fn tip(&self) -> Tip {
        *self.0.lock()
    }

    pub(crate) fn set(&self, tip: Tip) {
        *self.0.lock() = tip;
    }
}

impl Store {
    /// Opens the store, and registers a run of a central; returns its number too.
    pub(crate) async fn open(
        target: Target,
        require_standby: bool,
        status: Status,
        name: &str,
    ) -> Result<(Self, i32), StoreError> {
        let seen = Mutex::default();
        let store = Self { target, require_standby, seen, status, id: OnceLock::new() };
        let Primary { mut session, host, .. } = store.connect().await?;
        let added = session.ask(async |client| {
            client.query_one("INSERT INTO node (name) VALUES ($1) RETURNING id", &[&name]).await
        });
        let failed = |error: AskError| StoreError::of(&host, &error);
        let row = added.await.map_err(failed)?;
        let node = row.try_get(0).map_err(|error| failed(error.into()))?;
        Ok((store, node))
    }

    /// The ledger's id.
    pub(crate) fn id(&self) -> LedgerId {
        *self.id.get().expect("opening a store reads it")
    }

    /// Connects to the server to write to, and checks that it has this ledger.
    pub(crate) async fn connect(&self) -> Result<Primary, StoreError> {
        let connected = self.connect_and_check().await;
        match &connected {
            Ok(primary) => {
                self.status.update(|state| {
                    state.host.clone_from(&primary.host);
                    state.timeline = primary.timeline;
                    state.warnings.clone_from(&primary.warnings);
                });
            }
            Err(error) => self.is_away(error.to_string()),
        }
        connected
    }

    async fn connect_and_check(&self) -> Result<Primary, StoreError> {
        let seen = self.seen.lock().clone();
        let mut primary = primary::find(&self.target, &seen, self.require_standby).await?;
        let id = schema::check(&mut primary.session, &primary.host).await?;
        if *self.id.get_or_init(|| id) != id {
            return Err(StoreError::Unsuitable(format!(
                "{} has another ledger, {id}: check the hosts and the database of the URL",
                primary.host
            )));
        }
        self.seen.lock().note(&primary);
        Ok(primary)
    }

    /// The state of the store.
    pub(crate) fn state(&self) -> StoreState {
        self.status.state()
    }

    /// Connects for a reading.
    pub(crate) async fn connect_to_read(&self) -> Result<Session, StoreError> {
        self.connect().await.map(|primary| primary.session)
    }

    /// Reports why nothing can be stored now.
    pub(crate) fn is_away(&self, why: String) {
        self.status.update(|state| state.away = Some(why));
    }

    /// Reports that something was stored.
    pub(crate) fn is_back(&self) {
        self.status.update(|state| state.away = None);
    }

    /// Reports an error, unless the store is away already.
    pub(crate) fn note(&self, error: &Gone) {
        self.status.update(|state| {
            state.away.get_or_insert_with(|| error.to_string());
        });
    }
}
