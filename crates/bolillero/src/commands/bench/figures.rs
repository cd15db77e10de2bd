//! What the bench found, as `--json` prints it. Units are in the names.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::Scenario;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) version: &'static str,
    pub(super) processors: usize,
    pub(super) seconds_per_scenario: u32,
    pub(super) turns: u32,
    /// How the prepared file of the disk's limit was written.
    pub(super) prepared_writes: &'static str,
    pub(super) checking: Vec<Checking>,
    pub(super) disk: Vec<Disk>,
    pub(super) loopback: Vec<Loopback>,
    pub(super) intake: Vec<Intake>,
    pub(super) idle: Option<Idle>,
    pub(super) waiting: Option<Waiting>,
    pub(super) tls: Option<Tls>,
    pub(super) watched: Option<Watched>,
    pub(super) readers: Option<Readers>,
    pub(super) large: Vec<Large>,
}

/// Batches of about one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Size {
    pub(super) bets_per_batch: f64,
    pub(super) bytes_per_batch: usize,
}

/// Reading and checking alone, on one processor.
#[derive(Debug, Serialize)]
pub(super) struct Checking {
    #[serde(flatten)]
    pub(super) size: Size,
    pub(super) ns_per_bet: f64,
}

/// The disk alone, in groups of so many batches.
#[derive(Debug, Serialize)]
pub(super) struct Disk {
    #[serde(flatten)]
    pub(super) size: Size,
    pub(super) batches_per_group: usize,
    pub(super) append_batches_per_second: f64,
    pub(super) prepared_batches_per_second: f64,
    pub(super) prepared_us: Latency,
}

/// The network alone.
#[derive(Debug, Serialize)]
pub(super) struct Loopback {
    #[serde(flatten)]
    pub(super) size: Size,
    pub(super) agencies: u32,
    pub(super) window: usize,
    pub(super) batches_per_second: f64,
    pub(super) ack_us: Latency,
}

/// A scenario of intake.
#[derive(Debug, Serialize)]
pub(super) struct Intake {
    pub(super) scenario: Scenario,
    pub(super) agencies: u32,
    pub(super) window: usize,
    #[serde(flatten)]
    pub(super) size: Size,
    pub(super) batches_per_second: f64,
    pub(super) bets_per_second: f64,
    pub(super) bets_bytes_per_second: f64,
    /// To the disk's limits in groups of as many batches as can be in flight.
    pub(super) ratio_to_prepared: f64,
    pub(super) ratio_to_append: f64,
    pub(super) ratio_to_loopback: f64,
    pub(super) ack_us: Latency,
    #[serde(flatten)]
    pub(super) cost: Cost,
}

/// What intake costs.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) batches_per_write: f64,
    pub(super) central_cpu_s_per_million_bets: f64,
    pub(super) load_cpu_s_per_million_bets: f64,
    /// By the ledger's writer, for each byte of bets.
    pub(super) log_bytes_per_bets_byte: f64,
    /// By the central in all: segments prepared ahead and indexes too.
    pub(super) written_bytes_per_bets_byte: f64,
}

/// What idle connections cost.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    pub(super) idle_connections: u32,
    pub(super) busy_agencies: u32,
    pub(super) greeted_bytes_each: u64,
    pub(super) silent_bytes_each: u64,
    pub(super) ack_us_alone: Latency,
    pub(super) ack_us_beside_idle: Latency,
    pub(super) batches_per_second_alone: f64,
    pub(super) batches_per_second_beside_idle: f64,
}

/// The same load in plain text and by TLS, in turns.
#[derive(Debug, Serialize)]
pub(super) struct Tls {
    pub(super) cases: Vec<TlsCase>,
    /// Memory of the central for an idle connection by TLS, after HELLO.
    pub(super) greeted_bytes_each: u64,
}

/// So many batches in flight.
#[derive(Debug, Serialize)]
pub(super) struct TlsCase {
    pub(super) agencies: u32,
    pub(super) window: usize,
    pub(super) bytes_per_batch: usize,
    pub(super) plain: Spoken,
    pub(super) tls: Spoken,
    /// Of the rates of each turn.
    pub(super) ratio: f64,
}

/// One of the two ways.
#[derive(Debug, Serialize)]
pub(super) struct Spoken {
    #[serde(flatten)]
    pub(super) acknowledged: Acknowledged,
    pub(super) central_cpu_s_per_million_bets: f64,
}

/// The same load with nobody watching and with boards of the console open, in turns.
#[derive(Debug, Serialize)]
pub(super) struct Watched {
    pub(super) boards: usize,
    pub(super) alone: Spoken,
    pub(super) watched: Spoken,
    /// Of the rates of each turn.
    pub(super) ratio: f64,
}

/// The same load with nobody reading and with readers of a large draw's agencies, in turns.
#[derive(Debug, Serialize)]
pub(super) struct Readers {
    pub(super) readers: usize,
    pub(super) requests_per_second_each: u64,
    pub(super) agencies_of_the_draw: u32,
    pub(super) answers: u64,
    pub(super) alone: Acknowledged,
    pub(super) read: Acknowledged,
    /// Of each turn: read to alone.
    pub(super) p50_ratio: f64,
}

/// How batches were acknowledged.
#[derive(Debug, Serialize)]
pub(super) struct Acknowledged {
    pub(super) batches_per_second: f64,
    pub(super) ack_us: Latency,
}

/// From the last FINISH until an agency has all its winners.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    pub(super) agencies: u32,
    pub(super) bets: u64,
    pub(super) winners: u64,
    pub(super) winners_us: Latency,
}

/// A ledger that grew large.
#[derive(Debug, Serialize)]
pub(super) struct Large {
    pub(super) bets: u64,
    pub(super) marks: Vec<Mark>,
    pub(super) winners: u64,
    /// From the last FINISH until the last agency had all its winners.
    pub(super) draw_ms: u64,
    pub(super) open_warm_ms: u64,
    pub(super) open_cold_ms: u64,
    /// All winners once more after opening cold.
    pub(super) winners_cold_ms: u64,
    pub(super) disk_bytes_per_bet: f64,
}

/// Five agencies, one batch at a time, on a ledger of so many bets.
#[derive(Debug, Serialize)]
pub(super) struct Mark {
    pub(super) bets: u64,
    pub(super) ack_us: Latency,
    pub(super) memory_bytes: u64,
}

/// Quantiles of latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

impl Latency {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

/// The middle one of some values; zero when there are none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median([]).abs() < f64::EPSILON);
    }
}
