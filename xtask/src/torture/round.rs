//! One round: a fresh folder, a central and its agencies, and the strikes of a plan.
//!
//! After every strike at the central, before it is started again, the ledger is exported and held
//! against what the agencies had said was acknowledged to them: nobody could have mended it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::audit::{Acknowledged, Sheet, exported};
use super::plan::{Ending, Moment, Plan, Strike, Victim};
use super::process::{Process, Said, now, run};
use super::tally::Tally;

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
    sheets: Vec<Sheet>,
    winning_number: String,
    sender: Sender<Said>,
    said: Receiver<Said>,
    /// Of each process by its number.
    roles: Vec<Role>,
    central: Option<Process>,
    listening: bool,
    agencies: Vec<Agency>,
    acknowledged: Vec<Acknowledged>,
    finished: usize,
    draws: usize,
    log: Vec<String>,
    tally: Tally,
}

struct Role {
    of: Victim,
    /// Its end is ours.
    struck: bool,
    /// It says nothing more.
    silent: bool,
}

#[derive(Default)]
struct Agency {
    process: Option<Process>,
    /// Once it ended by itself: what it printed.
    printed: Option<String>,
}

impl<'a> Round<'a> {
    /// Gets a round ready in an empty folder.
    pub(super) fn new(
        program: &'a Path,
        folder: &'a Path,
        seed: u64,
        ending: Ending,
    ) -> anyhow::Result<Self> {
        let plan = Plan::of(seed, ending);
        let sheets = sheets(program, folder, seed, &plan)?;
        let first = sheets[0].lines.first().context("the first agency has no bets")?;
        let winning_number = first.rsplit(',').next().unwrap_or_default().to_owned();
        let (sender, said) = channel();
        Ok(Self {
            program,
            folder,
            data: folder.join("data"),
            address: free_address(seed)?,
            winning_number,
            sender,
            said,
            roles: Vec::new(),
            central: None,
            listening: false,
            agencies: plan.agencies.iter().map(|_| Agency::default()).collect(),
            acknowledged: plan.agencies.iter().map(|_| Acknowledged::default()).collect(),
            finished: 0,
            draws: 0,
            log: vec![format!("{plan:?}")],
            tally: Tally::default(),
            sheets,
            plan,
            ending,
        })
    }

    /// Plays it, and checks what came of it.
    pub(super) fn play(&mut self) -> anyhow::Result<Tally> {
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
        self.tally.acknowledged = self.acknowledged.iter().map(Acknowledged::count).sum();
        Ok(std::mem::take(&mut self.tally))
    }

    /// All that was said, in the order of its arrival.
    pub(super) fn log(&self) -> String {
        self.log.join("\n")
    }

    fn strike(&mut self, strike: &Strike) -> anyhow::Result<()> {
        let due = |round: &Self| round.has_come(strike.moment) || round.all_have_ended();
        ensure!(self.hear_until(PATIENCE, due)?, "nothing moves before {:?}", strike.moment);
        self.hear_until(Duration::from_millis(strike.then_ms), |_| false)?;
        let agency = match strike.victim {
            Victim::Agency(agency) if self.agencies[agency].process.is_some() => Some(agency),
            _ => None,
        };
        match (agency, self.ending) {
            (Some(agency), _) => self.strike_agency(agency),
            (None, _) if self.all_have_ended() => Ok(()),
            (None, Ending::Kill) => self.strike_central(strike.again_ms),
            (None, Ending::Sigterm) => {
                self.terminate_central()?;
                self.check_stored()?;
                self.start_central()
            }
        }
    }

    fn strike_central(&mut self, again_ms: Option<u64>) -> anyhow::Result<()> {
        self.kill_central()?;
        self.check_stored()?;
        self.start_central()?;
        if let Some(time) = again_ms {
            self.hear_until(Duration::from_millis(time), |_| false)?;
            self.kill_central()?;
            self.check_stored()?;
            self.start_central()?;
        }
        self.await_listening()
    }

