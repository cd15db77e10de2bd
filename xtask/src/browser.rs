//! `cargo xtask browser`: the console in a real browser; `cargo xtask screenshots`: its pictures.
//!
//! axe-core, which checks that a screen reader can read the pages, comes in a Python package.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::python;
use crate::steps::cargo;

const TESTS: &str = "test --workspace --locked --test browser -- --ignored";

/// The test that looks at every page, and leaves a picture of each.
const PICTURES: &str =
    "test --workspace --locked --test browser -- --ignored every_page_is_accessible";

const INSTALL: &str = "the console is tested in a browser; install it: apt-get install chromium \
                       chromium-driver";

/// Brings axe-core 4.12.1.
const AXE: &str = "axe-playwright-python==0.1.8 \
    --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8\n";

/// Runs all tests in a browser.
pub(crate) fn run() -> anyhow::Result<()> {
    tested(TESTS)
}

/// Takes a picture of every page.
pub(crate) fn screenshots() -> anyhow::Result<()> {
    tested(PICTURES)
}

fn tested(tests: &str) -> anyhow::Result<()> {
    let driver = Command::new("chromedriver").arg("--version").output();
    ensure!(driver.is_ok_and(|it| it.status.success()), INSTALL);
    let axe = axe()?;
    cargo(tests, Some(("AXE", axe.to_str().context("the folder's name is text")?)))
}

/// Where axe-core is.
fn axe() -> anyhow::Result<PathBuf> {
    // Only its file is needed: no browser of its own.
    let environment = python::installed("axe", AXE, &["--no-deps"])?;
    let mut versions = std::fs::read_dir(environment.join("lib"))?;
    let version = versions.next().context("an environment has a folder of packages")??;
    Ok(version.path().join("site-packages/axe_playwright_python/axe.min.js"))
}
