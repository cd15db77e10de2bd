//! Real PostgreSQL servers for tests and benchmarks, each in a temporary folder: in memory, or in the
//! folder that is asked for.
//!
//! A [`Cluster`] is a primary and its standbys. Servers are killed when it is dropped, and by the
//! kernel when the test's process ends.
//!
//! Everything panics when it fails: this is test code.
#![expect(clippy::unwrap_used, reason = "the whole crate is test code")]

mod disk;
mod proxy;

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

pub use disk::{Disk, has_disks};
pub use proxy::Proxy;

/// Where Debian keeps the programs, a folder a version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Who runs a server instead of root, who may not; Debian's package makes this user.
const USER: &str = "postgres";
/// When this variable is set, as in CI, no test may be left out.
const NOTHING_LEFT_OUT: &str = "CI";
/// Longest wait for something that a server does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings where nothing else is asked for.
const SETTINGS: &[&str] =
    &["wal_keep_size=256MB", "max_wal_size=256MB", "shared_buffers=64MB", "max_wal_senders=8"];

/// What the names of the servers' folders begin with, before the test's process.
const PREFIX: &str = "bolillero-postgres-";

/// A primary and its standbys.
pub struct Cluster {
    // Dropped in this order: the servers are found by their folders.
    servers: Vec<Server>,
    folder: TempDir,
}

/// A server.
pub struct Server {
    name: String,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    process: Option<Child>,
}

/// Returns whether PostgreSQL is installed. If not, prints that the test is left out; where the
/// variable CI is set, the test fails instead.
#[must_use]
pub fn is_installed() -> bool {
    if can_start() {
        return true;
    }
    leave_out(&format!(
        "{VERSIONS} is empty, or there is no setpriv: apt-get install postgresql util-linux"
    ))
}

#[expect(clippy::print_stderr, reason = "where tests say what they leave out")]
fn leave_out(missing: &str) -> bool {
    let all_asked_for = std::env::var_os(NOTHING_LEFT_OUT).is_some_and(|value| !value.is_empty());
    assert!(!all_asked_for, "{NOTHING_LEFT_OUT} is set, and {missing}");
    eprintln!("this test is left out, since {missing}");
    false
}

/// Returns whether all programs are there with which servers are started.
#[must_use]
pub fn can_start() -> bool {
    let setpriv = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status();
    newest().is_some() && setpriv.is_ok_and(|status| status.success())
}

/// The folder of the newest version's programs.
fn newest() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    folders.filter(|folder| folder.join("postgres").is_file()).max()
}

/// Returns a cluster of one server that all tests of a process share, or `None` where PostgreSQL is
/// not installed.
pub fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(|| is_installed().then(Cluster::start)).as_ref()
}

impl Cluster {
    /// Starts a primary.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a primary with settings, such as `max_connections=20`.
    #[must_use]
    pub fn with(settings: &[&str]) -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self::within(&parent, settings)
    }

    /// Starts a primary with settings, in a folder that the servers' user can pass through.
    #[must_use]
    pub fn within(parent: &Path, settings: &[&str]) -> Self {
        remove_left_over(parent);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = TempDir::with_prefix_in(prefix, parent).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut primary = Server::in_folder(folder.path(), "primary");
        let mut init = program("initdb");
        init.args(["--auth", "trust", "--username", USER, "--encoding", "UTF8", "--locale", "C"]);
        // What is created is not waited for: a power cut would end those who use it too.
        run(init.args(["--no-sync", "--pgdata"]).arg(&primary.data));
        primary.configure(&[SETTINGS, settings].concat());
        primary.start();
        Self { servers: vec![primary], folder }
    }

    /// Adds a standby of the server `of`; returns its number.
    pub fn add_standby(&mut self, name: &str, of: usize) -> usize {
        let mut standby = Server::in_folder(self.folder.path(), name);
        standby.follow(self.servers[of].port);
        self.servers.push(standby);
        self.servers.len() - 1
    }

    /// Makes a server that was killed a standby of another one, from nothing.
    pub fn rebuild(&mut self, number: usize, of: usize) {
        let server = &mut self.servers[number];
        assert!(server.process.is_none(), "{} runs", server.name);
        fs::remove_dir_all(&server.data).unwrap();
        let (name, port) = (server.name.clone(), server.port);
        let mut fresh = Server::in_folder(self.folder.path(), &name);
        fresh.port = port;
        self.servers[number] = fresh;
        let source = self.servers[of].port;
        self.servers[number].follow(source);
    }

    /// Returns a server by its number; the primary is 0.
    #[must_use]
    pub fn server(&self, number: usize) -> &Server {
        &self.servers[number]
    }

    /// Returns a server by its number, to change it.
    pub fn server_mut(&mut self, number: usize) -> &mut Server {
        &mut self.servers[number]
    }

    /// Returns the URL of a database at all servers.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let hosts = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port));
        let hosts: Vec<_> = hosts.collect();
        format!("postgres://{USER}@{}/{database}", hosts.join(","))
    }

    /// Creates a database with a name of its own, a copy of `template`, at the primary.
    #[must_use]
    pub fn create_database(&self, template: Option<&str>) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lottery_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let template = template.unwrap_or("template0");
        let create = format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'");
        self.servers[0].sql("postgres", &create);
        name
    }
}

