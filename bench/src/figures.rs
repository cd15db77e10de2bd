//! What was measured, summed up, as JSON and as tables. Units are in the names.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::batches::Batches;
use crate::load::{Sent, latencies};
use crate::rounds::Slice;
use crate::scenario::Scenario;
use crate::server::said;
use crate::setting::Setting;
use crate::usage::Usage;

const LEGEND: &str = "\
ack_us: from before a batch is sent to its acknowledgement; of the disk alone, a group of batches
load_busy: how busy the one thread is that makes the load; near 1, it is the limit
first_to_this, _min, _max: the rate of the first case to the rate of this one, round by round
p99_first_to_this, _min, _max: the same of the 99th percentile of ack_us
bets_per_second_min, _max: of the rounds
log_per_byte, written_per_byte: bytes written for each byte of bets, by the ledger's writer and by
the central in all
";

/// Everything.
#[derive(Serialize)]
pub(crate) struct Figures {
    version: String,
    pub(crate) processors: usize,
    seconds: u32,
    rounds: u32,
    pub(crate) groups: Vec<Group>,
}

/// Cases under the same load.
#[derive(Serialize)]
pub(crate) struct Group {
    pub(crate) scenario: Scenario,
    pub(crate) agencies: u32,
    pub(crate) window: usize,
    bets_per_batch: f64,
    bytes_per_batch: usize,
    pub(crate) cases: Vec<Column>,
    /// Figures that are not of a case.
    pub(crate) facts: Map<String, Value>,
    /// What a reader of the figures has to know.
    pub(crate) notes: Vec<String>,
}

/// The figures of a case.
#[derive(Serialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    #[serde(flatten)]
    figures: Map<String, Value>,
}

impl Figures {
    /// Of nothing yet.
    pub(crate) fn of(setting: &Setting) -> anyhow::Result<Self> {
        Ok(Self {
            version: said(setting.bolillero().arg("--version"))?,
            processors: std::thread::available_parallelism()?.get(),
            seconds: setting.options.seconds,
            rounds: setting.options.rounds,
            groups: Vec::new(),
        })
    }

    /// Tables for people.
    pub(crate) fn describe(&self) -> String {
        let Self { version, processors, seconds, rounds, groups } = self;
        let groups: String = groups.iter().map(Group::describe).collect();
        format!(
            "{version}, {processors} processors, the load on the same; {seconds} s a case in \
             {rounds} rounds; medians\n{LEGEND}{groups}"
        )
    }
}

impl Group {
    /// Of cases that were so many agencies with such batches.
    pub(crate) fn new(
        scenario: Scenario,
        (agencies, window): (u32, usize),
        batches: &Batches,
        cases: Vec<Column>,
    ) -> Self {
        let (bets_per_batch, bytes_per_batch) = (batches.bets_each(), batches.bytes_each());
        let (facts, notes) = (Map::new(), Vec::new());
        Self { scenario, agencies, window, bets_per_batch, bytes_per_batch, cases, facts, notes }
    }

    /// Of a scenario that can't be measured, since something is not installed.
    pub(crate) fn left_out(scenario: Scenario, missing: &str) -> Self {
        Self {
            scenario,
            agencies: 0,
            window: 0,
            bets_per_batch: 0.0,
            bytes_per_batch: 0,
            cases: Vec::new(),
            facts: Map::new(),
            notes: vec![format!("left out: {missing} is not installed")],
        }
    }

    /// Adds figures that are not of a case.
    pub(crate) fn with_facts<const N: usize>(mut self, facts: [(&str, f64); N]) -> Self {
        self.facts.extend(facts.map(|(name, value)| (name.to_owned(), value.into())));
        self
    }

    fn describe(&self) -> String {
        if self.cases.is_empty() && self.facts.is_empty() {
            return format!("\n{}: {}\n", self.scenario.name(), self.notes.join("; "));
        }
        let mut text = format!(
            "\n{}: {} agencies, {} in flight each, batches of {:.0} bets and {} bytes\n",
            self.scenario.name(),
            self.agencies,
            self.window,
            self.bets_per_batch,
            self.bytes_per_batch
        );
        text += &table(&self.cases);
        for (name, value) in &self.facts {
            text += &format!("  {name} {}\n", shown(value));
        }
        for note in &self.notes {
            text += &format!("  {note}\n");
        }
        text
    }
}

