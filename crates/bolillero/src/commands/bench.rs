//! `bolillero bench`: how fast bets are acknowledged, beside what the disk does by itself.
//!
//! A central as a process of its own, over real sockets, on a real ledger in a temporary folder;
//! the load comes from this process. Slices of every scenario and of the disk's own limit take
//! turns, so that a drift of the machine hits all alike; ratios are taken turn by turn.

mod idle;
mod limit;
mod load;
mod usage;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::processes::Central;
use super::progress;
use crate::exit::Ending;
use load::{Chunks, Slice};

const EXAMPLES: &str = "\
Examples:
  bolillero bench
  bolillero bench --scenario window --seconds 30 --data /var/lib --json

Figures depend on the machine: compare ratios, taken in one run.";

const AGENCIES: u32 = 5;
/// Turns that each scenario and the limit take.
const TURNS: u32 = 5;

/// What to measure.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// Only this scenario; all when not given.
    #[arg(long, value_name = "NAME")]
    scenario: Option<Scenario>,

    /// How long each scenario is measured.
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,

    /// Folder in which the temporary ledger is made; the system's temporary folder when not given.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Scenario {
    /// Five agencies, each waiting for every acknowledgement before the next batch.
    OneAtATime,
    /// Five agencies with 16 batches in flight each.
    Window,
    /// Memory that 1,000 idle connections take.
    Idle,
}

impl Scenario {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// All figures of a run. Units are in the names.
#[derive(Debug, Serialize)]
struct Figures {
    bets_per_batch: u32,
    bytes_per_batch: usize,
    /// Plain append and fdatasync of the same bytes, five batches at a time.
    append_fdatasync_batches_per_second: Option<f64>,
    intake: Vec<Intake>,
    idle: Option<idle::Figures>,
}

/// What a scenario of intake gave.
#[derive(Debug, Serialize)]
struct Intake {
    scenario: Scenario,
    batches_per_second: f64,
    bets_per_second: f64,
    bets_bytes_per_second: f64,
    ratio_to_append_fdatasync: f64,
    ack_us_p50: u64,
    ack_us_p99: u64,
    ack_us_p999: u64,
    ack_us_max: u64,
    central_cpu_s_per_million_bets: f64,
    load_cpu_s_per_million_bets: f64,
    written_bytes_per_bets_byte: f64,
}

/// Measures.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Ending> {
    let folder = match &args.data {
        Some(within) => tempfile::tempdir_in(within),
        None => tempfile::tempdir(),
    };
    let folder = folder.context("can't make a temporary folder")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let figures = runtime.block_on(async {
        tokio::select! {
            figures = measure(args, folder.path()) => figures,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    })?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&figures).context("can't write the figures")?)
    } else {
        describe(&figures)
    };
    std::io::stdout().write_all(text.as_bytes()).context("can't write the figures")?;
    Ok(())
}

