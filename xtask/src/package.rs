//! `cargo xtask package`: the program as a Debian package, and the unit of systemd in it.
//!
//! dpkg-deb makes the package of a folder; cargo-deb would take longer to build than all of this.
//! The package is then installed, upgraded, removed and purged in a folder; its unit must stay
//! within an exposure, and allow what the program asks of the system.
//!
//! Deliberately absent: the unit under a running systemd, which a container does not have.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::program::run as printed;
use crate::steps::{BUILD_DIST, cargo, dist_program, root, target};

const UNIT: &str = "usr/lib/systemd/system/bolillero.service";
const STANDBY: &str = "usr/share/doc/bolillero/standby.conf";
const SETTINGS: &str = "etc/bolillero/central.toml";
const DATA: &str = "var/lib/bolillero";
/// The most exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE_MAX: &str = "--threshold=15";
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/bolillero"),
    ("zsh", "usr/share/zsh/vendor-completions/_bolillero"),
    ("fish", "usr/share/fish/vendor_completions.d/bolillero.fish"),
];

/// Packages the program as it is installed, or another build.
pub(crate) fn run(program: Option<PathBuf>) -> anyhow::Result<()> {
    let program = match program {
        Some(program) => program,
        None => {
            cargo(BUILD_DIST, None)?;
            dist_program()
        }
    };
    let program = Program { path: program.canonicalize().context("no such program")? };
    let folder = target().join("package");
    let _ = fs::remove_dir_all(&folder);
    let version = program.prints(&["--version"])?;
    let version = version.split_whitespace().nth(1).context("a version")?.to_owned();
    let package = program.packaged(&folder, &version)?;
    check_unit(&folder.join("files"))?;
    program.check_system_calls()?;
    if rustix::process::geteuid().is_root() {
        let next = program.packaged(&folder, &format!("{version}+next"))?;
        install(&package, &next, &folder.join("system"))?;
        fs::remove_file(next)?;
    } else {
        println!("not installed: only root can");
    }
    println!("{}", package.display());
    Ok(())
}

struct Program {
    path: PathBuf,
}

impl Program {
    fn prints(&self, arguments: &[&str]) -> anyhow::Result<String> {
        printed(crate::program::command(&self.path, arguments))
    }

    /// Makes a package of this version, and returns its file.
    fn packaged(&self, folder: &Path, version: &str) -> anyhow::Result<PathBuf> {
        let files = folder.join("files");
        let _ = fs::remove_dir_all(&files);
        let man = files.join("usr/share/man/man1");
        fs::create_dir_all(&man)?;
        self.prints(&["man", "--out", man.to_str().context("a folder that is no text")?])?;
        tool("gzip", |gzip| gzip.args(["-9nr"]).arg(&man))?;
        put(&files, "usr/bin/bolillero", fs::read(&self.path)?, 0o755)?;
        tool("strip", |strip| strip.arg("--strip-debug").arg(files.join("usr/bin/bolillero")))?;
        for (shell, file) in COMPLETIONS {
            put(&files, file, self.prints(&["completions", shell])?, 0o644)?;
        }
        let settings = self.prints(&["config", "init", "serve"])?;
        let (open, stated) = ("#data = \"DIR\"", format!("data = \"/{DATA}\""));
        ensure!(settings.contains(open), "`config init serve` has no line {open}");
        put(&files, SETTINGS, settings.replace(open, &stated), 0o644)?;
        let licences =
            "License: MIT or Apache-2.0, at your choice. Texts of both are beside this.\n";
        put(&files, "usr/share/doc/bolillero/copyright", licences, 0o644)?;
        for (from, to, mode) in [
            ("deploy/bolillero.service", UNIT, 0o644),
            ("deploy/standby.conf", STANDBY, 0o644),
            ("deploy/debian/sysusers.conf", "usr/lib/sysusers.d/bolillero.conf", 0o644),
            ("deploy/debian/tmpfiles.conf", "usr/lib/tmpfiles.d/bolillero.conf", 0o644),
            ("CHANGELOG.md", "usr/share/doc/bolillero/CHANGELOG.md", 0o644),
            ("LICENSE-MIT", "usr/share/doc/bolillero/LICENSE-MIT", 0o644),
            ("LICENSE-APACHE", "usr/share/doc/bolillero/LICENSE-APACHE", 0o644),
            ("deploy/debian/postinst", "DEBIAN/postinst", 0o755),
            ("deploy/debian/prerm", "DEBIAN/prerm", 0o755),
            ("deploy/debian/postrm", "DEBIAN/postrm", 0o755),
        ] {
            put(&files, to, fs::read(root().join(from)).with_context(|| from.to_owned())?, mode)?;
        }
        put(&files, "DEBIAN/conffiles", format!("/{SETTINGS}\n"), 0o644)?;
        let machine = tool("dpkg", |dpkg| dpkg.arg("--print-architecture"))?;
        let (machine, libc) = (machine.trim(), self.libc()?);
        let control = format!(
            "Package: bolillero\nVersion: {version}\nArchitecture: {machine}\n\
             Depends: libc6 (>= {libc}), libgcc-s1, systemd\nSection: net\nPriority: optional\n\
             Maintainer: the Bolillero project <bolillero@localhost>\n\
             Description: lottery central and its agencies\n \
             A central stores the bets of agencies durably, makes the draw once, and sends each\n \
             agency its winners.\n"
        );
        put(&files, "DEBIAN/control", control, 0o644)?;
        let package = folder.join(format!("bolillero_{version}_{machine}.deb"));
        tool("dpkg-deb", |deb| {
            // Small enough, and in a quarter of the time.
            deb.args(["-z1", "--root-owner-group", "--build"]).arg(&files).arg(&package)
        })?;
        Ok(package)
    }

