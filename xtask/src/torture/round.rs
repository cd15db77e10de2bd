//! One round: a fresh folder, a central and its agencies, and the strikes of a plan.
//!
//! Each time the central has ended and before it is started again, the ledger is exported and
//! compared with what the agencies logged as acknowledged to them.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::agency::Agency;
use super::audit::{Sheet, exported};
use super::number_in;
use super::plan::{AgencyPlan, Ending, Moment, Plan, Strike, Victim};
use super::tally::Tally;
use crate::program::{self, Process, now, pause, wait_until};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The central's own bound for an orderly end, 10 s, and what ending a process takes.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(12);
/// Below the ports that systems give to whoever connects, so that nobody takes the address of a
/// central that is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A round under way.
pub(super) struct Round<'a> {
    program: &'a Path,
    folder: &'a Path,
    data: PathBuf,
    address: String,
    plan: Plan,
    ending: Ending,
    winning_number: String,
    /// How many processes were started: each has files of its own.
    processes: usize,
    central: Option<Process>,
    listening: bool,
    agencies: Vec<Agency>,
    /// How many agencies have finished, as the central logs it.
    finished: usize,
    draws: usize,
    tally: &'a mut Tally,
}

impl<'a> Round<'a> {
    /// Prepares a round in an empty folder.
    pub(super) fn new(
        program: &'a Path,
        folder: &'a Path,
        seed: u64,
        ending: Ending,
        tally: &'a mut Tally,
    ) -> anyhow::Result<Self> {
        let plan = Plan::of(seed, ending);
        fs::write(folder.join("plan.txt"), format!("{plan:#?}\n"))?;
        let sheets = sheets(program, folder, seed, &plan)?;
        let first = sheets[0].lines.first().context("the first agency has no bets")?;
        let winning_number = first.rsplit(',').next().unwrap_or_default().to_owned();
        Ok(Self {
            program,
            folder,
            data: folder.join("data"),
            address: free_address(seed)?,
            plan,
            ending,
            winning_number,
            processes: 0,
            central: None,
            listening: false,
            agencies: sheets.into_iter().map(Agency::new).collect(),
            finished: 0,
            draws: 0,
            tally,
        })
    }

    /// Plays it, and checks the result.
    pub(super) fn play(&mut self) -> anyhow::Result<()> {
        self.start_central()?;
        self.await_listening()?;
        (0..self.agencies.len()).try_for_each(|agency| self.start_agency(agency))?;
        for strike in self.plan.strikes.clone() {
            self.strike(&strike)?;
        }
        let over = self.hear_until(PATIENCE, Self::all_have_ended)?;
        ensure!(over, "an agency hangs: {} of {} ended", self.ended(), self.agencies.len());
        self.terminate_central()?;
        self.check_day()?;
        self.tally.rounds += 1;
        self.tally.acknowledged += self.sheets().map(|it| it.acknowledged.len()).sum::<usize>();
        Ok(())
    }

    fn strike(&mut self, strike: &Strike) -> anyhow::Result<()> {
        let due = |round: &Self| round.has_come(strike.moment) || round.all_have_ended();
        ensure!(self.hear_until(PATIENCE, due)?, "nothing moves before {:?}", strike.moment);
        self.hear_for(strike.then_ms)?;
        match strike.victim {
            Victim::Agency(at) if self.agencies[at].process.is_some() => self.strike_agency(at),
            _ if self.all_have_ended() => Ok(()),
            _ => self.strike_central(strike.again_ms),
        }
    }

    fn strike_agency(&mut self, at: usize) -> anyhow::Result<()> {
        self.agencies[at].kill()?;
        self.tally.kills_of_agencies += 1;
        if self.agencies[at].has_ended() { Ok(()) } else { self.start_agency(at) }
    }

    fn strike_central(&mut self, again_ms: Option<u64>) -> anyhow::Result<()> {
        self.restart_central()?;
        if let Some(time) = again_ms {
            self.hear_for(time)?;
            self.restart_central()?;
        }
        self.await_listening()
    }

    /// Ends the central, checks what it left, and starts it again.
    fn restart_central(&mut self) -> anyhow::Result<()> {
        match self.ending {
            Ending::Kill => self.kill_central()?,
            Ending::Sigterm => self.terminate_central()?,
        }
        self.check_stored()?;
        self.start_central()
    }

