//! `cargo xtask browser`: the console in a real browser.

use std::process::Command;

use anyhow::ensure;

use crate::steps::cargo;

const TEST: &[&str] =
    &["test", "--locked", "--package", "bolillero", "--test", "browser", "--", "--ignored"];

const INSTALL: &str = "the console is tested in a browser; install it: apt-get install chromium \
                       chromium-driver";

pub(crate) fn run() -> anyhow::Result<()> {
    let driver = Command::new("chromedriver").arg("--version").output();
    ensure!(driver.is_ok_and(|it| it.status.success()), INSTALL);
    cargo(TEST, None)
}