    fn kill_central(&mut self) -> anyhow::Result<()> {
        let mut central = self.central.take().context("no central runs")?;
        self.roles[central.number].struck = true;
        central.kill()?;
        self.tally.kills_of_central += 1;
        self.hear_the_end_of(central.number)?;
        central.ended()?;
        Ok(())
    }

    fn strike_agency(&mut self, agency: usize) -> anyhow::Result<()> {
        let mut process = self.agencies[agency].process.take().context("it does not run")?;
        self.roles[process.number].struck = true;
        process.kill()?;
        self.tally.kills_of_agencies += 1;
        self.hear_the_end_of(process.number)?;
        let (status, printed) = process.ended()?;
        if status.success() {
            // It was faster than the signal.
            self.agencies[agency].printed = Some(printed);
            return Ok(());
        }
        self.start_agency(agency)
    }

    fn terminate_central(&mut self) -> anyhow::Result<()> {
        let central = self.central.take().context("no central runs")?;
        let number = central.number;
        self.roles[number].struck = true;
        let asked = now();
        central.terminate()?;
        let ended = self.hear_until(SHUTDOWN_TIME_MAX, |round| round.roles[number].silent)?;
        ensure!(ended, "the central did not end within {SHUTDOWN_TIME_MAX:?} of SIGTERM");
        if !self.all_have_ended() {
            self.tally.shutdowns.push(asked.elapsed());
        }
        let (status, _) = central.ended()?;
        ensure!(status.success(), "the central ended with {status} after SIGTERM");
        Ok(())
    }

    fn start_central(&mut self) -> anyhow::Result<()> {
        let data = text(&self.data)?.to_owned();
        let count = self.agencies.len().to_string();
        let segment_len = self.plan.segment_len.to_string();
        let arguments = [
            ["serve", "--data", &data, "--listen", &self.address.clone(), "--agencies", &count],
            [
                "--segment-len",
                &segment_len,
                "--winning-number",
                &self.winning_number.clone(),
                "--winners-wait",
                "5s",
                "--log-format=text",
            ],
        ];
        self.listening = false;
        self.central = Some(self.start(Victim::Central, &arguments.concat())?);
        Ok(())
    }

    fn await_listening(&mut self) -> anyhow::Result<()> {
        ensure!(self.hear_until(PATIENCE, |round| round.listening)?, "the central does not listen");
        Ok(())
    }

    fn start_agency(&mut self, agency: usize) -> anyhow::Result<()> {
        let plan = self.plan.agencies[agency].clone();
        let (id, file) = ((agency + 1).to_string(), file_of(self.folder, agency + 1));
        let (window, batch_bets) = (plan.window.to_string(), plan.batch_bets.to_string());
        let address = self.address.clone();
        let mut arguments = vec!["agency", "--id", &id, "--central", &address];
        arguments.extend(["--bets", text(&file)?, "--window", &window]);
        arguments.extend(["--batch-max-bets", &batch_bets]);
        arguments.extend(plan.legacy.then_some("--legacy"));
        self.agencies[agency].process = Some(self.start(Victim::Agency(agency), &arguments)?);
        Ok(())
    }

    fn start(&mut self, of: Victim, arguments: &[&str]) -> anyhow::Result<Process> {
        let number = self.roles.len();
        self.log.push(format!("{of:?} is process {number}: {}", arguments.join(" ")));
        self.roles.push(Role { of, struck: false, silent: false });
        Process::start(self.program, arguments, number, self.sender.clone())
    }

    fn has_come(&self, moment: Moment) -> bool {
        match moment {
            Moment::Acknowledged(permille) => {
                let all: usize = self.sheets.iter().map(Sheet::chunks).sum();
                let reached: usize = self.acknowledged.iter().map(Acknowledged::reach).sum();
                reached as u64 * 1000 >= all as u64 * permille
            }
            Moment::Finished(agencies) => self.finished >= agencies,
        }
    }

