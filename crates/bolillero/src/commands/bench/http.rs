//! Whoever looks at a central over HTTP while it is measured.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

const NAME: &str = "mira";
const PASSWORD: &str = "a password of no worth";

/// Adds who may look, before the central is started.
pub(super) fn add_viewer(data: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("can't find this program")?;
    let mut command = Command::new(program);
    command.args(["operator", "add", NAME, "--role", "viewer", "--password-stdin", "--data"]);
    let mut adding = command.arg(data).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    writeln!(adding.stdin.take().context("it reads nothing")?, "{PASSWORD}")?;
    ensure!(adding.wait()?.success(), "the operator could not be added");
    Ok(())
}

/// One that nobody listens on yet.
pub(super) fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Logs in; gives the line of a request's head that says so.
pub(super) fn log_in(http: &str) -> anyhow::Result<String> {
    let login = format!("{{\"name\":\"{NAME}\",\"password\":\"{PASSWORD}\"}}");
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{login}",
        login.len()
    );
    let (_, head) = asked(http, &request)?;
    let cookie = head.iter().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|line| line.split(';').next()).context("nobody is logged in")?;
    Ok(format!("Cookie: {cookie}"))
}

/// Sends a request; gives what follows the head of its answer, and that head.
pub(super) fn asked(
    http: &str,
    request: &str,
) -> anyhow::Result<(impl std::io::Read + use<>, Vec<String>)> {
    let mut stream = TcpStream::connect(http)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = BufReader::new(stream).take(u64::MAX);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if answer.read_line(&mut line)? == 0 {
            bail!("the central closed the connection");
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    ensure!(head.first().is_some_and(|line| line.contains(" 200 ")), "refused: {head:?}");
    Ok((answer, head))
}
