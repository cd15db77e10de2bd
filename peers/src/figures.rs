//! What was measured, summed up and written.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::batches::BATCH_BETS;
use crate::options::Scenario;
use crate::peer::About;

/// What a peer did in one slice.
pub(crate) struct Slice {
    pub(crate) took: Duration,
    /// Processor time of the thread that makes the load.
    pub(crate) load_cpu: Duration,
    /// From before sending a batch to its acknowledgement, of every batch, in microseconds.
    pub(crate) ack_us: Vec<u32>,
}

/// All figures of a run. Units are in the names.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) bets_per_batch: usize,
    pub(crate) bytes_per_batch: usize,
    pub(crate) seconds: u32,
    pub(crate) turns: u32,
    pub(crate) peers: Vec<About>,
    pub(crate) scenarios: Vec<OfScenario>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OfScenario {
    pub(crate) scenario: Scenario,
    pub(crate) connections: u32,
    pub(crate) in_flight_each: usize,
    pub(crate) peers: Vec<OfPeer>,
}

/// Medians of the turns.
#[derive(Debug, Serialize)]
pub(crate) struct OfPeer {
    pub(crate) name: &'static str,
    pub(crate) batches_per_second: f64,
    pub(crate) bets_per_second: f64,
    pub(crate) bolillero_times_as_fast: f64,
    pub(crate) ack_us_p50: f64,
    pub(crate) ack_us_p99: f64,
    /// How busy the one thread was that makes the load: near 1, it is the limit.
    pub(crate) load_busy: f64,
}

impl Slice {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn batches_per_second(&self) -> f64 {
        self.ack_us.len() as f64 / self.took.as_secs_f64()
    }

    fn load_busy(&self) -> f64 {
        self.load_cpu.as_secs_f64() / self.took.as_secs_f64()
    }

    /// The latency that so many per cent do not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.ack_us.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        f64::from(sorted.get(at).copied().unwrap_or_default())
    }
}

impl OfPeer {
    /// From a peer's slices, and those that Bolillero took in the same turns.
    pub(crate) fn of(name: &'static str, slices: &[Slice], bolillero: &[Slice]) -> Self {
        let rates = slices.iter().map(Slice::batches_per_second);
        let ratios = bolillero.iter().map(Slice::batches_per_second).zip(rates.clone());
        let batches_per_second = median(rates);
        Self {
            name,
            batches_per_second,
            #[expect(clippy::cast_precision_loss, reason = "it is 93")]
            bets_per_second: batches_per_second * BATCH_BETS as f64,
            bolillero_times_as_fast: median(ratios.map(|(bolillero, peer)| bolillero / peer)),
            ack_us_p50: median(slices.iter().map(|slice| slice.percentile(50))),
            ack_us_p99: median(slices.iter().map(|slice| slice.percentile(99))),
            load_busy: median(slices.iter().map(Slice::load_busy)),
        }
    }
}

/// The one in the middle; of an even number, the larger of the two there.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

impl Figures {
    /// Tables for people.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a String takes all text");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { bets_per_batch, bytes_per_batch, seconds, turns, .. } = self;
        writeln!(
            text,
            "batches of {bets_per_batch} bets and {bytes_per_batch} bytes, the same ones for all; \
             {turns} turns of {seconds} s each, medians\nonly Bolillero checks the bets; \
             PostgreSQL and SQLite keep a row a bet, NATS and Redis a message a batch\n\
             load: how busy the one thread was that makes the load; near 1, it is the limit\n\
             times: how many times as fast as this Bolillero is"
        )?;
        for OfScenario { scenario, connections, in_flight_each, peers } in &self.scenarios {
            let name = serde_json::to_value(scenario).unwrap_or_default();
            writeln!(
                text,
                "\n{}: {connections} connections, {in_flight_each} in flight each",
                name.as_str().unwrap_or_default()
            )?;
            write_row(text, ["", "batches/s", "bets/s", "p50 ms", "p99 ms", "load", "times"])?;
            for of in peers {
                let ms = |us: f64| format!("{:.2}", us / 1e3);
                let numbers = [
                    format!("{:.0}", of.batches_per_second),
                    format!("{:.0}", of.bets_per_second),
                    ms(of.ack_us_p50),
                    ms(of.ack_us_p99),
                    format!("{:.2}", of.load_busy),
                    format!("{:.2}", of.bolillero_times_as_fast),
                ];
                let [a, b, c, d, e, f] = numbers.each_ref().map(String::as_str);
                write_row(text, [of.name, a, b, c, d, e, f])?;
            }
        }
        writeln!(text)?;
        for About { name, version, settings } in &self.peers {
            writeln!(text, "{name}: {version}; {settings}")?;
        }
        Ok(())
    }
}

fn write_row(text: &mut String, [name, numbers @ ..]: [&str; 7]) -> std::fmt::Result {
    let [batches, bets, p50, p99, load, times] = numbers;
    writeln!(text, "  {name:<20} {batches:>10} {bets:>10} {p50:>9} {p99:>9} {load:>6} {times:>7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(batches: u32, seconds: u64) -> Slice {
        let (took, load_cpu) = (Duration::from_secs(seconds), Duration::from_millis(250));
        Slice { took, load_cpu, ack_us: (1..=batches).rev().collect() }
    }

    #[test]
    fn figures_are_medians_of_the_turns() {
        let peer = [slice(100, 1), slice(300, 1), slice(200, 1)];
        let bolillero = [slice(200, 1), slice(1_800, 2), slice(1_600, 1)];
        let of = OfPeer::of("x", &peer, &bolillero);
        let found = [of.batches_per_second, of.bets_per_second, of.bolillero_times_as_fast];
        assert_eq!(found.map(f64::to_bits), [200.0, 18_600.0, 3.0].map(f64::to_bits));
        assert_eq!(
            [of.ack_us_p50, of.ack_us_p99, of.load_busy].map(f64::to_bits),
            [100.0, 198.0, 0.25].map(f64::to_bits)
        );
    }

    #[test]
    fn nothing_acknowledged_has_no_latency() {
        assert_eq!(slice(0, 1).percentile(99).to_bits(), 0.0_f64.to_bits());
        assert_eq!(slice(1, 1).percentile(50).to_bits(), 1.0_f64.to_bits());
    }
}
