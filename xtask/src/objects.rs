//! `cargo xtask objects`: backups in a bucket, against a real server of the protocol of S3.
//!
//! Builds the program with the feature `s3`, for its tests alone: what other steps run is built
//! without. The server, moto, is a Python package, installed when it is not there.

use anyhow::Context as _;

use crate::python;
use crate::steps::cargo;

const MOTO: &str = "moto[server]==5.2.5\n";
const CLIPPY: &str =
    "clippy -p bolillero --features s3 --lib --test objects --locked -- -D warnings";
const TESTS: &str = "test -p bolillero --features s3 --test objects --locked";

pub(crate) fn run() -> anyhow::Result<()> {
    cargo(CLIPPY, None)?;
    let python = python::installed("moto", MOTO, &[])?.join("bin/python");
    let python = python.to_str().context("the folder's name is text")?;
    cargo(TESTS, Some(("MOTO_PYTHON", python)))
}
