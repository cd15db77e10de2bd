//! Python packages that checks need, each in an environment of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::program::run;
use crate::steps::root;

/// Returns the environment of a package; makes it anew when another requirement was installed in it.
pub(crate) fn installed(
    name: &str,
    requirement: &str,
    options: &[&str],
) -> anyhow::Result<PathBuf> {
    let folder = root().join("target/python").join(name);
    let (asked, kept) = (folder.join("asked.txt"), folder.join("installed.txt"));
    if std::fs::read_to_string(&kept).is_ok_and(|kept| kept == requirement) {
        return Ok(folder);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    run(venv).context("needs Python with venv; on Debian: apt-get install python3-venv")?;
    std::fs::write(&asked, requirement)?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet"]).args(options).arg("--requirement").arg(&asked);
    run(pip)?;
    std::fs::rename(asked, kept)?;
    Ok(folder)
}
