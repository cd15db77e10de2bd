//! PostgreSQL: the bets of a batch as rows, a transaction a batch. Two ways to send rows are
//! measured, as two peers on one server.

mod protocol;

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::{Signal, geteuid};

use crate::batches::Batch;
use crate::line::Line;
use crate::peer::{About, Peer, Speech, batches_of};
use crate::server::{INSTALL, Server, free_port, program, said};

/// Where Debian keeps the programs, a folder a version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Who runs it instead of root, who may not; Debian's package makes this user.
const USER: &str = "postgres";

const SETTINGS: &[&str] = &[
    "synchronous_commit=on",
    "fsync=on",
    "full_page_writes=on",
    "wal_level=minimal",
    "max_wal_senders=0",
    "wal_sync_method=fdatasync",
    "wal_buffers=64MB",
    "shared_buffers=2GB",
    "min_wal_size=1GB",
    "max_wal_size=64GB",
    "checkpoint_timeout=1d",
    "autovacuum=off",
];
/// Connections besides the agencies'.
const CONNECTIONS_SPARE: u32 = 100;

/// Writes as much log as is kept, so that what is measured writes over files that are there, as on
/// a server that has run for a while.
const FILL: &str = "SELECT count(pg_logical_emit_message(false, '', repeat('x', 1000000))) \
                    FROM generate_series(1, 1000)";

/// One way to send rows, into a table of its own.
pub(super) struct Postgres {
    about: About,
    cluster: Rc<Cluster>,
    table: &'static str,
    statement: &'static str,
    speech: Arc<dyn Speech + Sync>,
}

/// The server that all ways share.
struct Cluster {
    _server: Server,
    port: u16,
    client: PathBuf,
}

pub(super) fn start(
    batches: &[Batch],
    folder: &Path,
    agencies: u32,
) -> anyhow::Result<[Postgres; 2]> {
    let programs = programs()?;
    let version = said(Command::new(programs.join("postgres")).arg("--version"))?;
    let cluster = Rc::new(Cluster::start(&programs, folder, agencies)?);
    let settings = SETTINGS.join(" ");
    let way = |name, table, statement, how, speech| {
        cluster.sql(&format!(
            "CREATE TABLE {table} (agency int4, chunk int4, first_name text, last_name text, \
             document text, birthdate date, number int4)"
        ))?;
        let settings =
            format!("{how}; CHECKPOINT after each slice, outside of the clock; {settings}");
        let about = About { name, version: version.clone(), settings };
        anyhow::Ok(Postgres { about, cluster: Rc::clone(&cluster), table, statement, speech })
    };
    let copied = way(
        "PostgreSQL, COPY",
        "copied",
        "COPY copied FROM STDIN (FORMAT binary)",
        "COPY, binary, sent whole without waiting in between",
        Arc::new(protocol::Copied::new(batches)) as Arc<dyn Speech + Sync>,
    )?;
    let inserted = way(
        "PostgreSQL, INSERT",
        "inserted",
        "INSERT INTO inserted SELECT $1::int4, $2::int4, * FROM \
         unnest($3::text[], $4::text[], $5::text[], $6::date[], $7::int4[])",
        "prepared INSERT of arrays by unnest, binary",
        Arc::new(protocol::Inserted::new(batches)),
    )?;
    Ok([copied, inserted])
}

/// The folder of the newest version's programs.
fn programs() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let newest = folders.filter(|folder| folder.join("postgres").is_file()).max();
    newest.with_context(|| {
        format!("there is no postgres in {VERSIONS}; this installs all: {INSTALL}")
    })
}

impl Cluster {
    fn start(programs: &Path, folder: &Path, agencies: u32) -> anyhow::Result<Self> {
        let (client, port, data) = (program("psql", &[])?, free_port()?, folder.join("postgres"));
        std::fs::create_dir(&data)?;
        let owner = Owner::of(&data)?;
        let mut init = owner.command(&programs.join("initdb"));
        init.args(["--auth", "trust", "--username", USER, "--encoding", "UTF8", "--locale", "C"]);
        said(init.arg("--pgdata").arg(&data))?;
        let mut serve = owner.command(&programs.join("postgres"));
        serve.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        // No other way in, and no file outside of the folder.
        serve.args(["-c", "unix_socket_directories=", "-c"]);
        serve.arg(format!("max_connections={}", agencies + CONNECTIONS_SPARE));
        for setting in SETTINGS {
            serve.args(["-c", setting]);
        }
        serve.arg("-D").arg(&data);
        let log = folder.join("postgres.log");
        // Its immediate shutdown: nothing has to be kept.
        let mut server = Server::start("PostgreSQL", serve, log, Signal::QUIT)?;
        server.ready(|_| sql(&client, port, "SELECT 1").ok())?;
        let cluster = Self { _server: server, port, client };
        cluster.sql(FILL)?;
        cluster.sql("CHECKPOINT")?;
        Ok(cluster)
    }

    fn sql(&self, statement: &str) -> anyhow::Result<String> {
        sql(&self.client, self.port, statement)
    }
}

fn sql(client: &Path, port: u16, statement: &str) -> anyhow::Result<String> {
    let mut psql = Command::new(client);
    psql.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--username", USER]);
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", statement]);
    said(&mut psql)
}

/// Who runs the server, when root can't.
struct Owner {
    ids: Option<(u32, u32)>,
}

impl Owner {
    /// Gives the folder to whoever will run the server.
    fn of(folder: &Path) -> anyhow::Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { ids: None });
        }
        let id = |flag| -> anyhow::Result<u32> {
            Ok(said(Command::new("id").args([flag, USER]))?.parse()?)
        };
        let (user, group) = (id("-u")?, id("-g")?);
        chown(folder, Some(user), Some(group))?;
        Ok(Self { ids: Some((user, group)) })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            // Whoever starts this may stand in a folder that the other user can't see.
            command.uid(user).gid(group).current_dir("/");
        }
        command
    }
}

impl Peer for Postgres {
    fn about(&self) -> &About {
        &self.about
    }

    fn connect(&mut self, agency: u32) -> anyhow::Result<Line> {
        let stream = protocol::prepared(self.cluster.port, self.statement)?;
        Line::tcp(agency, stream, Arc::clone(&self.speech))
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.cluster.sql("CHECKPOINT").map(drop)
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        batches_of(&self.cluster.sql(&format!("SELECT count(*) FROM {}", self.table))?)
    }
}
