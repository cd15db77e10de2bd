//! Randomized lives of a ledger on a disk that loses, tears, refuses and flips data.
//!
//! After every opening the ledger shows the effects of a prefix of the requests: at least those
//! that were answered, at most those written together with them as well. In the end it shows the
//! effects of all requests. The expected effects come from an engine over an in-memory log.
//!
//! Each life is generated from a seed. `LEDGER_SEED=7 cargo test -p ledger --test disk lives`
//! repeats the life of one seed.

#![allow(clippy::print_stderr, reason = "a test that fails should say so")]

mod script;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;

use engine::conformance::TestClock;
use fastrand::Rng;
use ledger::disk::Disk as _;
use ledger::disk::simulated::{Failure, Operation, SimulatedDisk};
use ledger::{Fault, SimulatedEngine};
use lottery::{Acted, DrawState, DrawStatus};

use crate::support::{Shown, check, fault_of};
use script::Script;

/// So short that a script needs a second segment.
const SEGMENT_LEN: u64 = 96 << 10;
const SEEDS: u64 = 120;
/// Maximum number of requests that share a write.
const GROUP_MAX: usize = 4;
/// The number of turns with faults, after which the life ends.
const TURNS_DISTURBED: usize = 150;
/// Linux error numbers of a shortage of memory or descriptors, and of an interrupted call.
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const EINTR: i32 = 4;
const FAILURES: [Failure; 3] = [Failure::Clean, Failure::NotDurable, Failure::Forgotten];

/// Which unsynced sectors survive a crash.
#[derive(Clone, Copy, Debug)]
enum Luck {
    AllLost,
    AllWritten,
    Mixed,
}

const LUCKS: [Luck; 3] = [Luck::AllLost, Luck::AllWritten, Luck::Mixed];

/// A ledger and its clock.
struct Opened {
    ledger: SimulatedEngine,
    clock: Arc<TestClock>,
}

struct Life<'a> {
    /// A description of the life.
    what: String,
    script: &'a Script,
    rng: Rng,
    disk: SimulatedDisk,
    opened: Option<Opened>,
    /// How many requests of the script were answered.
    answered: usize,
    /// Whether the open ledger has reported a permanent failure.
    failed: bool,
    /// Counts of what happened, so that a test can check its coverage.
    seen: BTreeMap<&'static str, u64>,
}

