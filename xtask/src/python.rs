//! Python packages that checks need, each in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::steps::root;

/// The environment of a package, made anew when another requirement was installed in it.
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
    well(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .context("needs Python with venv; on Debian: apt-get install python3-venv")?;
    std::fs::write(&asked, requirement)?;
    let mut pip = Command::new(folder.join("bin/pip"));
    well(pip.args(["install", "--quiet"]).args(options).arg("--requirement").arg(&asked))?;
    std::fs::rename(asked, kept)?;
    Ok(folder)
}

fn well(command: &mut Command) -> anyhow::Result<()> {
    let name = Path::new(command.get_program()).display().to_string();
    let status = command.status().with_context(|| format!("{name} could not be started"))?;
    if status.success() { Ok(()) } else { bail!("{name}: {status}") }
}
