//! `cargo xtask test`: all the tests.

use crate::steps;

pub(crate) fn run() -> anyhow::Result<()> {
    steps::step("test", || steps::cargo(&["test", "--workspace", "--locked"], None))
}
