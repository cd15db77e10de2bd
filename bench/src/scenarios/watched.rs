//! What the console costs agencies: the same load with boards open, and alone. Whoever watches does
//! so from this machine too.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use anyhow::{Context as _, anyhow, ensure};

use super::{AGENCIES, Scenario, WINDOW, intake};
use crate::central::{Central, Start};
use crate::figures::Group;
use crate::load::Plan;
use crate::rounds::{self, Case, Slice};
use crate::server::free_address;
use crate::setting::Setting;

const BOARDS: usize = 10;
const NAME: &str = "mira";
const PASSWORD: &str = "a password of no worth";

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Group> {
    let plan = |time| Plan::lasting(time, &setting.typical, WINDOW);
    let cases = vec![
        Case::new("ten boards open", |time| watched(setting, &plan(time))),
        Case::new("alone", |time| intake::slice(setting, &Start::of(AGENCIES), &plan(time))),
    ];
    let cases = rounds::measure(setting, cases)?;
    Ok(Group::new(Scenario::Watched, (AGENCIES, WINDOW), &setting.typical, cases))
}

fn watched(setting: &Setting, plan: &Plan) -> anyhow::Result<Slice> {
    add_viewer(setting)?;
    let http = free_address()?;
    let start = Start::of(AGENCIES).with(&["--http", &http]);
    let central = Central::start(setting, &plan.batches, &start)?;
    let cookie = log_in(&http)?;
    let request = format!("GET /board/events HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n");
    let mut boards = Vec::new();
    for _ in 0..BOARDS {
        let (http, request) = (http.clone(), request.clone());
        // The central ends it.
        boards.push(std::thread::spawn(move || answer(&http, &request)));
    }
    let mut fleet = central.fleet(AGENCIES)?;
    let slice = central.slice(&mut fleet, plan)?;
    drop(fleet);
    central.end()?;
    for board in boards {
        let shown = board.join().map_err(|_| anyhow!("a board broke off"))??;
        ensure!(shown.contains("\ndata:"), "a board was never shown: {shown}");
    }
    Ok(slice)
}

/// Adds who may look, before the central is started.
fn add_viewer(setting: &Setting) -> anyhow::Result<()> {
    let mut command = setting.bolillero();
    command.args(["operator", "add", NAME, "--role", "viewer", "--password-stdin", "--data"]);
    command.arg(Central::data(setting)).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut adding = command.spawn()?;
    writeln!(adding.stdin.take().context("it reads nothing")?, "{PASSWORD}")?;
    ensure!(adding.wait()?.success(), "the operator could not be added");
    Ok(())
}

/// Logs in; gives the cookie that says so.
fn log_in(http: &str) -> anyhow::Result<String> {
    let login = format!("{{\"name\":\"{NAME}\",\"password\":\"{PASSWORD}\"}}");
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{login}",
        login.len()
    );
    let answer = answer(http, &request)?;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|line| line.split(';').next());
    Ok(cookie.with_context(|| format!("nobody is logged in: {answer}"))?.to_owned())
}

/// All that a request is answered until the central closes the connection.
fn answer(http: &str, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(http)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
