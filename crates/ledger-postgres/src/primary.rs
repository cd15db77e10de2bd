//! Finds the server to write to among the hosts of a store.
//!
//! All hosts are asked. Of those that can be written to, the one of the highest timeline is taken:
//! a promotion raises it, so an old primary that comes back is below. A timeline below one that was
//! seen before, and a server of another cluster, are never taken.

use std::sync::Arc;

use futures_util::future::join_all;
use rustls::ClientConfig;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::error::StoreError;
use crate::limits::SERVER_VERSION_MIN;
use crate::session::{AskError, Session};
use crate::target::{HostTarget, Target};

/// The server that is written to.
pub(crate) struct Primary {
    pub(crate) session: Session,
    pub(crate) host: String,
    pub(crate) timeline: u32,
    /// Identifies the cluster of servers that replicate each other.
    pub(crate) system: String,
    pub(crate) warnings: Vec<String>,
}

/// What a server must be to be written to, besides writable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The highest timeline seen, and the cluster.
    pub(crate) timeline: u32,
    pub(crate) system: Option<String>,
}

const QUESTION: &str = "\
SELECT current_setting('server_version_num')::integer / 10000, getdatabaseencoding()::text, \
  pg_is_in_recovery(), current_setting('transaction_read_only')::boolean, \
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_lsn()) END, \
  (SELECT system_identifier::text FROM pg_control_system()), \
  current_setting('synchronous_commit'), current_setting('fsync')::boolean, \
  current_setting('full_page_writes')::boolean, current_setting('synchronous_standby_names')";

/// Finds the server to write to.
pub(crate) async fn find(
    target: &Target,
    seen: &Seen,
    require_standby: bool,
) -> Result<Primary, StoreError> {
    let asked = target.hosts.iter().map(|host| ask(host, target.tls.as_ref(), require_standby));
    let mut why_not = Vec::new();
    let mut unsuitable = None;
    let mut best: Option<Primary> = None;
    for (host, answer) in target.hosts.iter().zip(join_all(asked).await) {
        match answer {
            Ok(Some(primary)) if !seen.allows(&primary) => {
                why_not.push(format!("{}: {}", host.name, seen.why_not(&primary)));
            }
            Ok(Some(primary)) => {
                if best.as_ref().is_none_or(|best| best.timeline < primary.timeline) {
                    best = Some(primary);
                }
            }
            Ok(None) => why_not.push(format!("{} is a standby", host.name)),
            Err(StoreError::Away(why)) => why_not.push(format!("{}: {why}", host.name)),
            Err(error) => unsuitable = unsuitable.or(Some(error)),
        }
    }
    match (best, unsuitable) {
        (Some(primary), _) => Ok(primary),
        (None, Some(error)) => Err(error),
        (None, None) => Err(StoreError::Away(why_not.join("; "))),
    }
}

/// Says of each host what it is.
pub(crate) async fn states(target: &Target) -> Vec<String> {
    let asked = target.hosts.iter().map(|host| ask(host, target.tls.as_ref(), false));
    let answers = target.hosts.iter().zip(join_all(asked).await);
    let states = answers.map(|(HostTarget { name, .. }, answer)| match answer {
        Ok(Some(primary)) => format!("{name}: primary, timeline {}", primary.timeline),
        Ok(None) => format!("{name}: standby"),
        Err(StoreError::Away(why)) => format!("{name}: away, {why}"),
        Err(
            StoreError::Unsuitable(why) | StoreError::NotAllowed(why) | StoreError::Damaged(why),
        ) => why,
    });
    states.collect()
}

impl Seen {
    fn allows(&self, primary: &Primary) -> bool {
        primary.timeline >= self.timeline
            && self.system.as_ref().is_none_or(|system| *system == primary.system)
    }

    fn why_not(&self, primary: &Primary) -> String {
        if primary.timeline < self.timeline {
            return format!(
                "it is on timeline {}, and timeline {} was seen: it is a primary from before a \
                 promotion, stop it",
                primary.timeline, self.timeline
            );
        }
        "it belongs to another cluster of servers".to_owned()
    }

    /// Remembers a server.
    pub(crate) fn note(&mut self, primary: &Primary) {
        self.timeline = self.timeline.max(primary.timeline);
        self.system.get_or_insert_with(|| primary.system.clone());
    }
}

