//! Counters of the service, and Prometheus's text format.
//!
//! A stored batch costs some relaxed atomic additions, a few nanoseconds. The usual library locks a
//! mutex for each observation of a histogram, and the format is three kinds of lines: hence by hand.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lottery::{AgencyId, Appended, DrawId};
use parking_lot::Mutex;

use crate::limits::{REFUSED_DRAWS_MAX, REFUSED_LATEST_MAX};

/// Upper bounds of the classes of acknowledgement times, in microseconds; one more class is above.
const LATENCY_BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];
/// A batch that takes longer is slow; one of the bounds.
const SLOW_US: u64 = 250_000;

/// The counters.
#[derive(Debug, Default)]
pub struct Metrics {
    accepted: Batches,
    repeated: Batches,
    /// By reason. Locked for refused batches only.
    refused: Mutex<BTreeMap<&'static str, Batches>>,
    refused_of_draws: Mutex<BTreeMap<DrawId, RefusedBatches>>,
    /// Batches by class of time; not cumulative.
    latencies: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_us: AtomicU64,
    http_connections: AtomicU64,
}

/// Batches, and the bets in them.
#[derive(Debug, Default)]
struct Batches {
    batches: AtomicU64,
    bets: AtomicU64,
}

/// The refused batches of a draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedBatches {
    /// How many there are.
    pub count: u64,
    /// The latest agencies, each with a reason such as `BadBets`; the last one is the newest.
    pub latest: Vec<(AgencyId, &'static str)>,
}

/// A connection, counted until it is dropped.
#[derive(Debug)]
pub struct Counted<'a>(&'a AtomicU64);

/// Prometheus's text format, line by line.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Metrics {
    /// Counts a stored batch.
    pub fn stored(&self, bets: u32, appended: Appended, took: Duration) {
        match appended {
            Appended::New => self.accepted.add(bets),
            Appended::Repeated => self.repeated.add(bets),
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let within = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        add(&self.latencies[within], 1);
        add(&self.latency_sum_us, us);
    }

    /// Counts a refused batch. `reason` is a name such as `BadBets`.
    pub fn refused(&self, draw: DrawId, agency: AgencyId, bets: u32, reason: &'static str) {
        self.refused.lock().entry(reason).or_default().add(bets);
        let mut draws = self.refused_of_draws.lock();
        draws.entry(draw).or_default().add(agency, reason);
        if draws.len() > REFUSED_DRAWS_MAX {
            draws.pop_first();
        }
    }

    /// Counts an HTTP connection until the return value is dropped.
    pub fn http_connected(&self) -> Counted<'_> {
        Counted::new(&self.http_connections)
    }

    /// Returns the refused batches of a draw since the central was started.
    pub fn refused_batches(&self, draw: DrawId) -> RefusedBatches {
        self.refused_of_draws.lock().get(&draw).cloned().unwrap_or_default()
    }

    /// Returns the number of batches that took longer than a healthy disk takes.
    pub fn slow_batches(&self) -> u64 {
        let from = LATENCY_BOUNDS_US.partition_point(|bound| *bound <= SLOW_US);
        self.latencies[from..].iter().map(read).sum()
    }

    /// Writes all metrics.
    pub fn tell(&self, to: &mut Exposition) {
        self.tell_batches(to);
        to.about("bolillero_acknowledgement_seconds", "histogram", "From batch to stored.");
        let mut so_far = 0;
        let bounds = LATENCY_BOUNDS_US.iter().map(|us| seconds(*us)).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.latencies) {
            so_far += read(count);
            to.value("bolillero_acknowledgement_seconds_bucket", &[("le", &bound)], so_far);
        }
        let sum = seconds(read(&self.latency_sum_us));
        to.value("bolillero_acknowledgement_seconds_sum", &[], sum);
        to.value("bolillero_acknowledgement_seconds_count", &[], so_far);
        to.about("bolillero_http_connections", "gauge", "Open connections over HTTP.");
        to.value("bolillero_http_connections", &[], read(&self.http_connections));
    }

    fn tell_batches(&self, to: &mut Exposition) {
        let families = [
            ("bolillero_batches_total", "Batches answered.", false),
            ("bolillero_bets_total", "Bets in batches answered.", true),
        ];
        for (name, about, bets) in families {
            let count = |of: &Batches| read(if bets { &of.bets } else { &of.batches });
            to.about(name, "counter", about);
            to.value(name, &[("result", "accepted")], count(&self.accepted));
            to.value(name, &[("result", "repeated")], count(&self.repeated));
            for (reason, of) in &*self.refused.lock() {
                let labels = [("result", "refused"), ("reason", &*snake_case(reason))];
                to.value(name, &labels, count(of));
            }
        }
    }
}

