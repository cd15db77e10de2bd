//! The command line: which command, with what.

use clap::{Parser, Subcommand, value_parser};

use crate::models::Replay;
use crate::torture::Ending;

/// Everything a developer or CI runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
#[command(after_help = "Examples:\n  cargo xtask ci\n  cargo xtask sim --help")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// All that must be green before a change is merged
    ///
    /// All that must be green before a change is merged, one step after the other. Stops at the
    /// first that fails.
    #[command(after_help = "Example:\n  cargo xtask ci && git push")]
    Ci,

    /// The tests only
    ///
    /// All the tests of the workspace. For some of them, ask cargo.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo test --locked -p lottery draw")]
    Test,

    /// The rules of the house that the compiler does not know
    ///
    /// Which crate may depend on which, what may import what, lengths of lines, no
    /// unfinished code, no large data, links that lead somewhere, decisions numbered without gaps.
    /// Each finding says where, what, and what to do.
    #[command(after_help = "Example:\n  cargo xtask tidy")]
    Tidy,

    /// The simulation of the whole system, with faults
    ///
    /// Agencies, network, central, disk and clock from one seed, with faults, and an auditor.
    /// Prints seeds a second and how often each fault happened; none of some kind is a failure. A
    /// seed that fails is named, and fails again in the same way.
    #[command(after_help = "Examples:\n  cargo xtask sim --seeds 10000\n  \
                            cargo xtask sim --seed 42 --seeds 1")]
    Sim {
        /// How many seeds
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        seeds: u64,
        /// The first one
        #[arg(long = "seed", value_name = "S", default_value_t = 0)]
        first_seed: u64,
    },

    /// Folders of a ledger, damaged in every sort of way
    ///
    /// Bits, zeros, cuts, blocks and files in each other's place, deleted and older files, records
    /// with mended checksums, whole ledgers rewritten. Of each folder it is looked at whether
    /// opening refuses what it must and leaves it as it was, whether what is told of it is what
    /// was acknowledged, and whether the scrub reports the rest. Prints how often each sort of
    /// damage happened and what came of it; none of some kind is a failure. A seed that fails is
    /// named, and fails again in the same way.
    #[command(after_help = "Examples:\n  cargo xtask corrupt --folders 10000\n  \
                            cargo xtask corrupt --seed 42 --folders 1")]
    Corrupt {
        /// How many folders
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        folders: u64,
        /// The first one's seed; each next one's is one more
        #[arg(long = "seed", value_name = "S", default_value_t = 0)]
        first_seed: u64,
    },

    /// The ledger's threads under a model checker
    ///
    /// The ledger's real code, in every order of steps where these are few enough, in many orders
    /// where not. Prints how many schedules each model was run in. One that fails is written to a
    /// file below target/models/schedules, and is replayed with --replay. Takes a minute or two,
    /// the first time another one to build.
    #[command(after_help = "Examples:\n  cargo xtask models\n  cargo xtask models --replay \
                            keeper::models::a_model target/models/schedules/schedule000.txt")]
    Models {
        /// Only that model, in the order of steps that the file holds
        #[arg(long, num_args = 2, value_names = ["MODEL", "FILE"])]
        replay: Option<Vec<String>>,
    },

    /// Real processes, killed at random moments
    ///
    /// Real processes of the release build: in each round a central and three to five agencies
    /// with some 100,000 bets, killed with kill -9 at random moments and started again, or the
    /// central ended once with SIGTERM under load. What each agency said was acknowledged to it is
    /// held against the ledger, before every restart of the central and at the end. Prints a line a
    /// round, then figures. A round that fails keeps its folder, and its seed is named: that plan
    /// again, though not to the microsecond.
    #[command(after_help = "Examples:\n  cargo xtask torture --rounds 200\n  \
                            cargo xtask torture --rounds 100 --ending sigterm\n  \
                            cargo xtask torture --rounds 1 --seed 42")]
    Torture {
        /// How many rounds
        #[arg(long, value_name = "N", default_value_t = 5)]
        rounds: u64,
        /// The first one's seed; each next one's is one more
        #[arg(long = "seed", value_name = "S", default_value_t = 0)]
        first_seed: u64,
        /// How the central is ended under load
        #[arg(long, value_name = "HOW", default_value_t = Ending::Kill)]
        ending: Ending,
    },

    /// How many instructions it takes to read a bet
    ///
    /// From BETS as it comes to the bets as they are stored, digests left out, counted under
    /// valgrind. Fails when they are a tenth more or fewer than recorded. Needs valgrind.
    #[command(after_help = "Examples:\n  cargo xtask instructions\n  \
                            cargo xtask instructions --record")]
    Instructions {
        /// Record the figure instead of comparing it
        #[arg(long)]
        record: bool,
    },

    /// The central under attack, at full size, with figures
    ///
    /// Slow, silent, deaf, senseless and far too many clients, each kind for itself and all at
    /// once, while honest agencies send and measure. Prints what each kind does to their
    /// acknowledgements and to the central's memory. Fails when they take more than twice as long
    /// (under clients that never pause, more than 5 ms), when memory or descriptors are not as they
    /// should be, or when a winner is wrong. Takes some minutes, and a machine that does nothing
    /// else; needs 18,000 open files.
    #[command(after_help = "Example:\n  cargo xtask hostile")]
    Hostile,

    /// A day of the lottery by the console, in a real browser
    ///
    /// As two operators would, with five agencies and a phone beside. Leaves screenshots in
    /// target/browser. Needs Debian's chromium and chromium-driver.
    #[command(after_help = "Example:\n  cargo xtask browser")]
    Browser,

    /// Made-up requests to every path of the API
    ///
    /// Asks a central all that the description of its API allows, and much that it does not. Fails
    /// when an answer is not as described, or is a failure of the central's own. Needs Python with
    /// venv, and PyPI the first time.
    #[command(after_help = "Examples:\n  cargo xtask schemathesis\n  \
                            cargo xtask schemathesis --examples 200 --seed 42")]
    Schemathesis {
        /// Requests made up for each path, besides those that try each bound of it
        #[arg(long, value_name = "N", default_value_t = 50)]
        examples: u32,
        /// What they are made up from
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u32,
    },

    /// How fast the central is, by itself and beside other stores
    ///
    /// All scenarios of docs/benchmarks.md, or one; `cargo xtask bench --help` lists them. Takes a
    /// quarter of an hour as it is, and a machine that does nothing else.
    #[command(disable_help_flag = true)]
    Bench {
        /// What `cargo xtask bench --help` tells
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },

    /// The checks with made-up inputs, guided by what they reach
    ///
    /// The checks of crates/checks with made-up inputs, guided by what they reach. Prints for each
    /// target how many inputs ran, how many a second, how many were worth keeping, and how much of
    /// the code they reached. Fails when an input broke something, and names it. What was worth
    /// keeping stays in target/fuzz-corpus, and the next run goes on from there. Needs the nightly
    /// compiler and cargo-fuzz.
    #[command(after_help = "Examples:\n  cargo xtask fuzz\n  \
                            cargo xtask fuzz --seconds 600 frame_decoder")]
    Fuzz {
        /// How long each target runs
        #[arg(long, value_name = "N", default_value_t = 30)]
        #[arg(value_parser = value_parser!(u64).range(1..))]
        seconds: u64,
        /// Only this one; the targets are the files of fuzz/fuzz_targets
        target: Option<String>,
    },
}