    fn ended(&self) -> usize {
        self.agencies.iter().filter(|agency| agency.printed.is_some()).count()
    }

    fn all_have_ended(&self) -> bool {
        self.ended() == self.agencies.len()
    }

    /// Listens until something is so, but not longer than a time; says whether it is so.
    fn hear_until(&mut self, time: Duration, so: impl Fn(&Self) -> bool) -> anyhow::Result<bool> {
        let started = now();
        loop {
            if so(self) {
                return Ok(true);
            }
            let Some(left) = time.checked_sub(started.elapsed()) else {
                return Ok(false);
            };
            match self.said.recv_timeout(left) {
                Ok(said) => self.hear(&said)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the round holds a sender itself"),
            }
        }
    }

    fn hear_the_end_of(&mut self, number: usize) -> anyhow::Result<()> {
        let silent = self.hear_until(PATIENCE, |round| round.roles[number].silent)?;
        ensure!(silent, "process {number} was killed and does not end");
        Ok(())
    }

    fn hear(&mut self, said: &Said) -> anyhow::Result<()> {
        let role = &mut self.roles[said.by];
        let (of, struck) = (role.of, role.struck);
        let Some(line) = &said.line else {
            role.silent = true;
            return if struck { Ok(()) } else { self.ended_by_itself(of) };
        };
        self.log.push(format!("{} {line}", said.by));
        ensure!(!line.contains("panicked"), "{of:?}: {line}");
        match of {
            Victim::Central => self.hear_central(line, said),
            Victim::Agency(agency) => self.hear_agency(agency, line),
        }
    }

    fn hear_central(&mut self, line: &str, said: &Said) -> anyhow::Result<()> {
        ensure!(!line.contains(" ERROR "), "the central: {line}");
        if line.contains("action: escuchar | result: success") {
            let central = self.central.as_ref().filter(|central| central.number == said.by);
            if let Some(central) = central {
                self.listening = true;
                let took = said.at.duration_since(central.started);
                self.tally.starts.push((said.by > 0, took));
            }
        } else if line.contains("action: abrir_libro") {
            let cut = number_in(line, "cortados").context("no word of a torn tail")?;
            self.tally.torn_tails += usize::from(cut > 0);
        } else if line.contains("action: sorteo | result: success") {
            self.draws += 1;
        } else if let Some(finished) = number_in(line, "total_agencias_finalizadas") {
            self.finished = self.finished.max(finished);
        }
        Ok(())
    }

    fn hear_agency(&mut self, agency: usize, line: &str) -> anyhow::Result<()> {
        if line.contains("action: apuesta_enviada | result: success") {
            let chunk = number_in(line, "chunk_id").context("an acknowledgement of no chunk")?;
            let bets = number_in(line, "cantidad").context("an acknowledgement of no bets")?;
            self.acknowledged[agency].note(chunk, bets);
        }
        Ok(())
    }

    fn ended_by_itself(&mut self, of: Victim) -> anyhow::Result<()> {
        let process = match of {
            Victim::Central => self.central.take(),
            Victim::Agency(agency) => self.agencies[agency].process.take(),
        };
        let (status, printed) = process.context("it ended twice")?.ended()?;
        match of {
            Victim::Agency(agency) if status.success() => {
                self.agencies[agency].printed = Some(printed);
                Ok(())
            }
            _ => bail!("{of:?} ended by itself with {status}"),
        }
    }

    fn exported(&self) -> anyhow::Result<BTreeMap<usize, Vec<String>>> {
        exported(&run(self.program, &["export", "--data", text(&self.data)?])?)
    }