impl Column {
    /// Medians of a case's rounds, and of the quantiles of all rounds together; held against those
    /// of the first case.
    pub(crate) fn of(name: &str, slices: &[Slice], first: &[Slice]) -> anyhow::Result<Self> {
        let sent = |of: fn(&Sent) -> f64| median(slices.iter().map(|slice| of(&slice.sent)));
        let mut ack_us = latencies()?;
        for slice in slices {
            ack_us.add(&slice.sent.ack_us)?;
        }
        let to_this = |of: fn(&Sent) -> f64| {
            spread(first.iter().zip(slices).map(move |(one, this)| of(&one.sent) / of(&this.sent)))
        };
        let (rate, p99) = (to_this(Sent::batches_per_second), to_this(p99));
        let bets_per_second = spread(slices.iter().map(|slice| slice.sent.bets_per_second()));
        let mut figures = vec![
            ("batches_per_second", sent(Sent::batches_per_second)),
            ("bets_per_second", bets_per_second.median),
            ("bets_per_second_min", bets_per_second.min),
            ("bets_per_second_max", bets_per_second.max),
            ("first_to_this", rate.median),
            ("first_to_this_min", rate.min),
            ("first_to_this_max", rate.max),
            ("p99_first_to_this", p99.median),
            ("p99_first_to_this_min", p99.min),
            ("p99_first_to_this_max", p99.max),
            ("ack_us_p50", ack_us.value_at_quantile(0.5) as f64),
            ("ack_us_p99", ack_us.value_at_quantile(0.99) as f64),
            ("ack_us_p999", ack_us.value_at_quantile(0.999) as f64),
            ("load_busy", sent(|sent| sent.cpu.as_secs_f64() / sent.took.as_secs_f64())),
            ("load_cpu_s_per_million_bets", sent(|sent| sent.per_million(sent.cpu.as_secs_f64()))),
        ];
        if slices.iter().all(|slice| slice.central.is_some()) {
            figures.extend(costs(slices));
        }
        for (at, &(name, _)) in slices.first().iter().flat_map(|it| &it.more).enumerate() {
            figures.push((name, median(slices.iter().map(|slice| slice.more[at].1))));
        }
        let figures = figures.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        Ok(Self { name: name.to_owned(), figures: figures.collect() })
    }

    /// One of its figures.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        self.figures.get(name).and_then(Value::as_f64).unwrap_or_default()
    }

    /// Adds figures.
    pub(crate) fn with<const N: usize>(mut self, figures: [(&str, f64); N]) -> Self {
        self.figures.extend(figures.map(|(name, value)| (name.to_owned(), value.into())));
        self
    }
}

fn p99(sent: &Sent) -> f64 {
    sent.ack_us.value_at_quantile(0.99) as f64
}

/// What it cost a central.
fn costs(slices: &[Slice]) -> [(&'static str, f64); 5] {
    let used = |of: fn(&Sent, Usage) -> f64| {
        let used = slices.iter().filter_map(|slice| Some((&slice.sent, slice.central?)));
        median(used.map(|(sent, used)| of(sent, used)))
    };
    [
        ("batches_per_write", used(|sent, it| sent.batches as f64 / it.log_writes.max(1) as f64)),
        ("central_cpu_s_per_million_bets", used(|sent, it| sent.per_million(it.cpu_s))),
        ("log_per_byte", used(|sent, it| it.log_bytes as f64 / sent.bets_bytes as f64)),
        ("written_per_byte", used(|sent, it| it.written_bytes as f64 / sent.bets_bytes as f64)),
        ("central_memory_mb", used(|_, it| it.memory_bytes as f64 / 1e6)),
    ]
}

/// In milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Some values.
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

pub(crate) fn spread(values: impl Iterator<Item = f64> + Clone) -> Spread {
    let min = values.clone().fold(f64::INFINITY, f64::min);
    let max = values.clone().fold(0.0, f64::max);
    Spread { min, median: median(values), max }
}

/// The middle one of some values; of an even number, the larger of the two there.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// A line for each figure, a column for each case.
fn table(cases: &[Column]) -> String {
    let Some(Column { figures: of_first, .. }) = cases.first() else { return String::new() };
    let line = |first: &str, cell: &dyn Fn(&Column) -> String| {
        let width = |case: &Column| case.name.chars().count().max(10);
        let cells = cases.iter().map(|case| format!("  {:>1$}", cell(case), width(case)));
        format!("  {first:<30}{}\n", cells.collect::<String>())
    };
    let header = line("", &|case| case.name.clone());
    let lines = of_first
        .keys()
        .map(|name| line(name, &|case| case.figures.get(name).map_or_else(String::new, shown)));
    header + &lines.collect::<String>()
}

/// A figure with as many digits as tell something.
fn shown(figure: &Value) -> String {
    let figure = figure.as_f64().unwrap_or_default();
    if figure >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(batches: u64, seconds: u64) -> Slice {
        let (took, cpu) = (Duration::from_secs(seconds), Duration::from_millis(250));
        let mut ack_us = latencies().unwrap();
        (1..=batches).for_each(|us| ack_us.record(us).unwrap());
        let (bets, bets_bytes) = (batches * 93, batches * 4_082);
        Sent { batches, bets, bets_bytes, took, cpu, ack_us }.into()
    }

    #[test]
    fn figures_are_medians_of_the_rounds() {
        let first = [slice(200, 1), slice(1_800, 2), slice(1_600, 1)];
        let slices = [slice(100, 1), slice(300, 1), slice(200, 1)];
        let case = Column::of("a store", &slices, &first).unwrap();
        let figure = |name| case.figure(name);
        let rates = ["batches_per_second", "bets_per_second", "first_to_this"].map(figure);
        assert_eq!(rates.map(f64::to_bits), [200.0, 18_600.0, 3.0].map(f64::to_bits));
        let ratios = ["first_to_this_min", "first_to_this_max", "p99_first_to_this"].map(figure);
        assert_eq!(ratios.map(f64::round).map(f64::to_bits), [2.0, 8.0, 6.0].map(f64::to_bits));
        let others = ["ack_us_p50", "ack_us_p99", "load_busy"].map(figure);
        assert_eq!(others.map(f64::to_bits), [100.0, 294.0, 0.25].map(f64::to_bits));
        assert!(table(&[case]).contains("first_to_this                         3.00\n"));
    }
}