    /// Returns the oldest version of libc that has what the program uses.
    fn libc(&self) -> anyhow::Result<String> {
        const NAME: &[u8] = b"GLIBC_2.";
        let bytes = fs::read(&self.path)?;
        let uses = bytes.windows(NAME.len() + 2).filter(|name| name.starts_with(NAME));
        let minors = uses.filter_map(|name| {
            let digits = name[NAME.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            digits.map(|&digit| char::from(digit)).collect::<String>().parse::<u32>().ok()
        });
        Ok(format!("2.{}", minors.max().context("a program without libc")?))
    }

    /// Checks that the unit allows every system call of a whole day.
    fn check_system_calls(&self) -> anyhow::Result<()> {
        let trace = target().join("package/trace");
        tool("strace", |strace| {
            strace.args(["-f", "-qq", "-o"]).arg(&trace).arg(&self.path).arg("demo")
        })?;
        let trace = fs::read_to_string(&trace)?;
        let made: BTreeSet<_> = trace.lines().filter_map(call_of).collect();
        ensure!(made.contains("accept4"), "no central was seen among {} calls", made.len());
        let unit = fs::read_to_string(root().join("deploy/bolillero.service"))?;
        let sets = tool("systemd-analyze", |analyze| analyze.arg("syscall-filter"))?;
        let allowed = allowed_by(&unit, &sets)?;
        let refused: Vec<_> = made.difference(&allowed).collect();
        ensure!(refused.is_empty(), "SystemCallFilter of the unit refuses {refused:?}");
        println!("system calls: {} are made, {} allowed", made.len(), allowed.len());
        Ok(())
    }
}

/// The system call that a line of strace is about.
fn call_of(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(is_name).then_some(name)
}

/// The system calls that a unit allows, by the sets as systemd-analyze prints them.
fn allowed_by<'a>(unit: &'a str, sets: &'a str) -> anyhow::Result<BTreeSet<&'a str>> {
    let mut allowed = BTreeSet::new();
    for filter in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (removed, names) = match filter.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, filter),
        };
        let mut names: Vec<_> = names.split_whitespace().collect();
        while let Some(name) = names.pop() {
            if name.starts_with('@') {
                let members = sets.split("\n\n").find_map(|set| {
                    let mut lines = set.trim_start().lines();
                    (lines.next() == Some(name)).then_some(lines)
                });
                let members = members.with_context(|| format!("systemd knows no {name}"))?;
                names.extend(members.map(str::trim).filter(|member| !member.starts_with('#')));
            } else if removed {
                allowed.remove(name);
            } else {
                allowed.insert(name);
            }
        }
    }
    Ok(allowed)
}

/// Checks the unit in a folder of installed files.
fn check_unit(files: &Path) -> anyhow::Result<()> {
    let unit = files.join(UNIT);
    let security = tool("systemd-analyze", |analyze| {
        analyze.args(["security", "--offline=true", "--no-pager", EXPOSURE_MAX]).arg(&unit)
    })?;
    println!("{}", security.lines().last().unwrap_or_default().trim());
    Ok(())
}

/// Checks that systemd understands each line of the installed unit. Other units are missing there.
fn verify_unit(system: &Path) -> anyhow::Result<()> {
    let mut verify = Command::new("systemd-analyze");
    verify.arg(format!("--root={}", system.display())).args(["verify", "--man=no"]);
    let output = verify.arg("bolillero.service").output()?;
    let found = String::from_utf8_lossy(&output.stderr).into_owned();
    let of_a_line = |line: &str| {
        let places = ["bolillero.service:", "standby.conf:"].map(|file| line.split_once(file));
        let mut places = places.iter().flatten();
        places.any(|(_, at)| at.starts_with(|c: char| c.is_ascii_digit()))
    };
    ensure!(!found.lines().any(of_a_line), "{found}");
    Ok(())
}

