//! Where operators, their sessions and attempts to log in are kept.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lottery::Judge;
use thiserror::Error;

use crate::{Digest, Name, People, SessionUser, Unrecorded};

/// A change of the operators: makes it and returns whether it is allowed. It may be called more than
/// once, each time with the operators as they are then; only the last call counts.
pub type MakeChange = Arc<dyn Fn(&mut People) -> bool + Send + Sync>;

/// Why the operators can't be read or changed now, and what to do.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct OperatorsError(pub String);

/// Where operators, their sessions and attempts to log in are kept. Every call may block.
#[allow(clippy::missing_errors_doc, reason = "an OperatorsError says why nothing can be kept")]
pub trait OperatorStore: Send + Sync {
    /// Returns the operators now.
    fn people(&self) -> Result<Arc<People>, OperatorsError>;

    /// Returns the operators by which somebody who acts is judged, while the act is decided. Each
    /// must allow the act: beside the operators now, those that a change under way will leave.
    /// `None` if the act is of a session that has ended. Called by whoever decides alone.
    fn judging(&self, session: Option<Digest>) -> Result<Option<Vec<Arc<People>>>, OperatorsError>;

    /// Makes a change durably; returns whether it was made. `record` stores the act that records it,
    /// with this judge among its own, and returns whether it is stored. A change that is not allowed
    /// is not recorded; one that can't be recorded is not made.
    ///
    /// After an error, the change may be recorded although it is not made.
    fn change(
        &self,
        change: MakeChange,
        record: &mut dyn FnMut(Judge) -> bool,
    ) -> Result<bool, OperatorsError>;

    /// Has `record` record the changes that were made on the command line, oldest first, until it
    /// returns false. A change that is recorded may be passed to it again.
    fn record_changes(
        &self,
        record: &mut dyn FnMut(&Unrecorded) -> bool,
    ) -> Result<(), OperatorsError>;

    /// Starts a session under the digest of its secret. At the limit, the operator's least recently
    /// used session ends.
    fn begin_session(&self, user: SessionUser, session: Digest) -> Result<(), OperatorsError>;

    /// Returns the operator of a valid session. A session that is not used for long ends.
    fn session_user(
        &self,
        session: Digest,
        is_use: bool,
    ) -> Result<Option<SessionUser>, OperatorsError>;

    /// Ends a session; returns whether it existed.
    fn end_session(&self, session: Digest) -> Result<bool, OperatorsError>;

    /// Ends all sessions of an operator.
    fn end_sessions_of(&self, name: &Name) -> Result<(), OperatorsError>;

    /// Counts an attempt to log in that starts now; or returns how long to wait, without counting
    /// it, if there were too many.
    fn begin_attempt(
        &self,
        name: &str,
        address: IpAddr,
    ) -> Result<Option<Duration>, OperatorsError>;

    /// Resets the attempts for this name and address after a login.
    fn attempt_succeeded(&self, name: &str, address: IpAddr) -> Result<(), OperatorsError>;
}