/// Asks a host what it is; `None` is a standby.
async fn ask(
    host: &HostTarget,
    tls: Option<&Arc<ClientConfig>>,
    require_standby: bool,
) -> Result<Option<Primary>, StoreError> {
    let mut session = Session::connect(host, tls).await.map_err(|error| failed(host, &error))?;
    let asked = session.ask(async |client| client.query_one(QUESTION, &[]).await).await;
    let row = asked.map_err(|error| failed(host, &error))?;
    let found = Found::of(&row).map_err(|error| failed(host, &error.into()))?;
    let Some(wal_file) = found.check(host, require_standby)? else { return Ok(None) };
    // The first eight of the hexadecimal digits are the timeline.
    let timeline = wal_file.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let unexpected =
        || StoreError::Unsuitable(format!("{}: no timeline in '{wal_file}'", host.name));
    Ok(Some(Primary {
        session,
        host: host.name.clone(),
        timeline: timeline.ok_or_else(unexpected)?,
        warnings: found.warnings(),
        system: found.system,
    }))
}

/// Distinguishes refusals that no later attempt changes from a server that is away.
fn failed(host: &HostTarget, error: &AskError) -> StoreError {
    let name = &host.name;
    match error.code().map(SqlState::code) {
        // Wrong password or no right to log in; unknown database; no right to what was asked.
        Some("28000" | "28P01" | "3D000" | "42501") => {
            StoreError::Unsuitable(format!("{name}: {error}"))
        }
        _ => StoreError::Away(error.to_string()),
    }
}

struct Found {
    version: i32,
    encoding: String,
    is_standby: bool,
    is_read_only: bool,
    wal_file: Option<String>,
    system: String,
    synchronous_commit: String,
    fsync: bool,
    full_page_writes: bool,
    standby_names: String,
}

impl Found {
    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            version: row.try_get(0)?,
            encoding: row.try_get(1)?,
            is_standby: row.try_get(2)?,
            is_read_only: row.try_get(3)?,
            wal_file: row.try_get(4)?,
            system: row.try_get(5)?,
            synchronous_commit: row.try_get(6)?,
            fsync: row.try_get(7)?,
            full_page_writes: row.try_get(8)?,
            standby_names: row.try_get(9)?,
        })
    }

    /// Returns the file that is written, or `None` for a standby.
    fn check(&self, host: &HostTarget, require_standby: bool) -> Result<Option<&str>, StoreError> {
        let unsuitable = |why: &str| Err(StoreError::Unsuitable(format!("{}: {why}", host.name)));
        if self.version < SERVER_VERSION_MIN {
            return unsuitable(&format!(
                "it is PostgreSQL {}, and {SERVER_VERSION_MIN} or newer is needed",
                self.version
            ));
        }
        if self.encoding != "UTF8" {
            return unsuitable("the database's encoding must be UTF8: create it with -E UTF8");
        }
        if self.is_standby || self.is_read_only {
            return Ok(None);
        }
        if matches!(self.synchronous_commit.as_str(), "off" | "local") {
            return unsuitable(
                "synchronous_commit must be on, or bets that were acknowledged can be lost: set it \
                 for the server, and reset it for the database and the role",
            );
        }
        if !self.fsync {
            return unsuitable("fsync must be on, or a power cut destroys the database");
        }
        if !self.full_page_writes {
            return unsuitable("full_page_writes must be on, or a power cut destroys the database");
        }
        if require_standby && self.standby_names.trim().is_empty() {
            // A server that was just promoted has none until its administrator names them.
            return Err(StoreError::Away(
                "a synchronous standby is required, and synchronous_standby_names is empty: set \
                 it, for example to ANY 1 (a, b)"
                    .to_owned(),
            ));
        }
        Ok(self.wal_file.as_deref())
    }

    fn warnings(&self) -> Vec<String> {
        let names = self.standby_names.trim();
        let waits_for_anybody = names.contains('*');
        let cases = [
            (
                names.is_empty(),
                "synchronous_standby_names is empty: what is acknowledged is on one server only, \
                 and lost with it; name two standbys, for example ANY 1 (a, b)",
            ),
            (
                waits_for_anybody,
                "synchronous_standby_names has *: any client that replicates counts as the \
                 standby, even a backup under way; name the standbys",
            ),
            (
                self.synchronous_commit == "remote_write",
                "synchronous_commit is remote_write: a standby's power cut can lose what was \
                 acknowledged; set it to on",
            ),
        ];
        cases.into_iter().filter(|(is, _)| *is).map(|(_, why)| why.to_owned()).collect()
    }
}
