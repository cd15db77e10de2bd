//! `bolillero demo`: runs a central and its agencies on this machine, as real processes over
//! sockets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use ledger::Archive;
use lottery::{AgencyId, Documents, DrawState, DrawStatus, Winners, WinningResult};

use super::processes::{Agencies, Central};
use super::{generate, progress};
use crate::exit::Ending;

const EXAMPLES: &str = "\
Examples:
  bolillero demo
  bolillero demo --bets FOLDER

Starts a central on a free port with a ledger in a temporary folder, and one agency for each file
agency-1.csv, agency-2.csv ... of the folder (or five with generated bets). Waits for the draw and
shows each agency's bets, batches and winners, as counted in the ledger.";

const AGENCIES: u32 = 5;
const BETS: u64 = 80_000;
const SEED: u64 = 1;

/// The bets to use.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Folder with files of bets, agency-1.csv and so on; by default bets are generated.
    #[arg(long, env = "BOLILLERO_BETS", value_name = "DIR")]
    bets: Option<PathBuf>,
}

/// The results of one agency.
struct Row {
    agency: u32,
    bets: u64,
    batches: u64,
    winners: u64,
}

/// Runs the demo and prints the results.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Ending> {
    let temporary = tempfile::tempdir().context("can't create a temporary folder")?;
    let folder = match &args.bets {
        Some(folder) => folder.clone(),
        None => {
            let folder = temporary.path().join("bets");
            generate::generate(AGENCIES, BETS, SEED, &folder, false)?;
            folder
        }
    };
    let files = files_in(&folder)?;
    let data = temporary.path().join("data");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let (took, winners) = runtime.block_on(play(&files, &data))?;
    let rows = recount(&data, &winners)?;
    show(&rows, took);
    Ok(())
}

/// Returns the files of agencies 1, 2, ... up to the first number without a file.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Ending> {
    let files = (1..).map(|agency| generate::file_of(folder, agency));
    let files: Vec<_> = files.take_while(|file| file.is_file()).collect();
    if files.is_empty() {
        let expected = generate::file_of(folder, 1);
        return Err(Ending::wrong(format!("there is no {}", expected.display())));
    }
    Ok(files)
}

/// Runs the central and the agencies. Returns the time from the first bet to the last winner, and
/// the winners that each agency printed.
async fn play(files: &[PathBuf], data: &Path) -> Result<(Duration, Vec<Vec<String>>), Ending> {
    let count = u32::try_from(files.len()).context("too many files of bets")?;
    let mut central = Central::start(data, count).await?;
    let started = tokio::time::Instant::now();
    let agencies = Agencies::start(files, central.address())?;
    let bar = progress::counter("agencies with their winners");
    let received = tokio::select! {
        received = agencies.winners(|| bar.inc(1)) => received,
        last = central.ended() => Err(anyhow!("the central ended before the agencies: {last}")),
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    bar.finish_and_clear();
    let took = started.elapsed();
    central.stop().await?;
    Ok((took, received?))
}

/// Counts the bets in the ledger and compares its winners with those that agencies were sent.
fn recount(data: &Path, received: &[Vec<String>]) -> anyhow::Result<Vec<Row>> {
    let row = |(agency, received): (u32, &Vec<String>)| Row {
        agency,
        bets: 0,
        batches: 0,
        winners: received.len() as u64,
    };
    let mut rows: Vec<Row> = (1..).zip(received).map(row).collect();
    let mut winners = Winners::default();
    let archive = Archive::open(data)?;
    let summary = archive.check(|_| anyhow::Ok(()))?;
    let [DrawStatus { state: DrawState::Drawn { number }, .. }] = summary.draws[..] else {
        bail!("the ledger does not have exactly one draw that has been made");
    };
    archive.read(|record| {
        let Some(batch) = record.batch() else {
            return anyhow::Ok(());
        };
        let row = rows.iter_mut().find(|row| row.agency == batch.agency.0);
        let row = row.context("the ledger has a batch of an unknown agency")?;
        row.batches += 1;
        row.bets += winners.add_batch(WinningResult { number }, &batch)?;
        Ok(())
    })?;
    for (agency, received) in (1..).zip(received) {
        let of_agency = winners.of(AgencyId(agency)).into_iter().flat_map(Documents::iter);
        ensure!(
            of_agency.eq(received),
            "agency {agency} received winners that differ from the ledger's"
        );
    }
    Ok(rows)
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn show(rows: &[Row], took: Duration) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["agency", "bets", "batches", "winners"]);
    for Row { agency, bets, batches, winners } in rows {
        let counts = [u64::from(*agency), *bets, *batches, *winners];
        table.add_row(counts.map(|count| count.to_string()));
    }
    let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>();
    let totals = [sum(|row| row.bets), sum(|row| row.batches), sum(|row| row.winners)];
    let mut total = vec!["all".to_owned()];
    total.extend(totals.iter().map(u64::to_string));
    table.add_row(total);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    println!(
        "\n{} bets from the first batch to the last winner in {:.2} s",
        totals[0],
        took.as_secs_f64()
    );
}
