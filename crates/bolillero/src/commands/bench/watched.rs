//! What the console costs agencies: the same load with nobody watching and with boards open, in
//! turns. Whoever watches does so from this machine too.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

use super::super::processes::Central;
use super::intake::{Slice, connect, end};
use super::load::Plan;

/// Boards that are open.
pub(super) const WATCHERS: usize = 10;
const NAME: &str = "mira";
const PASSWORD: &str = "a password of no worth";

/// One turn.
pub(super) struct Turn {
    pub(super) alone: Slice,
    pub(super) watched: Slice,
}

impl Turn {
    /// Measures a turn of agencies that send by the plan; who goes first is the caller's to change
    /// from turn to turn.
    pub(super) async fn measure(
        folder: &Path,
        agencies: u32,
        plan: &Plan,
        watched_first: bool,
    ) -> anyhow::Result<Self> {
        if watched_first {
            let watched = watched(folder, agencies, plan).await?;
            Ok(Self { alone: Slice::measure(folder, agencies, plan).await?, watched })
        } else {
            let alone = Slice::measure(folder, agencies, plan).await?;
            Ok(Self { alone, watched: watched(folder, agencies, plan).await? })
        }
    }
}

async fn watched(folder: &Path, agencies: u32, plan: &Plan) -> anyhow::Result<Slice> {
    let data = folder.join("watched");
    let http = tokio::task::block_in_place(|| {
        add_operator(&data)?;
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        anyhow::Ok(free.to_string())
    })?;
    let central = Central::start(&data, agencies, &["--http", &http]).await?;
    let watching = tokio::task::block_in_place(|| watch(&http))?;
    let mut fleet = connect(&central, agencies)?;
    let slice = Slice::of(&central, &mut fleet, plan).await?;
    drop(fleet);
    end(central, &data).await?;
    for board in watching {
        let seen = board.join().map_err(|_| anyhow::anyhow!("a board broke off"))?;
        ensure!(seen > 0, "a board was never shown");
    }
    Ok(slice)
}

fn add_operator(data: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("can't find this program")?;
    let mut command = Command::new(program);
    command.args(["operator", "add", NAME, "--role", "viewer", "--password-stdin", "--data"]);
    let mut adding = command.arg(data).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    writeln!(adding.stdin.take().context("it reads nothing")?, "{PASSWORD}")?;
    ensure!(adding.wait()?.success(), "the operator could not be added");
    Ok(())
}

/// Opens the boards; each gives how much it was shown once the central ends it.
fn watch(http: &str) -> anyhow::Result<Vec<std::thread::JoinHandle<usize>>> {
    let login = format!("{{\"name\":\"{NAME}\",\"password\":\"{PASSWORD}\"}}");
    let head = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{login}",
        login.len()
    );
    let (_, head) = asked(http, &head)?;
    let cookie = head.iter().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|line| line.split(';').next()).context("nobody is logged in")?;
    let ask = format!("GET /board/events HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n");
    let boards = (0..WATCHERS).map(|_| {
        let (mut board, _) = asked(http, &ask)?;
        anyhow::Ok(std::thread::spawn(move || {
            let (mut seen, mut part) = (0, [0; 16 * 1024]);
            while let Ok(len @ 1..) = board.read(&mut part) {
                seen += len;
            }
            seen
        }))
    });
    boards.collect()
}

/// Sends a request; gives what follows the head of its answer, and that head.
fn asked(http: &str, request: &str) -> anyhow::Result<(impl std::io::Read + use<>, Vec<String>)> {
    let mut stream = TcpStream::connect(http)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = BufReader::new(stream).take(u64::MAX);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if answer.read_line(&mut line)? == 0 {
            bail!("the console closed the connection");
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    ensure!(head.first().is_some_and(|line| line.contains(" 200 ")), "refused: {head:?}");
    Ok((answer, head))
}
