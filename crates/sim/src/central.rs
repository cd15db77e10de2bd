//! The lifecycle of the central: it starts from the contents of its disk, serves, and ends in every
//! possible way.
//!
//! - A power loss ends the process and every connection. The disk keeps what was durable and a
//!   random selection of the sectors that were being written.
//! - A kill leaves everything written, durable or not, for the next process.
//! - Either happens before a write, during one, between a write and its replies, after the
//!   replies, or during a recovery.
//! - After each end and each recovery, the auditor reads what the worst power loss would leave.
//!
//! In addition, the disk fails reads and writes, fills up for a while, and has bits flipped while
//! no process uses it; copies of it lose their end or have winners forged ([`crate::damage`]); and
//! a second central is started by mistake.

use std::sync::Arc;

use engine::conformance::TestClock;
use ledger::disk::Disk as _;
use ledger::disk::simulated::{Failure, SimulatedDisk};
use ledger::{Archive, Fault, SimulatedEngine};
use lottery::{DrawState, DrawStatus, View};

use crate::damage;
use crate::limits::{AWAY_TIME, DECISION_CRASH_RATE, FULL_TIME, SEGMENT_LEN};
use crate::process::{Process, StartError};
use crate::setting::{Setting, pick};
use crate::world::World;
use crate::wrong::{Wrong, wrong};

/// The state of the central; see the module documentation.
pub(crate) struct Central<'a> {
    setting: &'a Setting,
    disk: SimulatedDisk,
    process: Option<Process<'a>>,
    /// The view of the readers of the last process, kept after its end.
    view: View,
    starts_at: u64,
    dying: Option<Death>,
    /// Whether the coming end is a power loss.
    power_fails: bool,
    full_until: Option<u64>,
}

/// The point at which the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    BeforeCommit,
    Writing,
    Unreplied,
    Replied,
    InOrder,
}

impl<'a> Central<'a> {
    pub(crate) fn new(setting: &'a Setting) -> Self {
        let disk = SimulatedDisk::new();
        Self {
            setting,
            disk,
            process: None,
            view: View::default(),
            starts_at: 0,
            dying: None,
            power_fails: false,
            full_until: None,
        }
    }

    pub(crate) fn step(&mut self, world: &mut World) -> Result<(), Wrong> {
        self.disturb(world)?;
        if self.process.is_none() {
            return if world.now < self.starts_at { Ok(()) } else { self.start(world) };
        }
        if self.dying.is_none() && world.strikes(self.setting.rates.central_crash) {
            let deaths = [
                Death::BeforeCommit,
                Death::Writing,
                Death::Writing,
                Death::Unreplied,
                Death::Replied,
                Death::InOrder,
            ];
            self.dying = Some(*pick(&mut world.rng, &deaths));
        }
        // The last FINISH is the only decision of a draw with several records: without this, few
        // crashes would hit it.
        let ends = |draw: DrawStatus| {
            draw.state == DrawState::Open && world.auditor.all_sent_finish(draw.id)
        };
        if self.view.all_draws().any(ends) && world.strikes(DECISION_CRASH_RATE) {
            self.dying = Some(Death::Writing);
        }
        if !world.faulty {
            self.dying = None;
        }
        self.serve(world)
    }

    /// Shuts the process down and returns the disk as it would be after a power loss then.
    pub(crate) fn shut_down(&mut self, world: &mut World) -> Result<SimulatedDisk, Wrong> {
        if let Some(mut process) = self.process.take() {
            process.shut_down(world)?;
        }
        world.central_up = false;
        Ok(self.after_power_loss(world))
    }

    /// Applies the faults that do not come from the central: a full disk, flipped bits and so on.
    fn disturb(&mut self, world: &mut World) -> Result<(), Wrong> {
        if self.full_until.is_some_and(|until| until <= world.now || !world.faulty) {
            self.disk.limit_room(None);
            self.full_until = None;
        }
        if self.process.is_none() || !world.faulty {
            return Ok(());
        }
        if self.full_until.is_none() && world.strikes(150) {
            self.disk.limit_room(Some(self.disk.used()));
            self.full_until = Some(world.now + world.rng.u64(FULL_TIME));
        }
        if world.strikes(500) {
            self.disk.limit_writes(world.rng.bool().then_some(4096 + world.rng.usize(..4096)));
        }
        if world.strikes(500) {
            let disk = Arc::new(self.disk.clone());
            if !matches!(
                SimulatedEngine::open_on(disk, SEGMENT_LEN, Arc::<TestClock>::default()),
                Err(Fault::InUse)
            ) {
                return wrong("a second central took the folder of the first");
            }
            world.faults.second_centrals += 1;
        }
        Ok(())
    }

    fn start(&mut self, world: &mut World) -> Result<(), Wrong> {
        if world.strikes(4) {
            self.flip_a_bit(world)?;
        }
        if world.faulty {
            damage::is_noticed(&self.disk, self.setting, &mut world.faults)?;
        }
        let reads_fail = world.strikes(12);
        if reads_fail {
            self.disk.fail_reads_after(world.rng.u64(..8));
        }
        let writes_fail = world.strikes(4);
        if writes_fail {
            self.arm(world.rng.u64(..12), world);
        }
        match Process::start(&self.disk, self.setting, world) {
            Ok(process) => {
                self.disk.stop_failing();
                let report = process.report();
                // Includes a draw that was opened before a crash but not reported until now.
                world.draws_open = process.draws_open();
                world.note("the central starts", [report.records, report.cut_bytes]);
                world.faults.torn_tails += u64::from(report.cut_bytes > 0);
                self.view = process.view().clone();
                self.process = Some(process);
                world.central_up = true;
                world.auditor.check_recovered(&self.disk.crash(&mut || false))
            }
            Err(StartError::Ledger(Fault::Damage(damage))) => {
                wrong(format!("the central finds its ledger damaged: {damage}"))
            }
            Err(_) if reads_fail => {
                world.faults.failed_reads += 1;
                self.crash(world)
            }
            Err(_) if writes_fail => {
                world.faults.crashes_opening += 1;
                self.crash(world)
            }
            Err(error) if self.full_until.is_some() => {
                world.note("the central does not start", [0, 0]);
                drop(error);
                self.starts_at = world.now + world.rng.u64(AWAY_TIME);
                Ok(())
            }
            Err(error) => wrong(format!("the central does not start: {error}")),
        }
    }

