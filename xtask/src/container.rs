//! `cargo xtask container`: builds the image, and plays a day in containers of it.
//!
//! Plain docker plays the day, and where docker compose is, it plays another; it reads the compose
//! file in each of its forms.

mod compose;
mod docker;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use self::docker::{Docker, docker};
use crate::program::{self, now, wait_until};
use crate::steps::{cargo, dist_program, root, succeed, target};

/// Links the program statically, and builds everything else as `cargo xtask package` does. Packed
/// relocations are 0.7 MB shorter.
const BUILD: &str = "rustc --quiet --profile dist --locked -p bolillero --bin bolillero -- \
                     -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs";
const IMAGE: &str = "bolillero";
const IMAGE_LEN_MAX: u64 = 20_000_000;
/// Longest wait: a connection that lost its network is given up after two minutes.
const TIME_MAX: Duration = Duration::from_secs(150);
const AGENCIES: usize = 5;
const BETS: &str = "40000";
const WINNING_NUMBER: &str = "7574";
/// A folder of real bets.
const REAL_BETS: &str = "BOLILLERO_REAL_BETS";
const SETTINGS: &str = "\
listen = '0.0.0.0:12345'
allow_plaintext = true
http = '127.0.0.1:8080'
data = '/data'
agencies = 5
";

pub(crate) fn run() -> anyhow::Result<()> {
    let program = build()?;
    let folder = target().join("container/day");
    let bets = folder.join("bets");
    let mut generate = program::command(&program, &["generate", "--force", "--bets", BETS]);
    generate.arg("--out").arg(&bets);
    program::run(generate)?;
    play(&folder, &bets)?;
    match docker::compose() {
        Some(compose) => {
            read_compose_files(&compose, &program, &folder)?;
            compose::play(&compose, &program, &target().join("container/compose"), &bets)?;
        }
        None => println!("no day by compose: docker compose is missing"),
    }
    match std::env::var_os(REAL_BETS) {
        Some(bets) => play(&folder, Path::new(&bets)).context("on real bets"),
        None => Ok(()),
    }
}

/// Builds the image; returns the path of its program.
fn build() -> anyhow::Result<PathBuf> {
    cargo(BUILD, None)?;
    let image = target().join("container/image");
    let (bin, data) = (image.join("bin"), image.join("owned/data"));
    DirBuilder::new().recursive(true).create(&bin)?;
    DirBuilder::new().recursive(true).mode(0o700).create(&data)?;
    let program = bin.join("bolillero");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&program).arg(dist_program());
    succeed(strip)?;
    let file = root().join("deploy/Dockerfile");
    let mut build = Command::new("docker");
    build.args(["build", "--quiet", "--tag", IMAGE, "--file"]).arg(file).arg(image);
    program::run(build)?;
    let len = docker(&["image", "inspect", "--format", "{{.Size}}", IMAGE])?;
    let len: u64 = len.trim().parse()?;
    println!("the image {IMAGE} has {len} bytes");
    ensure!(len <= IMAGE_LEN_MAX, "the image has more than {IMAGE_LEN_MAX} bytes");
    Ok(program)
}

fn read_compose_files(
    compose: &impl Fn() -> Command,
    program: &Path,
    folder: &Path,
) -> anyhow::Result<()> {
    let file = folder.join("compose.yaml");
    for form in [&[][..], &["--tls"], &["--store"], &["--tls", "--store"]] {
        let mut write = program::command(program, &["compose", "--force", "--out"]);
        write.arg(&file).args(form);
        program::run(write)?;
        let mut read = compose();
        read.arg("--file").arg(&file).args(["config", "--quiet"]);
        read.env("BOLILLERO_STORE", "postgres://central@db/lottery");
        program::run(read)?;
    }
    Ok(())
}