impl<'a> Life<'a> {
    fn new(script: &'a Script, seed: u64, what: String) -> Self {
        Self {
            what,
            script,
            rng: Rng::with_seed(seed),
            disk: SimulatedDisk::new(),
            opened: None,
            answered: 0,
            failed: false,
            seen: BTreeMap::new(),
        }
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn is_over(&self) -> bool {
        self.answered == self.script.asks.len()
    }

    /// Opens the ledger, if the disk permits, and finds its place in the script.
    fn open(&mut self) -> bool {
        let clock = Arc::new(TestClock::default());
        let disk = Arc::new(self.disk.clone());
        let opened = SimulatedEngine::open_on(disk, SEGMENT_LEN, Arc::clone(&clock) as _);
        let ledger = match opened {
            Ok(ledger) => ledger,
            Err(Fault::Io { .. }) => {
                self.saw("openings refused");
                return false;
            }
            Err(fault) => panic!("{}: {fault}", self.what),
        };
        if ledger.report().cut_bytes > 0 {
            self.saw("torn tails");
        }
        let shown = Shown::by(&ledger).unwrap_or_else(|| {
            self.saw("unreadable");
            self.disk.stop_failing();
            Shown::by(&ledger).expect("nothing fails any more")
        });
        self.answered = self.place_of(&shown);
        self.failed = false;
        self.opened = Some(Opened { ledger, clock });
        self.saw("checks");
        true
    }

    /// Returns the ledger's place in the script: not before the answered requests, and not after
    /// those submitted with them.
    fn place_of(&self, shown: &Shown) -> usize {
        let Script { asks, shown: after, due, .. } = self.script;
        let last = (self.answered + GROUP_MAX).min(asks.len());
        let is_at = |place: &usize| {
            after[*place] == *shown || due.get(*place).is_some_and(|due| due == shown)
        };
        (self.answered..=last).find(is_at).unwrap_or_else(|| {
            let (after, found) = (format!("{:#?}", after[self.answered]), format!("{shown:#?}"));
            let mut lines = after.lines().zip(found.lines());
            let differs = lines.find(|(one, other)| one != other);
            panic!("{}: {} requests were answered; {differs:?}", self.what, self.answered)
        })
    }

    /// Submits some of the script's next requests at once, and either commits them or ends the
    /// process before that.
    fn ask(&mut self, is_written: bool) {
        let Opened { ledger, clock } = self.opened.as_ref().expect("it is open");
        let (sender, receiver) = mpsc::channel();
        let now = self.script.asks[self.answered].0;
        clock.set(now);
        let next = self.script.asks[self.answered..].iter().take_while(|(at, _)| *at == now);
        for (place, (_, ask)) in next.take(self.rng.usize(1..=GROUP_MAX)).enumerate() {
            ask.clone().put_to(ledger, self.answered + place, &sender);
        }
        if is_written {
            ledger.commit_group();
        } else {
            self.opened = None;
        }
        let mut refused = false;
        for (of, answer) in receiver.try_iter() {
            let Some(fault) = fault_of(&answer) else {
                assert!(!self.failed, "{}: {of} was answered after a failure: {answer}", self.what);
                // Requests after one refused for lack of space are submitted again with it.
                if !refused {
                    let expected = (self.answered, &self.script.answers[self.answered]);
                    assert_eq!((of, &answer), expected, "{}", self.what);
                    self.answered += 1;
                    *self.seen.entry("answered").or_default() += 1;
                }
                continue;
            };
            refused = true;
            self.failed |= fault == "Failed";
            *self.seen.entry(fault).or_default() += 1;
        }
    }

    /// Simulates a power loss. Writes that the system forgot are lost too.
    fn crash(&mut self, luck: Luck) {
        self.opened = None;
        let rng = &mut self.rng;
        self.disk = self.disk.crash(&mut || match luck {
            Luck::AllLost => false,
            Luck::AllWritten => true,
            Luck::Mixed => rng.bool(),
        });
    }

    /// Submits the remaining requests until the ledger fails or all are answered.
    fn go_on(&mut self) {
        while !self.failed && !self.is_over() {
            self.ask(true);
        }
    }

    /// Ends the life without further faults, and checks that the ledger is complete.
    fn end_well(&mut self) {
        self.opened = None;
        self.disk.stop_failing();
        self.disk.limit_room(None);
        assert!(self.open(), "{}: nothing fails any more", self.what);
        self.go_on();
        assert!(self.is_over(), "{}: {} requests were answered", self.what, self.answered);
        self.opened = None;
        assert!(self.open() && self.answered == self.script.asks.len(), "{}", self.what);
        self.opened = None;
        assert_eq!(self.torn_bytes(), Ok(0), "{}", self.what);
    }

    /// Returns the result of a check: the torn tail's length, or the damaged file.
    fn torn_bytes(&self) -> Result<u64, String> {
        match check(&self.disk) {
            Ok(summary) => Ok(summary.torn_bytes),
            Err(Fault::NoLedger) => Ok(0),
            Err(Fault::Damage(damage)) => Err(damage.file),
            Err(other) => Err(format!("not damage: {other}")),
        }
    }

    /// Runs the life from its seed: all kinds of faults of a disk, in random order.
    fn live(&mut self) {
        for _ in 0..TURNS_DISTURBED {
            if self.is_over() {
                break;
            }
            if self.opened.is_none() {
                self.disturb_opening();
                if !self.open() {
                    self.disk.stop_failing();
                    self.disk.limit_room(None);
                }
                continue;
            }
            match self.rng.u8(..100) {
                0..70 => self.ask(true),
                70..74 => {
                    self.opened = None;
                    self.saw("orderly ends");
                }
                74..78 => {
                    self.ask(false);
                    self.disk.stop_failing();
                    self.saw("kills");
                }
                78..84 => self.lose_power(),
                84..90 => self.fail_soon(),
                _ => self.change_room(),
            }
        }
        self.lose_power();
        self.end_well();
        self.flip_bits();
    }

    fn disturb_opening(&mut self) {
        match self.rng.u8(..10) {
            0 => self.fail_soon(),
            1 => {
                self.disk.fail_reads_after(self.rng.u64(..20));
                self.saw("read failures");
            }
            2 => self.flip_bits(),
            _ => {}
        }
    }

    fn lose_power(&mut self) {
        if self.opened.is_some() && !self.is_over() && self.rng.bool() {
            // In the middle of a write.
            self.disk.fail_after(self.rng.u64(..2), Failure::NotDurable);
            self.ask(true);
        }
        let luck = LUCKS[self.rng.usize(..LUCKS.len())];
        self.crash(luck);
        self.saw("power losses");
    }

    fn fail_soon(&mut self) {
        let failure = FAILURES[self.rng.usize(..FAILURES.len())];
        self.disk.fail_after(self.rng.u64(..12), failure);
        self.saw("failures");
    }

    fn change_room(&mut self) {
        let room = self.disk.used() + self.rng.u64(..40_000);
        self.disk.limit_room(self.rng.bool().then_some(room));
        let most = 4096 + self.rng.usize(..20_000);
        self.disk.limit_writes(self.rng.bool().then_some(most));
        let operation = [Operation::Create, Operation::Allocate][self.rng.usize(..2)];
        let errno = [EINTR, ENOMEM, EMFILE][self.rng.usize(..3)];
        self.disk.refuse(operation, errno, self.rng.u64(..3));
        self.saw("changes of room");
    }

    /// Flips one durable bit in each file, checks that this is found, and restores it.
    fn flip_bits(&mut self) {
        self.disk.stop_failing();
        for name in self.disk.names().unwrap() {
            let bytes = self.disk.contents(&name);
            let records = &bytes[..bytes.len().min(usize::try_from(SEGMENT_LEN).unwrap())];
            let Some(last) = records.iter().rposition(|&byte| byte != 0) else { continue };
            if self.torn_bytes().is_ok_and(|torn_bytes| torn_bytes > 0) {
                return;
            }
            let offset = self.rng.usize(..=last);
            // A changed version is reported differently, and the end of the records has its own
            // test.
            if (8..12).contains(&offset) {
                continue;
            }
            let bit = 1 << self.rng.u8(..8);
            self.disk.flip(&name, offset, bit);
            let found = self.torn_bytes();
            assert_eq!(found, Err(name.clone()), "{}: bit {bit} of byte {offset}", self.what);
            self.disk.flip(&name, offset, bit);
            self.saw("flipped bits");
        }
    }
}

/// Prints the description of the life when a test fails.
impl Drop for Life<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was {}", self.what);
        }
    }
}

