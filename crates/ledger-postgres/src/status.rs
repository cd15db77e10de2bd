//! What is known of the store, for those who watch a central.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// What is known of the store. Clones are the same.
#[derive(Clone)]
pub struct Status {
    state: Arc<Mutex<StoreState>>,
    changed: Arc<dyn Fn(&StoreState, &StoreState) + Send + Sync>,
}

/// The state of the store, as the last turn found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreState {
    /// The server that is written to, `host:port`.
    pub host: String,
    /// The timeline of that server: raised by each promotion.
    pub timeline: u32,
    /// Why nothing can be stored now, if so.
    pub away: Option<String>,
    /// What the database's administrator should mend.
    pub warnings: Vec<String>,
}

impl Status {
    /// Creates a status that calls `changed` after each change, with the state before and after. It
    /// must be short.
    pub fn new(changed: impl Fn(&StoreState, &StoreState) + Send + Sync + 'static) -> Self {
        Self { state: Arc::default(), changed: Arc::new(changed) }
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> StoreState {
        self.state.lock().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut StoreState)) {
        let mut state = self.state.lock();
        let before = state.clone();
        change(&mut state);
        if *state != before {
            let after = state.clone();
            drop(state);
            (self.changed)(&before, &after);
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}