/// A day on a folder of bets.
fn play(folder: &Path, bets: &Path) -> anyhow::Result<()> {
    let begun = now();
    let mut day = Day { docker: Docker::new()?, folder, bets };
    day.start_central("text")?;
    let early: Vec<_> = (1..AGENCIES).map(name).collect();
    (1..AGENCIES).try_for_each(|number| day.start_agency(number))?;
    day.wait_for("central", &format!("agencies_finished: {}", early.len()), 1)?;

    // Another central, of other settings, continues on the data of the first one.
    day.end_central()?;
    day.docker.remove("central")?;
    day.start_central("json")?;
    let log = day.docker.log("central")?;
    ensure!(log.starts_with('{'), "the mounted settings have no effect: {log}");
    early.iter().try_for_each(|agency| day.wait_for(agency, CONNECTED, 2))?;

    // An agency that is stopped before the draw has not finished its work; started again, it does.
    let code = day.docker.stop(&early[0])?;
    ensure!(code == 1, "an agency without its winners ended with {code}");
    day.docker.start(&early[0])?;

    // One that is cut off gets its winners once it is connected again.
    day.docker.cut_off(&early[1])?;
    day.start_agency(AGENCIES)?;
    day.check_agency(AGENCIES)?;
    ensure!(day.docker.is_running(&early[1])?, "an agency ended without a network");
    day.docker.connect(&early[1])?;

    let winners = (1..=AGENCIES).map(|number| day.check_agency(number));
    let winners = winners.collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(winners.iter().any(|&count| count > 0), "nobody won");
    day.end_central()?;
    let checked = day.docker.inspect_data(IMAGE, "check")?;
    let stored = format!("; {} bets in ", count(bets)?);
    ensure!(checked.contains(&stored), "not `{stored}`: {checked}");
    println!("a day: ok, winners {winners:?}, {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// What an agency logs when it has connected.
const CONNECTED: &str = "action: connect | result: success";

struct Day<'a> {
    docker: Docker,
    folder: &'a Path,
    bets: &'a Path,
}

impl Day<'_> {
    /// Starts the central, and waits until it is healthy.
    fn start_central(&mut self, log_format: &str) -> anyhow::Result<()> {
        let settings = self.folder.join("central.toml");
        let own = format!("winning_number = {WINNING_NUMBER}\nlog_format = '{log_format}'\n");
        fs::write(&settings, SETTINGS.to_owned() + &own)?;
        let volume = self.docker.volume();
        self.docker.run(
            "central",
            &[
                format!("--volume={}:/central.toml:ro", settings.display()),
                format!("--volume={volume}"),
                "--env=BOLILLERO_CONFIG=/central.toml".to_owned(),
                "--health-interval=1s".to_owned(),
                IMAGE.to_owned(),
                "serve".to_owned(),
            ],
        )?;
        let healthy = wait_until(TIME_MAX, || self.docker.is_healthy("central"))?;
        ensure!(healthy, "the central is not healthy: {}", self.docker.log("central")?);
        Ok(())
    }

    /// Stops the central, which ends in order and in time.
    fn end_central(&self) -> anyhow::Result<()> {
        let code = self.docker.stop("central")?;
        ensure!(code == 0, "the central ended with {code}: {}", self.docker.log("central")?);
        Ok(())
    }

    fn start_agency(&mut self, number: usize) -> anyhow::Result<()> {
        let bets = file_of(self.bets, number);
        self.docker.run(
            &name(number),
            &[
                format!("--volume={}:/bets.csv:ro", bets.display()),
                "--no-healthcheck".to_owned(),
                IMAGE.to_owned(),
                "agency".to_owned(),
                format!("--id={number}"),
                "--central=central:12345".to_owned(),
                "--bets=/bets.csv".to_owned(),
            ],
        )
    }

    /// Waits for the end of an agency that has printed its winners; returns how many.
    fn check_agency(&self, number: usize) -> anyhow::Result<usize> {
        let name = name(number);
        let code = self.docker.end_of(&name)?;
        ensure!(code == 0, "{name} ended with {code}: {}", self.docker.log(&name)?);
        check_winners(&self.docker.printed(&name)?, &file_of(self.bets, number))
    }

    fn wait_for(&self, host: &str, text: &str, times: usize) -> anyhow::Result<()> {
        let is_there = || Ok(self.docker.log(host)?.matches(text).count() >= times);
        let log = || self.docker.log(host);
        ensure!(wait_until(TIME_MAX, is_there)?, "{host} did not log `{text}`: {}", log()?);
        Ok(())
    }
}

/// How many bets all agencies have.
fn count(bets: &Path) -> anyhow::Result<usize> {
    let count = |number| Ok(fs::read_to_string(file_of(bets, number))?.lines().count());
    (1..=AGENCIES).map(count).sum()
}

fn file_of(bets: &Path, agency: usize) -> PathBuf {
    bets.join(format!("agency-{agency}.csv"))
}

/// Compares what an agency printed with the winners in its file; returns how many there are.
fn check_winners(printed: &str, file: &Path) -> anyhow::Result<usize> {
    let mut printed: Vec<_> = printed.lines().collect();
    let bets = fs::read_to_string(file)?;
    let mut expected: Vec<_> = bets.lines().filter_map(winner).collect();
    printed.sort_unstable();
    expected.sort_unstable();
    ensure!(printed == expected, "of {}: {printed:?}, not {expected:?}", file.display());
    Ok(expected.len())
}

fn name(agency: usize) -> String {
    format!("agency-{agency}")
}

/// The document of a bet, if it wins.
fn winner(bet: &str) -> Option<&str> {
    let mut fields = bet.rsplit(',');
    let wins = fields.next()? == WINNING_NUMBER;
    fields.nth(1).filter(|_| wins)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Docker can't fetch the image that it builds in everywhere: here the two files are compared.
    #[test]
    fn the_image_made_from_the_source_is_the_same() {
        let [packed, built] = ["deploy/Dockerfile", "deploy/Dockerfile.source"]
            .map(|file| fs::read_to_string(root().join(file)).unwrap());
        let in_build = built.replace("\\\n", "").split_whitespace().collect::<Vec<_>>().join(" ");
        let build = BUILD.replace("--quiet ", "").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(in_build.contains(&format!("cargo {build}")), "{in_build}");
        let (_, packed) = packed.split_once("FROM scratch\n").unwrap();
        let (_, built) = built.split_once("FROM scratch\n").unwrap();
        let as_packed = built.replace("--from=build ", "").replace("/image/", "");
        let instructions = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(instructions(&as_packed), instructions(packed));
    }
}
