//! `cargo xtask clients`: the client in Python, as its users install it, against the tree's central.

use std::path::Path;
use std::process::Command;

use crate::program;
use crate::python;
use crate::steps::{Program, root, succeed, target};

const BOLILLERO: Program = Program { example: "seeds", binary: Some("bolillero") };
/// What checks the types, and what builds the package.
const TOOLS: &str = "mypy==2.4.1\nflit_core==4.2.0\n";
/// The package anew, built with what is there.
const INSTALL: [&str; 6] = [
    "install",
    "--quiet",
    "--force-reinstall",
    "--no-deps",
    "--no-build-isolation",
    "clients/python",
];

pub(crate) fn run() -> anyhow::Result<()> {
    succeed(BOLILLERO.build())?;
    let environment = python::installed("clients", TOOLS, &[])?;
    let tool = |name: &str| at_root(&environment.join("bin").join(name));
    let mut install = tool("pip");
    install.args(INSTALL);
    program::run(install)?;
    // The tests see the installed package: its types have to be installed with it.
    for checked in ["clients/python/bolillero", "clients/python/tests"] {
        let mut types = tool("mypy");
        types.args(["--config-file", "clients/python/pyproject.toml", "--cache-dir"]);
        types.arg(target().join("python/mypy")).arg(checked);
        succeed(types)?;
    }
    let mut tests = tool("python");
    tests.args(["-B", "-X", "dev", "-W", "error", "-m", "unittest", "discover"]);
    tests.args(["-s", "clients/python/tests"]).env("BOLILLERO_BIN", BOLILLERO.path());
    succeed(tests)
}

fn at_root(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}
