//! `bolillero generate`: writes files of plausible bets of made-up people.

mod names;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use fastrand::Rng;

use crate::exit::Ending;
use crate::output::{self, How, Output};
use names::{FIRST_NAMES, LAST_NAMES};

const EXAMPLES: &str = "\
Example:
  bolillero generate --agencies 5 --bets 80000 --seed 1 --out bets

Writes bets/agency-1.csv to bets/agency-5.csv. The same seed gives the same files.";

/// Most agencies; each has a file.
pub(super) const AGENCIES_MAX: u32 = 10_000;
/// Ranges of document numbers and years of birth, both ends included.
const DOCUMENTS: std::ops::RangeInclusive<u32> = 20_000_000..=39_999_999;
const BIRTH_YEARS: std::ops::RangeInclusive<u32> = 1940..=2007;

/// The files to generate.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GenerateArgs {
    /// Number of agencies, each with its own file.
    #[arg(long, env = "BOLILLERO_AGENCIES", value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(AGENCIES_MAX)))]
    agencies: u32,

    /// Total number of bets, distributed unevenly.
    #[arg(long, value_name = "N", default_value_t = 80_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    bets: u64,

    /// Seed of the random generator.
    #[arg(long, env = "BOLILLERO_SEED", value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Folder for the files; created if missing.
    #[arg(long, env = "BOLILLERO_OUT", value_name = "DIR")]
    out: PathBuf,

    /// Overwrite existing files.
    #[arg(long)]
    force: bool,
}

/// Generates the files.
pub(crate) fn run(args: &GenerateArgs) -> Result<(), Ending> {
    let len = generate(args.agencies, args.bets, args.seed, &args.out, args.force)?;
    output::tell(&args.out, args.bets, len);
    Ok(())
}

/// Writes a file of bets for each of the agencies `1..=agencies`, `bets` in all; returns the total
/// length in bytes.
pub(super) fn generate(
    agencies: u32,
    bets: u64,
    seed: u64,
    out: &Path,
    force: bool,
) -> Result<u64, Ending> {
    std::fs::create_dir_all(out).with_context(|| format!("can't create {}", out.display()))?;
    let how = How { force, mode: 0o666, durable: false };
    let mut random = Rng::with_seed(seed);
    let mut len = 0;
    for (agency, share) in (1..).zip(shares(agencies, bets, &mut random)) {
        let path = file_of(out, agency);
        let mut file = Output::create(&path, how)?;
        let mut of_agency = Rng::with_seed(random.u64(..));
        for _ in 0..share {
            let written = write_bet(&mut file, &mut of_agency);
            written.with_context(|| format!("can't write {}", path.display()))?;
        }
        len += file.finish()?;
    }
    Ok(len)
}

/// Returns the path of an agency's file in a folder of bets.
pub(super) fn file_of(folder: &Path, agency: u32) -> PathBuf {
    folder.join(format!("agency-{agency}.csv"))
}

/// Splits `bets` into uneven shares, one per agency.
fn shares(agencies: u32, bets: u64, random: &mut Rng) -> Vec<u64> {
    let weights: Vec<u64> = (0..agencies).map(|_| random.u64(1..=20)).collect();
    let total: u128 = weights.iter().copied().map(u128::from).sum();
    let mut given = 0;
    let mut reached = 0_u128;
    let share = |weight: &u64| {
        reached += u128::from(*weight);
        let up_to = u128::from(bets) * reached / total;
        let up_to = u64::try_from(up_to).expect("a part of the bets, which are a u64");
        up_to - std::mem::replace(&mut given, up_to)
    };
    weights.iter().map(share).collect()
}

/// Writes one bet as a line of a file.
pub(super) fn write_bet(out: &mut impl Write, random: &mut Rng) -> std::io::Result<()> {
    let mut pick = |names: &[&'static str]| names[random.usize(..names.len())];
    let (first, last) = (pick(FIRST_NAMES), pick(LAST_NAMES));
    let second = pick(FIRST_NAMES);
    let first = if random.bool() { format!("{first} {second}") } else { first.to_owned() };
    let document = random.u32(DOCUMENTS);
    let (year, month, day) = (random.u32(BIRTH_YEARS), random.u32(1..=12), random.u32(1..=28));
    let number = random.u32(0..=lottery::limits::NUMBER_MAX_DEFAULT);
    write!(out, "{first},{last},{document},{year}-{month:02}-{day:02},{number}\r\n")
}

#[cfg(test)]
mod tests {
    use lottery::{Bet, NumberRange};

    use super::*;

    fn generated(agencies: u32, bets: u64, seed: u64) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        generate(agencies, bets, seed, folder.path(), false).unwrap();
        let read = |agency| std::fs::read_to_string(file_of(folder.path(), agency)).unwrap();
        (1..=agencies).map(read).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_files_and_another_gives_others() {
        assert_eq!(generated(3, 500, 9), generated(3, 500, 9));
        assert_ne!(generated(3, 500, 9), generated(3, 500, 8));
    }

    #[test]
    fn the_bets_are_as_many_as_asked_for_and_every_one_is_acceptable() {
        for (agencies, bets) in [(1, 0), (1, 1), (7, 3), (5, 2_000)] {
            let files = generated(agencies, bets, 1);
            let lines: Vec<_> = files.iter().flat_map(|file| file.lines()).collect();
            assert_eq!(lines.len() as u64, bets);
            for line in lines {
                let fields: Vec<_> = line.split(',').collect();
                let fields = fields.try_into().unwrap();
                assert!(Bet::check(fields, NumberRange::default()).is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn names_have_accents_and_apostrophes() {
        let all = generated(1, 3_000, 1).concat();
        for part in ["ñ", "á", "D'", "O'"] {
            assert!(all.contains(part), "{part}");
        }
    }
}
