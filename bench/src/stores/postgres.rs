//! PostgreSQL: the bets of a batch as rows, a transaction a batch, by COPY. Also servers for centrals
//! that share one.

pub(crate) mod protocol;

use std::rc::Rc;

use test_postgres::Cluster;

use super::{Started, Store, batches_of};
use crate::setting::Setting;
use crate::speech::Connection;

/// Of every server that is measured.
const SETTINGS: &[&str] = &[
    "synchronous_commit=on",
    "fsync=on",
    "full_page_writes=on",
    "wal_sync_method=fdatasync",
    "wal_buffers=64MB",
    "shared_buffers=2GB",
    "min_wal_size=1GB",
    "max_wal_size=64GB",
    "checkpoint_timeout=1d",
];
/// Of one without a standby that is sent rows only.
const ALONE: &[&str] = &["wal_level=minimal", "max_wal_senders=0", "autovacuum=off"];
/// Connections besides the agencies'.
const CONNECTIONS_SPARE: u32 = 100;

/// Writes as much log as is kept, so that what is measured writes over files that are there, as on
/// a server that has run for a while.
const FILL: &str = "SELECT count(pg_logical_emit_message(false, '', repeat('x', 1000000))) \
                    FROM generate_series(1, 1000)";

/// A table of bets for COPY.
pub(crate) const TABLE: &str = "\
CREATE TABLE bets (agency int4, chunk int4, first_name text, last_name text, document text, \
  birthdate date, number int4)";

const STANDBY: &str = "standby";
/// The database that every server has.
const DATABASE: &str = "postgres";

/// A server, perhaps with a synchronous standby. Ended when dropped.
pub(crate) struct Servers {
    pub(crate) cluster: Cluster,
    pub(crate) has_standby: bool,
}

struct Postgres {
    servers: Servers,
    copies: Rc<protocol::Copies>,
}

pub(super) fn start(setting: &Setting, agencies: u32) -> anyhow::Result<Option<Started>> {
    if !test_postgres::can_start() {
        return Ok(None);
    }
    let connections = format!("max_connections={}", agencies + CONNECTIONS_SPARE);
    let servers = Servers::start(setting, &[ALONE, &[&connections]].concat(), false);
    let primary = servers.cluster.server(0);
    let version = primary.sql(DATABASE, "SHOW server_version");
    primary.sql(DATABASE, TABLE);
    let about = format!(
        "PostgreSQL {version}; a row a bet, by COPY, sent whole without waiting in between; \
         CHECKPOINT between measurements; {}",
        [SETTINGS, ALONE].concat().join(" ")
    );
    let copies = Rc::new(protocol::Copies::new(&setting.typical));
    let store = Box::new(Postgres { servers, copies });
    Ok(Some(Started { name: "PostgreSQL, COPY", about, store }))
}

impl Servers {
    /// Starts one on the benchmark's disk, with more settings.
    pub(crate) fn start(setting: &Setting, more: &[&str], has_standby: bool) -> Self {
        let mut cluster = Cluster::within(setting.folder(), &[SETTINGS, more].concat());
        if has_standby {
            cluster.add_standby(STANDBY, 0);
            let primary = cluster.server(0);
            primary.configure(&[&format!("synchronous_standby_names=ANY 1 ({STANDBY})")]);
            primary.reload();
            let attached = "SELECT count(*) = 1 FROM pg_stat_replication \
                            WHERE sync_state = 'quorum'";
            primary.until(DATABASE, attached);
        }
        cluster.server(0).sql(DATABASE, FILL);
        let servers = Self { cluster, has_standby };
        servers.settle();
        servers
    }

    /// Writes all that was put off, so that what is measured next starts alike.
    pub(crate) fn settle(&self) {
        let primary = self.cluster.server(0);
        primary.sql(DATABASE, "CHECKPOINT");
        if self.has_standby {
            let end = primary.sql(DATABASE, "SELECT pg_current_wal_flush_lsn()");
            let standby = self.cluster.server(1);
            standby.until(DATABASE, &format!("SELECT pg_last_wal_replay_lsn() >= '{end}'"));
            standby.sql(DATABASE, "CHECKPOINT");
        }
    }

    /// Removes a database that nobody uses any more.
    pub(crate) fn remove(&self, database: &str) {
        self.cluster.server(0).sql(DATABASE, &format!("DROP DATABASE {database}"));
    }
}

impl Store for Postgres {
    fn connect(&mut self, _: u32) -> anyhow::Result<Connection> {
        let stream = Box::new(protocol::started(self.servers.cluster.server(0).port(), DATABASE)?);
        Ok(Connection { stream, speech: self.copies.clone() })
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.servers.settle();
        Ok(())
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        let bets = "SELECT count(*) FROM bets";
        batches_of(&self.servers.cluster.server(0).sql(DATABASE, bets))
    }
}
