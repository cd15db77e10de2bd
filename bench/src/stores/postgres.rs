//! PostgreSQL: the bets of a batch as rows, a transaction a batch, by COPY.

mod protocol;

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use rustix::process::{Signal, geteuid};

use super::{Started, Store, batches_of};
use crate::server::{Server, free_address, port_of, program, said};
use crate::setting::Setting;
use crate::speech::Connection;

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

const TABLE: &str = "CREATE TABLE bets (agency int4, chunk int4, first_name text, last_name text, \
                     document text, birthdate date, number int4)";

struct Postgres {
    _server: Server,
    address: String,
    client: PathBuf,
    copies: Rc<protocol::Copies>,
}

pub(super) fn start(setting: &Setting, agencies: u32) -> anyhow::Result<Option<Started>> {
    let (Some(programs), Some(client)) = (newest(), program("psql")) else { return Ok(None) };
    let version = said(Command::new(programs.join("postgres")).arg("--version"))?;
    let (address, data) = (free_address()?, setting.path("postgres"));
    std::fs::create_dir(&data)?;
    let owner = Owner::of(&data)?;
    let mut init = owner.command(&programs.join("initdb"));
    init.args(["--auth", "trust", "--username", USER, "--encoding", "UTF8", "--locale", "C"]);
    said(init.arg("--pgdata").arg(&data))?;
    let mut serve = owner.command(&programs.join("postgres"));
    serve.args(["-p", port_of(&address), "-c", "listen_addresses=127.0.0.1"]);
    // No other way in, and no file outside of the folder.
    serve.args(["-c", "unix_socket_directories=", "-c"]);
    serve.arg(format!("max_connections={}", agencies + CONNECTIONS_SPARE));
    for setting in SETTINGS {
        serve.args(["-c", setting]);
    }
    serve.arg("-D").arg(&data);
    // Its immediate shutdown: nothing has to be kept.
    let mut server = Server::start("PostgreSQL", serve, Signal::QUIT)?;
    server.ready(|_| sql(&client, &address, "SELECT 1").ok())?;
    for statement in [TABLE, FILL, "CHECKPOINT"] {
        sql(&client, &address, statement)?;
    }
    let about = format!(
        "{version}; a row a bet, by COPY, sent whole without waiting in between; CHECKPOINT \
         between measurements; {}",
        SETTINGS.join(" ")
    );
    let copies = Rc::new(protocol::Copies::new(&setting.typical));
    let store = Box::new(Postgres { _server: server, address, client, copies });
    Ok(Some(Started { name: "PostgreSQL, COPY", about, store }))
}

/// The folder of the newest version's programs.
fn newest() -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    folders.filter(|folder| folder.join("postgres").is_file()).max()
}

fn sql(client: &Path, address: &str, statement: &str) -> anyhow::Result<String> {
    let mut psql = Command::new(client);
    psql.args(["--host", "127.0.0.1", "--port", port_of(address), "--username", USER]);
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

impl Store for Postgres {
    fn connect(&mut self, _: u32) -> anyhow::Result<Connection> {
        let stream = Box::new(protocol::started(&self.address)?);
        Ok(Connection { stream, speech: self.copies.clone() })
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        sql(&self.client, &self.address, "CHECKPOINT").map(drop)
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        batches_of(&sql(&self.client, &self.address, "SELECT count(*) FROM bets")?)
    }
}
