//! The command line: which command, with what.

use clap::{Parser, Subcommand, value_parser};

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
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// All that must be green before a change is merged
    ///
    /// Runs one step after the other, and stops at the first that fails.
    #[command(after_help = "Example:\n  cargo xtask ci")]
    Ci,

    /// The tests only
    ///
    /// Runs all tests of the workspace. For some of them, ask cargo.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo test --locked -p lottery draw")]
    Test,

    /// The rules that no compiler, linter or formatter checks
    ///
    /// Checks which crate depends on which, and the links, files and commands that documents name.
    /// Each finding says where, what, and what to do.
    #[command(after_help = "Example:\n  cargo xtask tidy")]
    Tidy,

    /// The simulation of the whole system, with faults
    ///
    /// Runs agencies, network, central, disk and clock from one seed, with faults, and an auditor.
    /// Prints seeds a second and how often each kind of fault happened; fails when one never did. A
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
    /// Damages folders: bits, zeros, cuts, blocks and files in each other's place, deleted and
    /// older files, records with mended checksums, whole ledgers rewritten. Checks that opening
    /// refuses what it must and changes nothing, that what is told of a folder is what was
    /// acknowledged, and that the scrub reports the rest. Prints how often each sort of damage
    /// happened and what came of it; fails when one never did. A seed that fails is named, and
    /// fails again in the same way.
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
    /// Runs the ledger's real code in every order of steps where these are few enough, in many
    /// orders where not. Prints how many schedules each model was run in. One that fails is written
    /// to a file below target/models/schedules, and is replayed with --replay. Takes a minute or
    /// two, the first time another one to build.
    #[command(after_help = "Examples:\n  cargo xtask models\n  cargo xtask models --replay \
                            segment_pool::models::a_model target/models/schedules/schedule000.txt")]
    Models {
        /// Only that model, in the order of steps that the file holds
        #[arg(long, num_args = 2, value_names = ["MODEL", "FILE"])]
        replay: Vec<String>,
    },

    /// Real processes, killed at random moments
    ///
    /// Runs the release build: in each round a central and three to five agencies with some 100,000
    /// bets, killed with kill -9 at random moments and started again, or the central ended once
    /// with SIGTERM under load. Compares what each agency logged as acknowledged with the ledger,
    /// before every restart of the central and at the end. Prints a line a round, then figures. A
    /// round that fails keeps its folder, and its seed is named: the same plan again, though not to
    /// the microsecond.
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
        #[arg(long, value_name = "HOW", value_enum, default_value_t = Ending::Kill)]
        ending: Ending,
    },

    /// How many instructions it takes to read a bet
    ///
    /// Counts under valgrind, from BETS as it arrives to the bets as they are stored, without
    /// digests. Fails when they are a tenth more or fewer than recorded. Needs valgrind.
    #[command(after_help = "Examples:\n  cargo xtask instructions\n  \
                            cargo xtask instructions --record")]
    Instructions {
        /// Record the figure instead of comparing it
        #[arg(long)]
        record: bool,
    },

    /// The central under attack, at full size, with figures
    ///
    /// Runs slow, silent, deaf, senseless and far too many clients, each kind for itself and all at
    /// once, while honest agencies send and measure. Prints what each kind does to their
    /// acknowledgements and to the central's memory. Fails when they take more than twice as long
    /// (under clients that never pause, more than 5 ms), when memory or descriptors are not as they
    /// should be, or when a winner is wrong. Takes some minutes, and a machine that does nothing
    /// else; needs 18,000 open files.
    #[command(after_help = "Example:\n  cargo xtask hostile")]
    Hostile,

    /// A day of the lottery by the console, in a real browser
    ///
    /// Does what two operators would, with five agencies and a phone beside. Leaves screenshots in
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
    #[command(after_help = "Examples:\n  cargo xtask bench\n  \
                            cargo xtask bench --scenario window --seconds 10")]
    Bench {
        /// What `cargo xtask bench --help` tells
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },

    /// The checks with made-up inputs, guided by what they reach
    ///
    /// Fuzzes the checks of crates/checks. Prints for each target the fuzzer's own figures: inputs
    /// run, edges and features of the code that they reached, inputs worth keeping, inputs a
    /// second. Fails when an input broke something, and names it. What was worth keeping stays in
    /// target/fuzz-corpus, and the next run goes on from there. Needs the nightly compiler and
    /// cargo-fuzz.
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn reads_every_example_of_its_help() {
        Arguments::command().debug_assert();
        let mut count = 0;
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().unwrap().to_string();
            let examples = help.lines().filter_map(|line| line.trim().strip_prefix("cargo xtask "));
            for example in examples {
                let words = ["cargo xtask"].into_iter().chain(example.split(' '));
                Arguments::try_parse_from(words).unwrap();
                count += 1;
            }
        }
        assert!(count > 20, "only {count} examples found");
    }

    #[test]
    fn refuses_what_it_does_not_understand_as_wrong_usage() {
        let wrong = [
            "",
            "dance",
            "ci fast",
            "sim --seeds many",
            "models --replay m",
            "torture --ending well",
            "fuzz --seconds 0",
        ];
        for wrong in wrong {
            let words = ["cargo xtask"].into_iter().chain(wrong.split_whitespace());
            let error = Arguments::try_parse_from(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
    }
}