impl Batches {
    fn add(&self, bets: u32) {
        add(&self.batches, 1);
        add(&self.bets, bets.into());
    }
}

impl RefusedBatches {
    fn add(&mut self, agency: AgencyId, reason: &'static str) {
        self.count += 1;
        self.latest.retain(|it| *it != (agency, reason));
        self.latest.push((agency, reason));
        if self.latest.len() > REFUSED_LATEST_MAX {
            self.latest.remove(0);
        }
    }
}

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        add(count, 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Exposition {
    /// Describes a metric; its values follow.
    pub fn about(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// Writes one value.
    pub fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let escaped =
            |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels = labels.iter().map(|(label, of)| format!("{label}=\"{}\"", escaped(of)));
        let labels = labels.collect::<Vec<_>>().join(",");
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{labels}}} {value}"));
        }
    }

    /// Returns the text.
    pub fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("text takes what is written");
    }
}

fn add(to: &AtomicU64, count: u64) {
    to.fetch_add(count, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Microseconds as seconds, exactly: 0.00025.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(metrics: &Metrics) -> String {
        let mut exposition = Exposition::default();
        metrics.tell(&mut exposition);
        exposition.into_text()
    }

    #[test]
    fn counters_are_exported() {
        let metrics = Metrics::default();
        metrics.stored(93, Appended::New, Duration::from_micros(250));
        metrics.stored(7, Appended::New, Duration::from_micros(251));
        metrics.stored(5, Appended::Repeated, Duration::from_secs(60));
        metrics.refused(DrawId(1), AgencyId(1), 2, "BadBets");
        let text = text_of(&metrics);
        let lines: Vec<_> = text.lines().collect();
        for line in [
            "# TYPE bolillero_batches_total counter",
            "bolillero_batches_total{result=\"accepted\"} 2",
            "bolillero_bets_total{result=\"accepted\"} 100",
            "bolillero_bets_total{result=\"repeated\"} 5",
            "bolillero_batches_total{result=\"refused\",reason=\"bad_bets\"} 1",
            "bolillero_bets_total{result=\"refused\",reason=\"bad_bets\"} 2",
            "bolillero_acknowledgement_seconds_bucket{le=\"0.0001\"} 0",
            "bolillero_acknowledgement_seconds_bucket{le=\"0.00025\"} 1",
            "bolillero_acknowledgement_seconds_bucket{le=\"0.0005\"} 2",
            "bolillero_acknowledgement_seconds_bucket{le=\"5\"} 2",
            "bolillero_acknowledgement_seconds_bucket{le=\"+Inf\"} 3",
            "bolillero_acknowledgement_seconds_sum 60.000501",
            "bolillero_acknowledgement_seconds_count 3",
        ] {
            assert!(lines.contains(&line), "'{line}' is not in:\n{text}");
        }
    }

    #[test]
    fn refused_batches_are_counted_by_draw_with_the_latest_agencies_and_reasons() {
        let metrics = Metrics::default();
        let refused = |draw, agency, reason| metrics.refused(DrawId(draw), agency, 1, reason);
        for agency in [1, 2, 3, 4, 5, 6, 2, 2].map(AgencyId) {
            refused(7, agency, "BadBets");
        }
        refused(8, AgencyId(9), "ChunkConflict");
        let latest = [3, 4, 5, 6, 2].map(|agency| (AgencyId(agency), "BadBets")).to_vec();
        assert_eq!(metrics.refused_batches(DrawId(7)), RefusedBatches { count: 8, latest });
        assert_eq!(metrics.refused_batches(DrawId(8)).count, 1);
        assert_eq!(metrics.refused_batches(DrawId(9)), RefusedBatches::default());
        let draws = u32::try_from(REFUSED_DRAWS_MAX).unwrap();
        (10..10 + draws).for_each(|draw| refused(draw, AgencyId(1), "BadBets"));
        assert_eq!(metrics.refused_batches(DrawId(8)).count, 0, "only the newest are remembered");
        assert_eq!(metrics.refused_of_draws.lock().len(), REFUSED_DRAWS_MAX);
    }

    #[test]
    fn connections_count_while_they_are_held() {
        let metrics = Metrics::default();
        let held = (metrics.http_connected(), metrics.http_connected());
        assert!(text_of(&metrics).contains("bolillero_http_connections 2"));
        drop(held);
        assert!(text_of(&metrics).contains("bolillero_http_connections 0"));
    }

    #[test]
    fn names_that_people_give_break_no_line() {
        let mut exposition = Exposition::default();
        exposition.value("x", &[("draw", "a\"b\\c\nd")], 1);
        assert_eq!(exposition.into_text(), "x{draw=\"a\\\"b\\\\c\\nd\"} 1\n");
    }
}