impl Server {
    fn in_folder(folder: &Path, name: &str) -> Self {
        let data = folder.join(name);
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        if let Some((user, group)) = other_user() {
            chown(&data, Some(user), Some(group)).unwrap();
        }
        let log = folder.join(format!("{name}.log"));
        let port = free_port();
        Self { name: name.to_owned(), data, log, port, process: None }
    }

    /// Becomes a standby of the server on a port, with a copy of its data.
    fn follow(&mut self, port: u16) {
        let source = port.to_string();
        let mut copy = program("pg_basebackup");
        copy.args(["--host", "127.0.0.1", "--port", &source, "--username", USER]);
        copy.args(["--checkpoint", "fast", "--no-sync", "--write-recovery-conf"]);
        run(copy.args(["--wal-method", "stream", "--pgdata"]).arg(&self.data));
        let name = &self.name;
        let primary = format!(
            "primary_conninfo=host=127.0.0.1 port={source} user={USER} application_name={name}"
        );
        self.configure(&[&primary]);
        self.start();
    }

    /// Sets settings in the server's file; they are read when it starts or is reloaded.
    pub fn configure(&self, settings: &[&str]) {
        let path = self.data.join("postgresql.auto.conf");
        let mut text = fs::read_to_string(&path).unwrap_or_default();
        for setting in settings {
            let (name, value) = setting.split_once('=').unwrap();
            writeln!(text, "{name} = '{}'", value.trim_matches('\'').replace('\'', "''")).unwrap();
        }
        fs::write(&path, text).unwrap();
    }

    /// Starts the server, and waits until it takes connections.
    pub fn start(&mut self) {
        let start = now();
        // A server that was killed may leave things that end a moment later.
        loop {
            self.process = Some(self.spawn());
            loop {
                if self.try_sql("postgres", "SELECT 1").is_ok() {
                    return;
                }
                if self.process.as_mut().unwrap().try_wait().unwrap().is_some() {
                    break;
                }
                assert!(start.elapsed() < PATIENCE, "{}: {}", self.name, self.log_text());
                pause(Duration::from_millis(20));
            }
            assert!(start.elapsed() < PATIENCE, "{}: {}", self.name, self.log_text());
            pause(Duration::from_millis(100));
        }
    }

