//! The large form: each kind of attack alone and all together, measuring the acknowledgements of
//! honest agencies in alternating quiet and attacked turns.
//!
//! A single comparison is unreliable on a machine with other work. So every attack has several
//! turns, each next to a quiet one, and the medians of the turns' 99th percentiles are compared.
//!
//! Attackers run on the same processors as the central, at the lowest priority. Kinds that never
//! pause keep the processors busy, and that cost can't be separated from the central's own: they
//! are checked against a time instead of a ratio; the ratio is printed all the same.

use std::path::Path;
use std::slice;
use std::time::Duration;

use crate::attacks::{Attack, Kind};
use crate::day::{AGENCIES, Day};
use crate::probes::{Probes, percentile};
use crate::support::allow_descriptors;
use crate::{Force, attack, check_ledger, check_winners, memory, start};

/// Agencies that measure, numbered after the five.
const PROBES: u32 = 5;
const TURNS: usize = 5;
const TURN_TIME: Duration = Duration::from_secs(1);
/// Pause before each turn: some time after thousands of sockets are closed, the system frees them
/// all at once and stalls meanwhile.
const SETTLE_TIME: Duration = Duration::from_millis(500);
/// Timeout for slow clients and clients that do not read, below the default so that it expires in
/// many turns.
const CUT_TIME: &str = "5s";
/// Highest ratio of acknowledgement times under attack to quiet ones: 99th percentile, median of
/// the turns.
const RATIO_MAX: f64 = 2.0;
/// Longest acknowledgement (99th percentile) while clients that never pause use the processors.
const P99_US_MAX: u64 = 5_000;
/// Descriptors for the connections of all attacks at once, in this process and in the central.
const DESCRIPTORS: u64 = 18_000;

const FORCES: &[Force] = &[
    (Kind::Drip, 500, 4),
    (Kind::HalfOpen, 3_000, 4),
    (Kind::HalfOpenBehindMuch, 200, 4),
    (Kind::GiantLength, 20, 4),
    (Kind::Garbage, 20, 4),
    (Kind::DeafToErrors, 50, 4),
    (Kind::DeafToWinners, 200, 4),
    (Kind::Reset, 20, 4),
    (Kind::Churn, 20, 4),
    // One address, with more connections than it may have.
    (Kind::Flood, 4_200, 1),
    (Kind::Idle, 10_000, 4),
];

/// All kinds at once: fewer of those that are cut off and come back, so that all find a place.
const ALL_AT_ONCE: &[Force] = &[
    (Kind::Idle, 10_000, 4),
    (Kind::Flood, 4_100, 1),
    (Kind::HalfOpen, 1_000, 4),
    (Kind::Drip, 200, 4),
    (Kind::HalfOpenBehindMuch, 50, 4),
    (Kind::GiantLength, 10, 4),
    (Kind::Garbage, 10, 4),
    (Kind::DeafToErrors, 20, 4),
    (Kind::DeafToWinners, 50, 4),
    (Kind::Reset, 10, 4),
    (Kind::Churn, 10, 4),
];

const HEADER: &str = "\
attack             p50 us  under p99 us  under  ratio   held   blows   MiB   max";

/// The results of one attack.
struct Row {
    name: String,
    /// Latency in the quiet turns.
    quiet_us: Latency,
    attacked_us: Latency,
    /// Whether its clients keep the processors busy.
    never_pauses: bool,
    blows: u64,
    held: u64,
    memory_bytes: u64,
    memory_bytes_max: u64,
}

/// Medians of the turns' percentiles.
#[derive(Clone, Copy)]
struct Latency {
    p50: u64,
    p99: u64,
}

struct Measuring {
    day: Day,
    probes: Probes,
    descriptors: usize,
}

