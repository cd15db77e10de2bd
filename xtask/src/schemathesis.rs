//! `cargo xtask schemathesis`: made-up requests to every path of the API's description.
//!
//! Asks a central, with an admin's token, all that the description allows and much that it does
//! not. Each answer must be as described, and none a failure of the central's own. Schemathesis is
//! installed, in one version, when it is not there.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::program::{self, Process};
use crate::python;
use crate::steps::{Program, succeed, target};

const VERSION: &str = "schemathesis==4.32.5";
const BOLILLERO: Program = Program { example: "seeds", binary: Some("bolillero") };
/// What is checked of each answer. Which status is right is for our own tests.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,unsupported_method";
/// The first would revoke the token that it asks with, the second never ends.
const NOT_ASKED: [&str; 2] = ["/api/v1/tokens/{id}", "/api/v1/events"];

pub(crate) fn run(examples: u32, seed: u32) -> anyhow::Result<()> {
    let schemathesis = python::installed("schemathesis", VERSION, &[])?.join("bin/schemathesis");
    succeed(BOLILLERO.build())?;
    let folder = new_folder()?;
    let bolillero = |arguments: &[&str]| {
        let mut command = program::command(&BOLILLERO.path(), arguments);
        command.arg("--data").arg(folder.join("data"));
        command
    };
    let password = folder.join("password");
    fs::write(&password, "the password of nobody\n")?;
    let mut add = bolillero(&["operator", "add", "admin", "--role", "admin", "--password-stdin"]);
    add.stdin(File::open(password)?);
    program::run(add)?;
    let token = ["operator", "token", "admin", "--label", "schemathesis", "--days", "1"];
    let token = program::run(bolillero(&token))?;
    // Free now, and nobody else here asks for ports.
    let http = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let serve = bolillero(&["serve", "--listen", "127.0.0.1:0", "--http", &http]);
    let _central = Process::start(serve, &folder, "central")?;
    let asked = Command::new(schemathesis)
        .current_dir(&folder)
        .args(["run", &format!("http://{http}/api/v1/openapi.json"), "--wait-for-schema", "30"])
        .args(["--header", &format!("Authorization: Bearer {}", token.trim_end())])
        .args(["--checks", CHECKS, "--warnings", "off", "--no-color"])
        .args(NOT_ASKED.map(|path| ["--exclude-path", path]).as_flattened())
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &examples.to_string(), "--seed", &seed.to_string()])
        .status()
        .context("schemathesis could not be started")?;
    ensure!(asked.success(), "an answer is not as described: see above; replay with --seed {seed}");
    Ok(())
}

/// An empty folder, for the data and what the processes write.
fn new_folder() -> anyhow::Result<PathBuf> {
    let folder = target().join("schemathesis");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
