//! Runs the program as child processes, and reads what its files hold.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod http;
pub mod raw;
pub mod tools;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};

/// Timeout for everything: a test fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a command that runs the program.
pub fn bolillero() -> Command {
    without_settings(Command::new(env!("CARGO_BIN_EXE_bolillero")))
}

/// Returns the command without settings from the test runner's environment.
pub fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BOLILLERO_") {
            command.env_remove(name);
        }
    }
    for name in ["LC_ALL", "LC_MESSAGES", "LANG", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]
    {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> Output {
    let output = output_of(bolillero().args(args));
    let message = text(&output.stderr);
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    output
}

/// Returns the output and status of a command. One that does not end is killed and fails the test.
pub fn output_of(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (sender, ended) = channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    ended.recv_timeout(5 * PATIENCE).map(Result::unwrap).unwrap_or_else(|_| {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("it does not end: {command:?}")
    })
}

/// Runs the program, checks that it succeeds, and returns its standard output.
pub fn run_well(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs the program with the given standard input.
pub fn with_input(args: &[&str], input: &str) -> Output {
    let mut command = bolillero();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that rejects its arguments reads no input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn str(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns the lines `records`, `ledger` and `chain` of what a command printed.
pub fn anchor(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter_map(|line| {
        let (word, rest) = line.split_once(' ')?;
        let value = rest.trim().split([' ', ',']).next()?;
        ["records", "ledger", "chain"].contains(&word).then(|| format!("{word} {value}"))
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 3, "{printed}");
    lines
}

/// Checks that a command failed with this exit code, and that its message has these parts.
pub fn refused(output: &Output, code: i32, parts: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}{}", text(&output.stdout));
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

/// A running child process of the program; killed when dropped.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// The log lines read so far.
    pub log: Vec<String>,
    stdout: Option<JoinHandle<String>>,
}

/// How a process ended.
pub struct Ended {
    /// `None` when a signal ended the process.
    pub code: Option<i32>,
    pub stdout: String,
    pub log: Vec<String>,
}

impl Process {
    pub fn start(args: &[&str]) -> Self {
        Self::start_with(&[], args)
    }

    /// Starts the program with environment variables.
    pub fn start_with(environment: &[(&str, &str)], args: &[&str]) -> Self {
        let mut command = bolillero();
        command.args(args).envs(environment.iter().copied());
        Self::of(command)
    }

    /// Starts the program under a limit, given as arguments of `ulimit`.
    pub fn start_within(limit: &str, args: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_bolillero");
        let mut command = Command::new("sh");
        let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
        command.args(["-c", &script, program]).args(args).stdin(Stdio::null());
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut out = child.stdout.take().unwrap();
        let stdout = thread::spawn(move || {
            let mut printed = String::new();
            out.read_to_string(&mut printed).unwrap();
            printed
        });
        Self { child, lines, log: Vec::new(), stdout: Some(stdout) }
    }

    /// Waits for a log line that contains `part` and returns it.
    pub fn wait_for(&mut self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(why) => panic!("'{part}' was not logged ({why}): {:#?}", self.log),
            }
        }
    }

    /// Waits for `count` log lines that contain `part`.
    pub fn wait_for_many(&mut self, part: &str, count: usize) {
        (0..count).for_each(|_| drop(self.wait_for(part)));
    }

    /// Discards the lines logged so far.
    pub fn forget_log(&mut self) {
        self.log.clear();
        while self.lines.try_recv().is_ok() {}
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Returns the process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Kills the process with SIGKILL and returns its log.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.end().log
    }

    /// Sends SIGTERM and waits for the process to end.
    pub fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits for the process to end, and checks that it did not panic.
    pub fn ended(mut self) -> Ended {
        let ended = self.end();
        assert!(!ended.log.iter().any(|line| line.contains("panicked")), "{:#?}", ended.log);
        ended
    }

    fn end(&mut self) -> Ended {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.log),
            }
        }
        let code = self.child.wait().unwrap().code();
        let stdout = self.stdout.take().unwrap().join().unwrap();
        Ended { code, stdout, log: std::mem::take(&mut self.log) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Repeats a question until it has an answer.
#[expect(clippy::disallowed_methods, reason = "of what nobody reports when it is so")]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Some(answer) => return answer,
            None if start.elapsed() > PATIENCE => panic!("{what}: it never came"),
            None => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// A running central.
pub struct Central {
    pub process: Process,
    pub address: String,
}

impl Central {
    /// Starts a central and waits until it listens.
    pub fn start(data: &Path, listen: &str, more: &[&str]) -> Self {
        let mut args = vec!["serve", "--listen", listen, "--data", str(data)];
        args.extend(more);
        Self::listening(Process::start(&args))
    }

    /// Starts a central for a draw with one agency. Its segments are short, so that there are soon
    /// many.
    pub fn of_short_segments(data: &Path, draw: &str) -> Self {
        let more = ["--agencies", "1", "--segment-len", "98304", "--winning-number", "7"];
        Self::start(data, "127.0.0.1:0", &[&more[..], &["--draw", draw]].concat())
    }

    /// Waits until the central of a process listens.
    pub fn listening(mut process: Process) -> Self {
        let line = process.wait_for("action: listen | result: success");
        let address = line.split("address: ").nth(1).unwrap().to_owned();
        Self { process, address }
    }
}

/// Raises this process's limit of open files.
pub fn allow_descriptors(wanted: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    assert!(most >= wanted, "the hard limit of open files is {most}; {wanted} are needed");
    limit.current = Some(limit.current.unwrap_or(u64::MAX).max(wanted));
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Returns an address for a process that is restarted on it. No other test binds or connects from
/// its host meanwhile, so its port stays free.
pub fn free_address() -> String {
    static HOST: AtomicU8 = AtomicU8::new(1);
    let host = [127, 0, 1, HOST.fetch_add(1, Ordering::Relaxed)];
    TcpListener::bind(SocketAddr::from((host, 0))).unwrap().local_addr().unwrap().to_string()
}

/// Starts an agency that logs each batch.
pub fn agency(id: u32, central: &str, bets: &Path, more: &[&str]) -> Process {
    let id = id.to_string();
    let mut args = vec!["agency", "--id", &id, "--central", central, "--bets", str(bets)];
    args.extend(["--log-level", "debug"]);
    args.extend(more);
    Process::start(&args)
}

/// Five files of bets, their lines and the winning number.
pub struct Bets {
    pub files: Vec<PathBuf>,
    /// The lines of each agency's file.
    pub lines: BTreeMap<u32, Vec<String>>,
    pub winning_number: String,
}

impl Bets {
    /// Generates bets. The winning number is that of the first bet, so that there are winners.
    pub fn generated(folder: &Path, count: u32) -> Self {
        let count = count.to_string();
        run_well(&["generate", "--agencies", "5", "--bets", &count, "--out", str(folder)]);
        let first = std::fs::read_to_string(folder.join("agency-1.csv")).unwrap();
        let winning_number = first.lines().next().unwrap().rsplit(',').next().unwrap().to_owned();
        Self::in_folder(folder, winning_number)
    }

    /// Checks that each agency's stored bets, sorted, are those of its file.
    pub fn are_all_in(&self, stored: &BTreeMap<u32, Vec<String>>) {
        for (agency, lines) in &self.lines {
            let mut expected = lines.clone();
            expected.sort_unstable();
            let found = stored.get(agency).cloned().unwrap_or_default();
            assert!(found == expected, "agency {agency}: {} of {}", found.len(), expected.len());
        }
    }

    pub fn in_folder(folder: &Path, winning_number: String) -> Self {
        let file = |agency| folder.join(format!("agency-{agency}.csv"));
        let lines = |agency| {
            let content = std::fs::read_to_string(file(agency)).unwrap();
            content.lines().map(str::to_owned).collect()
        };
        Self {
            files: (1..=5).map(file).collect(),
            lines: (1..=5).map(|agency| (agency, lines(agency))).collect(),
            winning_number,
        }
    }

    pub fn file(&self, agency: u32) -> &Path {
        &self.files[agency as usize - 1]
    }

    pub fn count(&self) -> usize {
        self.lines.values().map(Vec::len).sum()
    }

    /// Checks that an agency succeeded and printed exactly its winners.
    pub fn are_printed_by(&self, agency: u32, ended: &Ended) {
        assert_eq!(ended.code, Some(0), "agency {agency}: {:#?}", ended.log);
        let mut printed: Vec<_> = ended.stdout.lines().collect();
        let mut expected = self.winners(agency);
        // The order is the ledger's, which differs from the file's if batches overtook each other.
        printed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(printed, expected, "agency {agency}");
    }

    /// Returns the lines that an agency should print.
    pub fn winners(&self, agency: u32) -> Vec<String> {
        let fields = self.lines[&agency].iter().map(|line| line.split(',').collect::<Vec<_>>());
        let winning = fields.filter(|fields| fields[4] == self.winning_number);
        winning.map(|fields| fields[2].to_owned()).collect()
    }
}

/// Makes a data folder with a completed draw of five agencies; returns it and the bets.
pub fn drawn(folder: &Path, bets: u32) -> (PathBuf, Bets) {
    let (data, bets) = (folder.join("data"), Bets::generated(&folder.join("bets"), bets));
    let more = ["--agencies", "5", "--winning-number", &bets.winning_number];
    let central = Central::start(&data, "127.0.0.1:0", &more);
    let agencies = (1..=5).map(|id| agency(id, &central.address, bets.file(id), &[]));
    for running in agencies.collect::<Vec<_>>() {
        assert_eq!(running.ended().code, Some(0));
    }
    assert_eq!(central.process.terminate().code, Some(0));
    (data, bets)
}

/// Returns the bets of a ledger with one draw, by agency: each as a line of a file, sorted.
pub fn exported(data: &Path) -> BTreeMap<u32, Vec<String>> {
    exported_by(&["export", "--data", str(data)])
}

/// Returns the bets of one of several draws, as [`exported`] does.
pub fn exported_draw(data: &Path, draw: &str) -> BTreeMap<u32, Vec<String>> {
    exported_by(&["export", "--data", str(data), "--draw", draw])
}

pub fn exported_by(export: &[&str]) -> BTreeMap<u32, Vec<String>> {
    let printed = run_well(&[export, &["--format", "csv"]].concat());
    let mut lines = printed.lines();
    let header = "agency,chunk,position,first_name,last_name,document,birthdate,number";
    assert_eq!(lines.next(), Some(header));
    let mut by_agency: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for line in lines {
        let [agency, _, _, bet]: [&str; 4] =
            line.splitn(4, ',').collect::<Vec<_>>().try_into().unwrap();
        by_agency.entry(agency.parse().unwrap()).or_default().push(bet.to_owned());
    }
    by_agency.values_mut().for_each(|bets| bets.sort_unstable());
    by_agency
}