    fn kill_central(&mut self) -> anyhow::Result<()> {
        let mut central = self.central.take().context("no central runs")?;
        central.kill()?;
        self.tally.kills_of_central += 1;
        self.note_log_of(&mut central)
    }

    fn terminate_central(&mut self) -> anyhow::Result<()> {
        let mut central = self.central.take().context("no central runs")?;
        let under_load = !self.all_have_ended();
        let asked = now();
        central.terminate()?;
        let ended = wait_until(SHUTDOWN_TIME_MAX, || Ok(central.ended()?.is_some()))?;
        ensure!(ended, "the central did not end within {SHUTDOWN_TIME_MAX:?} of SIGTERM");
        if under_load {
            self.tally.shutdowns.push(asked.elapsed());
        }
        self.note_log_of(&mut central)?;
        let status = central.ended()?.context("the central ended")?;
        ensure!(status.success(), "the central ended with {status} after SIGTERM");
        Ok(())
    }

    fn start_central(&mut self) -> anyhow::Result<()> {
        let count = self.agencies.len().to_string();
        let segment_len = self.plan.segment_len.to_string();
        let mut command = program::command(self.program, &["serve", "--log-format=text"]);
        command.arg("--data").arg(&self.data).args(["--listen", &self.address]);
        command.args(["--agencies", &count, "--segment-len", &segment_len]);
        command.args(["--winning-number", &self.winning_number, "--winners-wait", "5s"]);
        self.listening = false;
        self.central = Some(self.start(command, "central")?);
        Ok(())
    }

    fn await_listening(&mut self) -> anyhow::Result<()> {
        ensure!(self.hear_until(PATIENCE, |round| round.listening)?, "the central does not listen");
        Ok(())
    }

    fn start_agency(&mut self, at: usize) -> anyhow::Result<()> {
        let plan = &self.plan.agencies[at];
        let id = (at + 1).to_string();
        let (window, batch_bets) = (plan.window.to_string(), plan.batch_bets.to_string());
        let mut command = program::command(self.program, &["agency", "--id", &id]);
        // Each acknowledged batch is a line of its log.
        command.args(["--log-level", "debug", "--central", &self.address]);
        command.arg("--bets").arg(file_of(self.folder, at + 1));
        command.args(["--window", &window, "--batch-max-bets", &batch_bets]);
        command.args(plan.legacy.then_some("--legacy"));
        let process = self.start(command, &format!("agency-{id}"))?;
        self.agencies[at].process = Some(process);
        Ok(())
    }

    fn start(&mut self, command: std::process::Command, name: &str) -> anyhow::Result<Process> {
        let name = format!("process-{:02}-{name}", self.processes);
        self.processes += 1;
        Process::start(command, self.folder, &name)
    }

    fn has_come(&self, moment: Moment) -> bool {
        match moment {
            Moment::Acknowledged(permille) => {
                let all: usize = self.sheets().map(Sheet::chunks).sum();
                let reached: usize = self.sheets().map(Sheet::reach).sum();
                reached as u64 * 1000 >= all as u64 * permille
            }
            Moment::Finished(agencies) => self.finished >= agencies,
        }
    }

    fn ended(&self) -> usize {
        self.agencies.iter().filter(|agency| agency.has_ended()).count()
    }

    fn all_have_ended(&self) -> bool {
        self.ended() == self.agencies.len()
    }

    fn sheets(&self) -> impl Iterator<Item = &Sheet> {
        self.agencies.iter().map(|agency| &agency.sheet)
    }

    fn hear_for(&mut self, ms: u64) -> anyhow::Result<()> {
        pause(Duration::from_millis(ms));
        self.hear()
    }

    /// Listens until something is so, for at most a time; returns whether it is so.
    fn hear_until(&mut self, time: Duration, so: impl Fn(&Self) -> bool) -> anyhow::Result<bool> {
        wait_until(time, || {
            self.hear()?;
            Ok(so(self))
        })
    }

    /// Reads what all logged since the last time. Fails when one ended that should not have.
    fn hear(&mut self) -> anyhow::Result<()> {
        if let Some(mut central) = self.central.take() {
            let ended = central.ended()?;
            let listened = self.listening;
            self.note_log_of(&mut central)?;
            if let Some(status) = ended {
                bail!("the central ended by itself with {status}");
            }
            if self.listening && !listened && self.processes > 1 {
                self.tally.restarts.push(central.started.elapsed());
            }
            self.central = Some(central);
        }
        self.agencies.iter_mut().try_for_each(Agency::hear)
    }