    /// While no central runs: the ledger holds what was acknowledged, and nothing else than a part
    /// of the files.
    fn check_stored(&mut self) -> anyhow::Result<()> {
        // What agencies said until now was acknowledged by centrals that have ended.
        while let Ok(said) = self.said.try_recv() {
            self.hear(&said)?;
        }
        let exported = self.exported()?;
        self.check_agencies(&exported)?;
        for (sheet, acknowledged) in self.sheets.iter().zip(&self.acknowledged) {
            sheet.check(exported.get(&sheet.agency).map_or(&[], Vec::as_slice), acknowledged)?;
        }
        self.tally.checks += 1;
        Ok(())
    }

    fn check_agencies(&self, exported: &BTreeMap<usize, Vec<String>>) -> anyhow::Result<()> {
        let strange = exported.keys().find(|&&agency| agency > self.agencies.len());
        ensure!(strange.is_none(), "the ledger holds bets of agency {strange:?}");
        Ok(())
    }

    /// At the end: all is in the ledger, drawn once, and every agency was told its winners.
    fn check_day(&mut self) -> anyhow::Result<()> {
        let exported = self.exported()?;
        self.check_agencies(&exported)?;
        for (sheet, acknowledged) in self.sheets.iter().zip(&self.acknowledged) {
            sheet
                .check_all(exported.get(&sheet.agency).map_or(&[], Vec::as_slice), acknowledged)?;
        }
        for (sheet, agency) in self.sheets.iter().zip(&self.agencies) {
            let told = agency.printed.as_deref().unwrap_or_default();
            let mut told: Vec<_> = told.lines().collect();
            told.sort_unstable();
            let winners = sheet.winners(&self.winning_number);
            let id = sheet.agency;
            ensure!(told == winners, "agency {id} was told {told:?}, its winners are {winners:?}");
        }
        let draws = self.draws;
        ensure!(draws <= 1, "the centrals said {draws} times that they made the draw");
        let checked = run(self.program, &["check", "--data", text(&self.data)?])?;
        let bets: usize = self.sheets.iter().map(|sheet| sheet.lines.len()).sum();
        let chunks: usize = self.sheets.iter().map(Sheet::chunks).sum();
        let (count, number) = (self.sheets.len(), &self.winning_number);
        let drawn = format!(
            ": drawn, winning number {number}; {bets} bets in {chunks} batches; {count} of {count} \
             agencies finished"
        );
        let good = checked.starts_with("sound\n") && checked.contains(&drawn);
        ensure!(good, "check was to say 'sound' and '{drawn}', and says: {checked}");
        Ok(())
    }
}

/// Generates the files.
fn sheets(program: &Path, folder: &Path, seed: u64, plan: &Plan) -> anyhow::Result<Vec<Sheet>> {
    let (agencies, bets) = (plan.agencies.len().to_string(), plan.bets.to_string());
    let seed = seed.to_string();
    let generate = ["generate", "--agencies", &agencies, "--bets", &bets, "--seed", &seed];
    run(program, &[&generate[..], &["--out", text(folder)?]].concat())?;
    let sheet = |(agency, of): (usize, &super::plan::AgencyPlan)| {
        let content = std::fs::read_to_string(file_of(folder, agency))?;
        let lines = content.lines().map(str::to_owned).collect();
        Ok(Sheet { agency, lines, batch_bets: of.batch_bets })
    };
    (1..).zip(&plan.agencies).map(sheet).collect()
}

fn file_of(folder: &Path, agency: usize) -> PathBuf {
    folder.join(format!("agency-{agency}.csv"))
}

/// An address that nobody listens on now.
fn free_address(seed: u64) -> anyhow::Result<String> {
    let mut random = fastrand::Rng::with_seed(seed ^ u64::from(std::process::id()));
    for _ in 0..100 {
        let address = format!("127.0.0.1:{}", random.u16(PORTS));
        if TcpListener::bind(&address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port was found in {PORTS:?}")
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// The value of a field of a log line.
fn number_in(line: &str, field: &str) -> Option<usize> {
    let (_, value) = line.split_once(&format!("{field}: "))?;
    value.split(' ').next()?.parse().ok()
}