async fn measure(args: &BenchArgs, folder: &Path) -> anyhow::Result<Figures> {
    let wants = |scenario| args.scenario.is_none_or(|only| only == scenario);
    let intake = [(Scenario::OneAtATime, 1), (Scenario::Window, 16)];
    let intake: Vec<_> = intake.into_iter().filter(|(scenario, _)| wants(*scenario)).collect();
    let data = folder.join("data");
    let central = Central::start(&data, AGENCIES, &["--log-level", "info"]).await?;
    let mut chunks = Chunks::plausible(AGENCIES)?;
    let mut figures = Figures {
        bets_per_batch: load::BATCH_BETS,
        bytes_per_batch: chunks.bytes_per_batch(),
        append_fdatasync_batches_per_second: None,
        intake: Vec::new(),
        idle: None,
    };
    if wants(Scenario::Idle) {
        figures.idle = Some(idle::measure(&central).await?);
    }
    if !intake.is_empty() {
        let slice = Duration::from_secs(u64::from(args.seconds)) / TURNS;
        let bar = progress::counter("slices measured");
        let mut limits = Vec::new();
        let mut slices: Vec<Vec<Slice>> = intake.iter().map(|_| Vec::new()).collect();
        for _ in 0..TURNS {
            let bytes = chunks.bytes_per_batch();
            let file = folder.join("append");
            let limit = tokio::task::spawn_blocking(move || limit::measure(&file, bytes, slice));
            limits.push(limit.await??);
            bar.inc(1);
            for ((_, window), slices) in intake.iter().zip(&mut slices) {
                slices.push(load::measure(&central, &mut chunks, *window, slice).await?);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let summaries = intake.iter().zip(&slices);
        let summaries = summaries.map(|((scenario, _), of)| summarize(*scenario, of, &limits));
        figures.intake = summaries.collect::<anyhow::Result<_>>()?;
        figures.append_fdatasync_batches_per_second = Some(median(&limits));
    }
    central.stop().await?;
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "rates for people to read")]
fn summarize(scenario: Scenario, slices: &[Slice], limits: &[f64]) -> anyhow::Result<Intake> {
    let rates: Vec<f64> = slices.iter().map(Slice::batches_per_second).collect();
    let ratios: Vec<f64> = rates.iter().zip(limits).map(|(rate, limit)| rate / limit).collect();
    let mut latencies = load::latencies()?;
    for slice in slices {
        latencies.add(&slice.ack_us)?;
    }
    let sum = |of: fn(&Slice) -> f64| slices.iter().map(of).sum::<f64>();
    let bets = sum(|slice| slice.batches as f64) * f64::from(load::BATCH_BETS);
    let bytes = sum(|slice| slice.bets_bytes as f64);
    let rate = median(&rates);
    let batches = sum(|slice| slice.batches as f64);
    Ok(Intake {
        scenario,
        batches_per_second: rate,
        bets_per_second: rate * f64::from(load::BATCH_BETS),
        bets_bytes_per_second: rate * bytes / batches,
        ratio_to_append_fdatasync: median(&ratios),
        ack_us_p50: latencies.value_at_quantile(0.5),
        ack_us_p99: latencies.value_at_quantile(0.99),
        ack_us_p999: latencies.value_at_quantile(0.999),
        ack_us_max: latencies.max(),
        central_cpu_s_per_million_bets: sum(|slice| slice.central.cpu_s) / bets * 1e6,
        load_cpu_s_per_million_bets: sum(|slice| slice.load.cpu_s) / bets * 1e6,
        written_bytes_per_bets_byte: sum(|slice| slice.central.written_bytes as f64) / bytes,
    })
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn describe(figures: &Figures) -> String {
    let mut text = String::new();
    if let Some(limit) = figures.append_fdatasync_batches_per_second {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "scenario",
            "batches/s",
            "bets/s",
            "MB/s",
            "ratio",
            "p50 us",
            "p99 us",
            "p99.9 us",
            "central cpu",
            "load cpu",
            "written",
        ]);
        let megabytes = |bytes: f64| format!("{:.1}", bytes / 1e6);
        let bytes = u32::try_from(figures.bytes_per_batch).map_or(0.0, f64::from);
        let mut row = vec!["append+fdatasync, 5 at a time".to_owned(), format!("{limit:.0}")];
        row.extend([
            format!("{:.0}", limit * f64::from(figures.bets_per_batch)),
            megabytes(limit * bytes),
            "1".to_owned(),
        ]);
        table.add_row(row);
        for of in &figures.intake {
            table.add_row([
                of.scenario.name(),
                format!("{:.0}", of.batches_per_second),
                format!("{:.0}", of.bets_per_second),
                megabytes(of.bets_bytes_per_second),
                format!("{:.2}", of.ratio_to_append_fdatasync),
                of.ack_us_p50.to_string(),
                of.ack_us_p99.to_string(),
                of.ack_us_p999.to_string(),
                format!("{:.2}", of.central_cpu_s_per_million_bets),
                format!("{:.2}", of.load_cpu_s_per_million_bets),
                format!("{:.3}", of.written_bytes_per_bets_byte),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        text = format!(
            "batches of {} bets, {} bytes; cpu in seconds per million bets; written in bytes per \
             byte of bets\n{table}\n",
            figures.bets_per_batch, figures.bytes_per_batch
        );
    }
    if let Some(idle) = &figures.idle {
        text.push_str(&format!(
            "idle connections ({}): {} bytes each after HELLO, {} bytes each that said nothing\n",
            idle.connections, idle.greeted_bytes_each, idle.silent_bytes_each
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }
}