#[test]
fn a_life_that_is_cut_short_anywhere_goes_on_from_where_it_was() {
    let script = Script::new(None);
    let end = script.shown.last().unwrap();
    let is_over = |it: &DrawStatus| it.is_published() || it.state == DrawState::Cancelled;
    assert!(end.statuses().iter().all(is_over));
    use Acted::{NumberAwaited, NumbersAgree, NumbersDiffer, VoidAwaited, Voided};
    for acted in [NumberAwaited, NumbersDiffer, NumbersAgree(7), VoidAwaited, Voided] {
        let answer = format!("Ok({acted:?})");
        assert!(script.answers.contains(&answer), "{answer} is not in the script");
    }
    let mut whole = Life::new(&script, 0, "the life that nothing cuts short".to_owned());
    assert!(whole.open());
    whole.go_on();
    let operations = whole.disk.operations();
    let mut interrupted = 0;
    for after in 0..operations {
        for failure in FAILURES {
            for luck in LUCKS {
                let what = format!("{failure:?} from operation {after} on, {luck:?}");
                let mut life = Life::new(&script, after, what);
                life.disk.fail_after(after, failure);
                if life.open() {
                    life.go_on();
                }
                interrupted += u64::from(!life.is_over());
                life.crash(luck);
                life.end_well();
            }
        }
    }
    assert!(interrupted > operations, "most failures interrupt it: {interrupted}");
}

#[test]
fn a_ledger_that_goes_through_everything_keeps_what_it_answered_and_comes_to_its_end() {
    let seeds = match std::env::var("LEDGER_SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let are_all = seeds.end - seeds.start == SEEDS;
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let script = Script::new(Some(seed));
        let what = format!("LEDGER_SEED={seed} cargo test -p ledger --test disk lives");
        let mut life = Life::new(&script, seed, what);
        life.live();
        life.seen.iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    eprintln!("{seen:?}");
    let kinds = [
        "answered",
        "Failed",
        "Full",
        "Closed",
        "torn tails",
        "read failures",
        "unreadable",
        "openings refused",
        "orderly ends",
        "kills",
        "power losses",
        "failures",
        "changes of room",
        "flipped bits",
        "checks",
    ];
    for kind in kinds {
        assert!(!are_all || seen.contains_key(kind), "no {kind} in any life");
    }
}