/// Installs the package in a folder, upgrades, removes and purges it.
fn install(package: &Path, next: &Path, system: &Path) -> anyhow::Result<()> {
    let admin = system.join("var/lib/dpkg");
    for folder in ["updates", "info", "triggers"] {
        fs::create_dir_all(admin.join(folder))?;
    }
    for file in ["status", "available"] {
        fs::write(admin.join(file), "")?;
    }
    let dpkg = |arguments: &[&str], package: &Path| {
        tool("dpkg", |dpkg| {
            dpkg.arg(format!("--root={}", system.display()));
            dpkg.arg("--force-script-chrootless").arg("--force-depends");
            dpkg.args(arguments).arg(package)
        })
    };
    // Links lead to places of the real system.
    let has = |file: &str| system.join(file).symlink_metadata().is_ok();
    let name = Path::new("bolillero");

    dpkg(&["--install"], package)?;
    let users = fs::read_to_string(system.join("etc/passwd"))?;
    ensure!(users.contains("bolillero:"), "the user is not made: {users}");
    let mode = fs::metadata(system.join("etc/bolillero"))?.permissions().mode() & 0o777;
    ensure!(mode == 0o750, "the settings' folder has mode {mode:o}");
    let wanted = "etc/systemd/system/multi-user.target.wants/bolillero.service";
    ensure!(!has(wanted), "the service is enabled by its installation");
    verify_unit(system)?;
    let drop_in = "etc/systemd/system/bolillero.service.d/standby.conf";
    put(system, drop_in, fs::read(system.join(STANDBY))?, 0o644)?;
    verify_unit(system).context("as a standby")?;
    fs::remove_file(system.join(drop_in))?;
    let installed = Program { path: system.join("usr/bin/bolillero") };
    installed.prints(&["demo"]).context("the installed program plays no day")?;

    // What the operator does.
    let settings = system.join(SETTINGS);
    let set = fs::read_to_string(&settings)?
        .replace("#listen = \"HOST:PORT[=DRAW]\"", "listen = \"[::]:1\"");
    fs::write(&settings, &set)?;
    put(system, &format!("{DATA}/segment"), "bets", 0o600)?;
    tool("systemctl", |systemctl| {
        systemctl.arg(format!("--root={}", system.display())).args(["enable", "bolillero.service"])
    })?;
    ensure!(has(wanted), "the service can't be enabled");

    dpkg(&["--install"], next)?;
    ensure!(fs::read_to_string(&settings)? == set, "an upgrade changed the settings");
    ensure!(has(wanted) && has(UNIT), "an upgrade disabled the service");

    dpkg(&["--remove"], name)?;
    ensure!(!has(UNIT) && !has("usr/bin/bolillero") && !has(wanted), "it was not removed");
    ensure!(fs::read_to_string(&settings)? == set, "removing it changed the settings");

    dpkg(&["--purge"], name)?;
    ensure!(!has("etc/bolillero"), "the settings were not purged");
    ensure!(has(&format!("{DATA}/segment")), "the ledger was purged");
    println!("installed, upgraded, removed and purged");
    Ok(())
}

fn put(files: &Path, to: &str, content: impl AsRef<[u8]>, mode: u32) -> anyhow::Result<()> {
    let to = files.join(to);
    fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    fs::write(&to, content)?;
    Ok(fs::set_permissions(&to, Permissions::from_mode(mode))?)
}

fn tool(name: &str, give: impl FnOnce(&mut Command) -> &mut Command) -> anyhow::Result<String> {
    let mut command = Command::new(name);
    give(&mut command);
    printed(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_calls_and_filters() {
        assert_eq!(call_of("12 accept4(3, NULL) = 4"), Some("accept4"));
        assert_eq!(call_of("12 <... accept4 resumed>) = 4"), None);
        assert_eq!(call_of("12 --- SIGTERM {si_signo=SIGTERM} ---"), None);
        let sets = "@all\n    # All\n    @some\n    read\n\n@some\n    # Some\n    write\n    nice\n\n\
                    @no\n    # No\n    nice\n";
        let unit = "SystemCallFilter=@all mmap\nSystemCallFilter=~@no\n";
        let allowed: Vec<_> = allowed_by(unit, sets).unwrap().into_iter().collect();
        assert_eq!(allowed, ["mmap", "read", "write"]);
        assert!(allowed_by("SystemCallFilter=@other\n", sets).is_err());
    }
}