/// Takes minutes. `HOSTILE_DIR` names the folder for its ledger; `cargo xtask hostile` sets it.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn acknowledgements_come_nearly_as_soon_under_attack_as_in_quiet() {
    let Some(folder) = std::env::var_os("HOSTILE_DIR") else {
        return println!("not run: HOSTILE_DIR is not set");
    };
    allow_descriptors(DESCRIPTORS);
    let times = ["--frame-time-max", CUT_TIME, "--write-time-max", CUT_TIME];
    let day = Day::begin(Path::new(&folder), 40_000, PROBES, &times);
    let agencies = AGENCIES + 1..=AGENCIES + PROBES;
    let probes = Probes::start(agencies, &day.central.address).await;
    let descriptors = day.descriptors();
    let mut measuring = Measuring { day, probes, descriptors };
    // A warm-up turn, which is not measured.
    measuring.turn().await;
    let mut tests: Vec<_> =
        FORCES.iter().map(|force| (format!("{:?}", force.0), slice::from_ref(force))).collect();
    tests.push(("all at once".to_owned(), ALL_AT_ONCE));
    println!("{HEADER}");
    let mut rows = Vec::new();
    for (name, forces) in tests {
        let row = measuring.measure(name, forces).await;
        println!("{}", row.describe());
        rows.push(row);
    }
    measuring.finish().await;
    let faults: Vec<_> = rows.iter().flat_map(Row::faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

impl Measuring {
    async fn measure(&mut self, name: String, forces: &[Force]) -> Row {
        let (mut quiet, mut attacked) = (Vec::new(), Vec::new());
        let (mut blows, mut held, mut memory_bytes, mut memory_bytes_max) = (0, 0, 0, 0);
        for _ in 0..TURNS {
            quiet.push(self.turn().await);
            let attacks = attack(&self.day, forces).await;
            attacked.push(self.turn().await);
            blows += attacks.iter().map(Attack::blows).sum::<u64>();
            held = held.max(attacks.iter().map(Attack::held).sum());
            memory_bytes = memory_bytes.max(self.day.memory());
            memory_bytes_max = memory::bound(&attacks);
            drop(attacks);
            self.day.descriptors_are(self.descriptors).await;
            self.day.central.process.forget_log();
        }
        let [quiet_us, attacked_us] = [quiet, attacked].map(|turns| Latency::of(&turns));
        let never_pauses = forces.iter().any(|(kind, ..)| kind.never_pauses());
        Row {
            name,
            quiet_us,
            attacked_us,
            never_pauses,
            blows,
            held,
            memory_bytes,
            memory_bytes_max,
        }
    }

    async fn turn(&self) -> Vec<u64> {
        self.probes.measure(SETTLE_TIME).await;
        self.probes.measure(TURN_TIME).await
    }

    /// Has the five agencies send under attack, and checks that all get their winners.
    async fn finish(self) {
        let attacks = attack(&self.day, ALL_AT_ONCE).await;
        let agencies = start(&self.day, &[]);
        self.turn().await;
        let sent = self.probes.finish().await;
        check_winners(&self.day, agencies);
        assert!(self.day.memory_max() <= memory::bound(&attacks));
        drop(attacks);
        // The connections of the finished probes are closed too.
        self.day.descriptors_are(self.descriptors - PROBES as usize).await;
        let stored = check_ledger(self.day);
        for (agency, bets) in sent {
            assert_eq!(stored[&agency].len(), bets, "agency {agency}");
        }
    }
}

impl Latency {
    fn of(turns: &[Vec<u64>]) -> Self {
        let median = |percent| {
            let mut of_turns: Vec<_> = turns.iter().map(|turn| percentile(turn, percent)).collect();
            of_turns.sort_unstable();
            of_turns[of_turns.len() / 2]
        };
        Self { p50: median(50), p99: median(99) }
    }
}

impl Row {
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    fn ratio(&self) -> f64 {
        self.attacked_us.p99 as f64 / self.quiet_us.p99 as f64
    }

    fn describe(&self) -> String {
        let Self { name, quiet_us, attacked_us, held, blows, .. } = self;
        let of = [quiet_us, attacked_us];
        let latencies = [of.map(|us| us.p50), of.map(|us| us.p99)].concat();
        let latencies = latencies.iter().map(|us| format!("{us:>7}")).collect::<String>();
        let mib = [self.memory_bytes, self.memory_bytes_max].map(|bytes| bytes >> 20);
        let [memory, memory_max] = mib.map(|mib| format!("{mib:>5}"));
        let ratio = self.ratio();
        format!("{name:<18}{latencies} {ratio:>6.2} {held:>6} {blows:>7} {memory} {memory_max}")
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.never_pauses && self.attacked_us.p99 > P99_US_MAX {
            faults.push(format!("{}: {} us", self.name, self.attacked_us.p99));
        }
        if !self.never_pauses && self.ratio() > RATIO_MAX {
            faults.push(format!("{}: {:.2} times as late", self.name, self.ratio()));
        }
        if self.memory_bytes > self.memory_bytes_max {
            faults.push(format!("{}: {} bytes of memory", self.name, self.memory_bytes));
        }
        faults
    }
}
