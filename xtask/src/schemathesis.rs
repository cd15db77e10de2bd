//! `cargo xtask schemathesis`: made-up requests to every path of the API's description.
//!
//! A central with an admin's token, asked all that the description allows and much that it does
//! not: it must answer each request as described, and none with a failure of its own. Schemathesis
//! is installed, of one version, when it is not there.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::python;
use crate::steps::{cargo, root};

const VERSION: &str = "schemathesis==4.32.5";
const BUILD: &[&str] = &["build", "--locked", "--package", "bolillero"];
const PROGRAM: &str = "target/debug/bolillero";
/// What is held against each answer. What a status should have been is for our own tests.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,unsupported_method";
/// It would revoke the token that it asks with.
const NOT_ASKED: &str = "/api/v1/tokens/{id}";

/// The central; ended when dropped.
struct Central(Child);

pub(crate) fn run(examples: u32, seed: u32) -> anyhow::Result<()> {
    let schemathesis = python::installed("schemathesis", VERSION, &[])?.join("bin/schemathesis");
    cargo(BUILD, None)?;
    let folder = new_folder()?;
    let program = root().join(PROGRAM);
    let bolillero = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).arg("--data").arg(&folder);
        command
    };
    add_admin(bolillero(&["operator", "add", "admin", "--role", "admin", "--password-stdin"]))?;
    let give = ["operator", "token", "admin", "--label", "schemathesis", "--days", "1"];
    let given = bolillero(&give).output().context("bolillero could not be started")?;
    let token = String::from_utf8(given.stdout)?;
    // Free now, and nobody else here asks for ports.
    let http = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let log = std::fs::File::create(folder.join("log"))?;
    let serve = ["serve", "--listen", "127.0.0.1:0", "--http", &http];
    let serving = bolillero(&serve).stderr(log).spawn().context("the central did not start")?;
    let _central = Central(serving);
    let asked = Command::new(schemathesis)
        .current_dir(&folder)
        .args(["run", &format!("http://{http}/api/v1/openapi.json"), "--wait-for-schema", "30"])
        .args(["--header", &format!("Authorization: Bearer {}", token.trim_end())])
        .args(["--checks", CHECKS, "--warnings", "off", "--no-color"])
        .args(["--exclude-path", NOT_ASKED])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &examples.to_string(), "--seed", &seed.to_string()])
        .status();
    if !asked.context("schemathesis could not be started")?.success() {
        bail!("an answer is not as described: see above; replay with --seed {seed}");
    }
    Ok(())
}

/// An empty data folder.
fn new_folder() -> anyhow::Result<PathBuf> {
    let folder = root().join("target/schemathesis-data");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn add_admin(mut add: Command) -> anyhow::Result<()> {
    let mut adding = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let stdin = adding.stdin.take().context("it has an input")?;
    writeln!(&stdin, "the password of nobody")?;
    drop(stdin);
    if !adding.wait()?.success() {
        bail!("the admin could not be added");
    }
    Ok(())
}

impl Drop for Central {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