    fn spawn(&self) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        // The signal at its parent's end is at the end of the thread that started it: one that
        // lasts as long as the process.
        let mut serve = Command::new("setpriv");
        serve.args(["--pdeathsig", "QUIT"]).arg(newest().unwrap().join("postgres"));
        as_other_user(&mut serve);
        serve.arg("-D").arg(&self.data).args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            // A killed server's lock file would hinder the next.
            "unix_socket_directories=",
            // In its folder, which is removed.
            "dynamic_shared_memory_type=mmap",
        ] {
            serve.args(["-c", setting]);
        }
        serve.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        spawn_for_good(serve)
    }

    /// The port that it listens on, on the loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as the superuser; returns what it prints, unaligned.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        self.try_sql(database, statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// Runs SQL as the superuser.
    ///
    /// # Errors
    /// What psql says.
    pub fn try_sql(&self, database: &str, statement: &str) -> Result<String, String> {
        self.try_sql_as(USER, database, statement)
    }

    /// Runs SQL as a user.
    ///
    /// # Errors
    /// What psql says.
    pub fn try_sql_as(&self, user: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = program("psql");
        let port = self.port.to_string();
        psql.args(["--host", "127.0.0.1", "--port", &port, "--username", user, "-d", database]);
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set"]);
        psql.env("PGCONNECT_TIMEOUT", "5").args(["ON_ERROR_STOP=1", "--command", sql]);
        let done = psql.output().unwrap();
        if done.status.success() {
            return Ok(String::from_utf8(done.stdout).unwrap().trim_end().to_owned());
        }
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }

    /// Waits until a query prints `true`.
    pub fn until(&self, database: &str, query: &str) {
        let start = now();
        while self.try_sql(database, query).as_deref() != Ok("t") {
            assert!(start.elapsed() < PATIENCE, "{}: {query}: {}", self.name, self.log_text());
            pause(Duration::from_millis(20));
        }
    }

    /// Whether it runs. It may end by itself.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_none())
    }

    /// Kills it, as a power cut does.
    pub fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        // All its processes: those that are left would hold its memory.
        for process in self.processes() {
            let _ = kill_process(process, Signal::KILL);
        }
        process.wait().unwrap();
        let start = now();
        while !self.processes().is_empty() {
            assert!(start.elapsed() < PATIENCE, "{} does not end", self.name);
            pause(Duration::from_millis(5));
        }
    }

    /// Stops all its processes where they are, with their connections open.
    pub fn pause(&self) {
        for process in self.processes() {
            let _ = kill_process(process, Signal::STOP);
        }
    }

    /// Lets its processes go on.
    pub fn resume(&self) {
        for process in self.processes() {
            let _ = kill_process(process, Signal::CONT);
        }
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.sql("postgres", "SELECT pg_promote(true, 60)");
        self.until("postgres", "SELECT NOT pg_is_in_recovery()");
    }

    /// Makes its settings those of its file.
    pub fn reload(&self) {
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// The server's processes: those that stand in its folder.
    ///
    /// # Panics
    /// When there is no `/proc`.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let folders = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let process: i32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = fs::read_link(entry.path().join("cwd")).ok()?;
            Some((process, folder))
        });
        let own = folders.filter(|(_, folder)| *folder == self.data);
        own.filter_map(|(process, _)| Pid::from_raw(process)).collect()
    }

    fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        disk::unmount_in(&self.data);
    }
}

/// Removes the folders of processes that have ended.
fn remove_left_over(parent: &Path) {
    for entry in fs::read_dir(parent).unwrap().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let has_ended = |process| !Path::new("/proc").join(process).exists();
        if process.is_some_and(has_ended) {
            disk::unmount_in(&entry.path());
            // Another test may do the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Starts a process from a thread that lasts.
fn spawn_for_good(command: Command) -> Child {
    type Spawned = mpsc::Sender<std::io::Result<Child>>;
    static STARTER: OnceLock<mpsc::Sender<(Command, Spawned)>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, commands) = mpsc::channel::<(Command, Spawned)>();
        thread::spawn(move || {
            for (mut command, spawned) in commands {
                spawned.send(command.spawn()).unwrap();
            }
        });
        sender
    });
    let (spawned, started) = mpsc::channel();
    starter.send((command, spawned)).unwrap();
    started.recv().unwrap().unwrap()
}

fn program(name: &str) -> Command {
    let mut command = Command::new(newest().expect("PostgreSQL is installed").join(name));
    as_other_user(&mut command);
    command
}

fn as_other_user(command: &mut Command) {
    if let Some((user, group)) = other_user() {
        // Whoever starts this may stand in a folder that the other user can't see.
        command.uid(user).gid(group).current_dir("/");
    }
}

/// Who runs the servers, when root can't.
fn other_user() -> Option<(u32, u32)> {
    let id = |flag| {
        let id = Command::new("id").args([flag, USER]).output().unwrap();
        String::from_utf8(id.stdout).unwrap().trim().parse().unwrap()
    };
    geteuid().is_root().then(|| (id("-u"), id("-g")))
}

fn run(command: &mut Command) {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A port that nobody listens on now, and that the system does not give to others soon.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    // A port that was connected to stays reserved for a minute, except for listeners.
    let _client = TcpStream::connect(address).unwrap();
    drop(listener.accept().unwrap());
    address.port()
}

#[expect(clippy::disallowed_methods, reason = "how long a server takes is measured")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a server does not report what it has done")]
fn pause(time: Duration) {
    thread::sleep(time);
}