    fn serve(&mut self, world: &mut World) -> Result<(), Wrong> {
        let process = self.process.as_mut().expect("the process runs");
        process.receive(world)?;
        // A crash during or after a write waits until there is something to write.
        let dying = self.dying.filter(|death| {
            process.has_pending() || !matches!(death, Death::Writing | Death::Unreplied)
        });
        match dying {
            Some(Death::BeforeCommit) => {}
            Some(Death::Writing) => return self.die_writing(world),
            Some(Death::Unreplied) => {
                world.faults.crashes_unreplied += 1;
                process.commit_group();
            }
            Some(Death::InOrder) => {
                process.shut_down(world)?;
                world.faults.shutdowns += 1;
                world.note("the central shuts down", [0, 0]);
                return self.end(world);
            }
            Some(Death::Replied) | None => {
                // Commit only on some ticks, so that groups are larger and crashes lose more.
                if world.rng.bool() {
                    process.commit_group();
                }
                process.reply(world)?;
                if process.has_failed() {
                    // The process detects the failure itself and has to end.
                    world.faults.failed_writes += 1;
                    return self.crash(world);
                }
            }
        }
        if dying.is_some() { self.crash(world) } else { Ok(()) }
    }

    /// Commits a group whose writes fail from some operation on; most groups have only one. Then
    /// the process ends at once, or first gets to reply, perhaps wrongly.
    fn die_writing(&mut self, world: &mut World) -> Result<(), Wrong> {
        let after = if world.rng.u8(..4) > 0 { 0 } else { world.rng.u64(..12) };
        let operations = self.disk.operations();
        self.arm(after, world);
        self.dying = None;
        let process = self.process.as_mut().expect("the process runs");
        process.commit_group();
        let struck = self.disk.operations() > operations + after;
        if struck && world.rng.bool() {
            return process.reply(world);
        }
        world.faults.crashes_writing += u64::from(struck);
        self.power_fails = world.rng.u8(..8) > 0;
        self.crash(world)
    }

    fn crash(&mut self, world: &mut World) -> Result<(), Wrong> {
        world.note("the central crashes", [self.disk.operations(), 0]);
        self.process = None;
        world.network.lose_all(&mut world.rng, world.now, &mut world.faults);
        self.end(world)
    }

    /// Ends the process by a kill or by a power loss.
    fn end(&mut self, world: &mut World) -> Result<(), Wrong> {
        self.process = None;
        self.dying = None;
        world.central_up = false;
        self.disk.stop_failing();
        world.auditor.check_durable(&self.disk.crash(&mut || false), &self.view)?;
        if std::mem::take(&mut self.power_fails) || world.rng.bool() {
            world.faults.power_losses += 1;
            self.disk = self.after_power_loss(world);
        } else {
            world.faults.kills += 1;
        }
        self.starts_at = world.now + world.rng.u64(AWAY_TIME);
        Ok(())
    }

    fn after_power_loss(&self, world: &mut World) -> SimulatedDisk {
        match world.rng.u8(..6) {
            0 => self.disk.crash(&mut || false),
            1 => self.disk.crash(&mut || true),
            _ => self.disk.crash(&mut || world.rng.bool()),
        }
    }

    fn arm(&self, after: u64, world: &mut World) {
        let failures =
            [Failure::NotDurable, Failure::Forgotten, Failure::Forgotten, Failure::Clean];
        self.disk.fail_after(after, *pick(&mut world.rng, &failures));
    }

    /// Flips one bit on the disk, verifies that a check detects it, and restores it.
    fn flip_a_bit(&mut self, world: &mut World) -> Result<(), Wrong> {
        let names = self.disk.names().unwrap_or_default();
        let check = |disk: &SimulatedDisk| {
            Archive::open_on(Arc::new(disk.clone()))?.check(|_| Ok::<_, Fault>(()))
        };
        // After a torn tail, a flipped bit makes no difference.
        if names.is_empty() || !check(&self.disk).is_ok_and(|found| found.torn_bytes == 0) {
            return Ok(());
        }
        let name = pick(&mut world.rng, &names);
        let bytes = self.disk.contents(name);
        let records_len = usize::try_from(SEGMENT_LEN).unwrap_or(usize::MAX).min(bytes.len());
        let Some(last) = bytes[..records_len].iter().rposition(|&byte| byte != 0) else {
            return Ok(());
        };
        // Sometimes at the end of the last record, where only its checksum is.
        let from = if world.rng.u8(..4) == 0 { last.saturating_sub(7) } else { 0 };
        let (offset, mask) = (world.rng.usize(from..=last), 1 << world.rng.u8(..8));
        self.disk.flip(name, offset, mask);
        let found = check(&self.disk);
        self.disk.flip(name, offset, mask);
        match found {
            Err(Fault::Damage(damage)) if damage.file == *name => {}
            Err(Fault::NewerFormat { file, .. }) if file == *name => {}
            Err(other) => return wrong(format!("byte {offset} of {name} was flipped: {other}")),
            Ok(_) => return wrong(format!("byte {offset} of {name} was flipped, unnoticed")),
        }
        world.faults.flipped_bits += 1;
        Ok(())
    }
}
