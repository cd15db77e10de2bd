//! The central's life: it starts over what its disk holds, serves, and crashes.
//!
//! A crash takes the process and every connection; the disk keeps what was durable, and of what
//! was being written each sector that luck lets survive. It comes before a write, in the middle of
//! one, between a write and the replies to it, after the replies, or in the middle of a recovery.

use ledger::Fault;
use ledger::disk::simulated::{Failure, SimulatedDisk};

use crate::limits::AWAY_TIME;
use crate::process::{Process, StartError};
use crate::setting::Setting;
use crate::world::{Bugs, World, Wrong, wrong};

/// See the module's documentation.
pub(crate) struct Central<'a> {
    setting: &'a Setting,
    bugs: Bugs,
    disk: SimulatedDisk,
    process: Option<Process<'a>>,
    starts_at: u64,
    dying: Option<Death>,
}

/// Where a crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    BeforeTurn,
    Writing,
    Unreplied,
    Replied,
}

impl<'a> Central<'a> {
    pub(crate) fn new(setting: &'a Setting, bugs: Bugs) -> Self {
        let disk = SimulatedDisk::new();
        Self { setting, bugs, disk, process: None, starts_at: 0, dying: None }
    }

    pub(crate) fn step(&mut self, world: &mut World) -> Result<(), Wrong> {
        if self.process.is_none() {
            return if world.now < self.starts_at { Ok(()) } else { self.start(world) };
        }
        if self.dying.is_none() && world.strikes(self.setting.rates.central_crash) {
            let deaths = [Death::BeforeTurn, Death::Writing, Death::Unreplied, Death::Replied];
            self.dying = Some(*crate::setting::pick(&mut world.rng, &deaths));
        }
        if !world.faulty {
            self.dying = None;
        }
        self.serve(world)
    }

    /// Ends the process in order. What its disk holds should the power fail then.
    pub(crate) fn shut_down(&mut self, world: &mut World) -> SimulatedDisk {
        self.process = None;
        world.central_up = false;
        self.after_power_loss(world)
    }

    fn start(&mut self, world: &mut World) -> Result<(), Wrong> {
        let fails = world.strikes(4);
        if fails {
            self.arm(world.rng.u64(..12), world);
        }
        match Process::start(&self.disk, self.setting, self.bugs, world) {
            Ok(process) => {
                self.disarm();
                let report = process.report();
                world.note("the central starts", [report.records, report.cut_bytes]);
                world.faults.torn_tails += u64::from(report.cut_bytes > 0);
                self.process = Some(process);
                world.central_up = true;
                Ok(())
            }
            Err(StartError::Ledger(Fault::Damage(damage))) => {
                wrong(format!("the central finds its ledger damaged: {damage}"))
            }
            Err(_) if fails => {
                world.faults.crashes_opening += 1;
                self.crash(world);
                Ok(())
            }
            Err(error) => wrong(format!("the central does not start: {error}")),
        }
    }

    fn serve(&mut self, world: &mut World) -> Result<(), Wrong> {
        let process = self.process.as_mut().expect("the process runs");
        process.receive(world)?;
        // A crash about a write waits for one.
        let dying = self.dying.filter(|death| {
            process.has_pending() || !matches!(death, Death::Writing | Death::Unreplied)
        });
        match dying {
            Some(Death::BeforeTurn) => {}
            Some(Death::Writing) => self.die_writing(world),
            Some(Death::Unreplied) => {
                world.faults.crashes_unreplied += 1;
                process.turn();
            }
            Some(Death::Replied) | None => {
                // Not every tick: then more is written at once, and more is lost by a crash.
                if world.rng.bool() {
                    process.turn();
                }
                process.reply(world)?;
            }
        }
        if dying.is_some() {
            self.crash(world);
        }
        Ok(())
    }

    /// Takes a turn whose writes fail from some operation on. Most turns have one only.
    fn die_writing(&mut self, world: &mut World) {
        let after = if world.rng.u8(..4) > 0 { 0 } else { world.rng.u64(..12) };
        let operations = self.disk.operations();
        self.arm(after, world);
        self.process.as_ref().expect("the process runs").turn();
        world.faults.crashes_writing += u64::from(self.disk.operations() > operations + after);
    }

    fn crash(&mut self, world: &mut World) {
        world.note("the central crashes", [self.disk.operations(), 0]);
        world.faults.central_crashes += 1;
        world.central_up = false;
        self.process = None;
        self.dying = None;
        world.network.lose_all(&mut world.rng, world.now, &mut world.faults);
        self.disk = self.after_power_loss(world);
        self.starts_at = world.now + world.rng.u64(AWAY_TIME);
    }

    fn after_power_loss(&self, world: &mut World) -> SimulatedDisk {
        match world.rng.u8(..6) {
            0 => self.disk.crash(&mut || false),
            1 => self.disk.crash(&mut || true),
            _ => self.disk.crash(&mut || world.rng.bool()),
        }
    }

    fn arm(&self, after: u64, world: &mut World) {
        let failures = [Failure::NotDurable, Failure::NotDurable, Failure::Clean];
        self.disk.fail_after(after, *crate::setting::pick(&mut world.rng, &failures));
    }

    fn disarm(&self) {
        self.disk.fail_after(u64::MAX / 2, Failure::Clean);
    }
}