    fn note_log_of(&mut self, central: &mut Process) -> anyhow::Result<()> {
        for line in central.log()? {
            ensure!(!line.contains(" ERROR ") && !line.contains("panicked"), "the central: {line}");
            if line.contains("action: listen | result: success") {
                self.listening = true;
            } else if line.contains("action: open_ledger") {
                let cut = number_in(&line, "cut_bytes").context("no word of a torn tail")?;
                self.tally.torn_tails += usize::from(cut > 0);
            } else if line.contains("action: sorteo | result: success") {
                self.draws += 1;
            } else if let Some(finished) = number_in(&line, "agencies_finished") {
                self.finished = self.finished.max(finished);
            }
        }
        Ok(())
    }

    /// Checks, while no central runs, that the ledger holds what was acknowledged, and nothing that
    /// is not in the files.
    fn check_stored(&mut self) -> anyhow::Result<()> {
        // What agencies logged until now was acknowledged by centrals that have ended.
        self.hear()?;
        let exported = self.exported()?;
        for sheet in self.sheets() {
            sheet.check(exported.get(&sheet.agency).map_or(&[], Vec::as_slice))?;
        }
        self.tally.checks += 1;
        Ok(())
    }

    /// Checks, at the end, that all is in the ledger, that the draw was made once, and that every
    /// agency was told its winners.
    fn check_day(&self) -> anyhow::Result<()> {
        let exported = self.exported()?;
        for sheet in self.sheets() {
            sheet.check_all(exported.get(&sheet.agency).map_or(&[], Vec::as_slice))?;
        }
        for agency in &self.agencies {
            agency.check_winners(&self.winning_number)?;
        }
        let draws = self.draws;
        ensure!(draws <= 1, "the centrals said {draws} times that they made the draw");
        let checked = self.run("check")?;
        let bets: usize = self.sheets().map(|sheet| sheet.lines.len()).sum();
        let chunks: usize = self.sheets().map(Sheet::chunks).sum();
        let (count, number) = (self.agencies.len(), &self.winning_number);
        let drawn = format!(
            ": drawn, winning number {number}; {bets} bets in {chunks} batches; {count} of {count} \
             agencies finished"
        );
        let good = checked.starts_with("intact\n") && checked.contains(&drawn);
        ensure!(good, "check was to say 'intact' and '{drawn}', and says: {checked}");
        Ok(())
    }

    /// The bets of the ledger, by agency.
    fn exported(&self) -> anyhow::Result<BTreeMap<usize, Vec<String>>> {
        let exported = exported(&self.run("export")?)?;
        let strange = exported.keys().find(|&&agency| agency > self.agencies.len());
        ensure!(strange.is_none(), "the ledger holds bets of agency {strange:?}");
        Ok(exported)
    }

    /// What a command prints about the ledger.
    fn run(&self, command: &str) -> anyhow::Result<String> {
        let mut command = program::command(self.program, &[command]);
        command.arg("--data").arg(&self.data);
        program::run(command)
    }
}

/// Generates the files of all agencies.
fn sheets(program: &Path, folder: &Path, seed: u64, plan: &Plan) -> anyhow::Result<Vec<Sheet>> {
    let (agencies, bets) = (plan.agencies.len().to_string(), plan.bets.to_string());
    let mut generate = program::command(program, &["generate", "--agencies", &agencies]);
    generate.args(["--bets", &bets, "--seed", &seed.to_string()]).arg("--out").arg(folder);
    program::run(generate)?;
    let sheet = |(agency, plan): (usize, &AgencyPlan)| {
        let content = fs::read_to_string(file_of(folder, agency))?;
        let lines = content.lines().map(str::to_owned).collect();
        Ok(Sheet { agency, lines, batch_bets: plan.batch_bets, acknowledged: BTreeMap::new() })
    };
    (1..).zip(&plan.agencies).map(sheet).collect()
}

fn file_of(folder: &Path, agency: usize) -> PathBuf {
    folder.join(format!("agency-{agency}.csv"))
}

/// An address that nobody listens on now.
fn free_address(seed: u64) -> anyhow::Result<String> {
    let mut random = fastrand::Rng::with_seed(seed ^ u64::from(std::process::id()));
    let mut addresses = (0..100).map(|_| format!("127.0.0.1:{}", random.u16(PORTS)));
    let free = addresses.find(|address| TcpListener::bind(address).is_ok());
    free.with_context(|| format!("no free port was found in {PORTS:?}"))
}