/// The model and the file of `--replay`.
pub(crate) fn replay_of(values: Option<Vec<String>>) -> Option<Replay> {
    let [model, file] = values?.try_into().ok()?;
    Some(Replay { model, file })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
        let arguments = ["cargo xtask"].iter().chain(arguments);
        Arguments::try_parse_from(arguments).map(|parsed| parsed.command)
    }

    #[test]
    fn commands_are_read() {
        Arguments::command().debug_assert();
        let torture = |rounds, first_seed, ending| Command::Torture { rounds, first_seed, ending };
        let sigterm = ["torture", "--seed", "7", "--rounds", "1", "--ending", "sigterm"];
        let bench = |arguments: &[&str]| Command::Bench {
            arguments: arguments.iter().map(|&it| it.to_owned()).collect(),
        };
        let fuzz = |seconds, target: Option<&str>| Command::Fuzz {
            seconds,
            target: target.map(str::to_owned),
        };
        let cases: [(&[&str], Command); 16] = [
            (&["bench"], bench(&[])),
            (&["bench", "--scenario", "tls", "--help"], bench(&["--scenario", "tls", "--help"])),
            (&["hostile"], Command::Hostile),
            (&["instructions"], Command::Instructions { record: false }),
            (&["instructions", "--record"], Command::Instructions { record: true }),
            (&["fuzz"], fuzz(30, None)),
            (&["fuzz", "--seconds", "5", "config"], fuzz(5, Some("config"))),
            (&["ci"], Command::Ci),
            (&["test"], Command::Test),
            (&["tidy"], Command::Tidy),
            (&["sim"], Command::Sim { first_seed: 0, seeds: 1_000 }),
            (&["sim", "--seed", "7", "--seeds", "1"], Command::Sim { first_seed: 7, seeds: 1 }),
            (&["corrupt"], Command::Corrupt { first_seed: 0, folders: 1_000 }),
            (
                &["corrupt", "--seed", "7", "--folders", "1"],
                Command::Corrupt { first_seed: 7, folders: 1 },
            ),
            (&["torture"], torture(5, 0, Ending::Kill)),
            (&sigterm, torture(1, 7, Ending::Sigterm)),
        ];
        for (arguments, expected) in cases {
            assert_eq!(parse(arguments).unwrap(), expected);
        }
        let Command::Models { replay } = parse(&["models", "--replay", "m", "f"]).unwrap() else {
            panic!("another command");
        };
        let expected = Replay { model: "m".to_owned(), file: "f".to_owned() };
        assert_eq!(replay_of(replay), Some(expected));
    }

    #[test]
    fn what_is_not_understood_is_wrong_usage() {
        let wrong: [&[&str]; 9] = [
            &["fuzz", "--seconds", "0"],
            &["fuzz", "config", "wire"],
            &[],
            &["dance"],
            &["ci", "fast"],
            &["sim", "--seed"],
            &["sim", "--seeds", "many"],
            &["models", "--replay", "m"],
            &["torture", "--ending", "well"],
        ];
        for arguments in wrong {
            assert_eq!(parse(arguments).unwrap_err().exit_code(), 2, "{arguments:?}");
        }
    }
}
