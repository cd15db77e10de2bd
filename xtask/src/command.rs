//! The command line: which command, with what.

use std::path::PathBuf;

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

/// The command line.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Run all checks and tests that must pass before a change is merged
    ///
    /// Runs the steps in order, and stops at the first failure.
    #[command(after_help = "Example:\n  cargo xtask ci")]
    Ci,

    /// Run the tests only
    ///
    /// Runs all tests of the workspace. To run some of them, use cargo test.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo test --locked -p lottery draw")]
    Test,

    /// Check the rules that no compiler, linter or formatter checks
    ///
    /// Checks the dependencies between crates, the links, files and commands in documents, the
    /// tables of contents and of log lines, and that each planted bug can still be planted. Each
    /// finding reports its place, the problem and the remedy.
    #[command(after_help = "Example:\n  cargo xtask tidy")]
    Tidy,

    /// Build the site of the documents
    ///
    /// Has mdBook make a site of docs/ in target/book/site, in the order of docs/SUMMARY.md, and
    /// checks that each link within it leads somewhere. Requires Python with venv, and PyPI the
    /// first time.
    #[command(after_help = "Example:\n  cargo xtask book")]
    Book,

    /// Simulate the whole system, with faults
    ///
    /// Runs agencies, network, central, disk and clock from one seed, with faults, and an auditor.
    /// Prints seeds per second and how often each kind of fault occurred; fails if one never did.
    /// Prints a seed that fails; the failure is reproducible.
    #[command(after_help = "Examples:\n  cargo xtask sim --seeds 10000\n  \
                            cargo xtask sim --seed 42 --seeds 1")]
    Sim {
        /// Number of seeds
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        seeds: u64,
        /// First seed
        #[arg(long = "seed", value_name = "S", default_value_t = 0)]
        first_seed: u64,
    },

    /// Damage ledger folders in many ways, and check what is detected
    ///
    /// Damages folders: flipped bits, zeros, truncation, swapped blocks and files, deleted and
    /// older files, records with corrected checksums, rewritten ledgers. Checks that opening
    /// rejects what it must and changes nothing, that what is read from a folder is what was
    /// acknowledged, and that the scrub reports the rest. Prints how often each kind of damage
    /// occurred and how it was detected; fails if one never occurred. Prints a seed that fails; the
    /// failure is reproducible.
    #[command(after_help = "Examples:\n  cargo xtask corrupt --folders 10000\n  \
                            cargo xtask corrupt --seed 42 --folders 1")]
    Corrupt {
        /// Number of folders
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        folders: u64,
        /// First seed; each next one is one higher
        #[arg(long = "seed", value_name = "S", default_value_t = 0)]
        first_seed: u64,
    },

    /// Plant deliberate bugs, which the simulation and the corruptor must find
    ///
    /// Applies each patch of xtask/planted to a copy of the tree, builds it, and runs the driver that
    /// must find the bug. Prints the seed that found it, and the times. Fails when a bug is not found.
    #[command(after_help = "Examples:\n  cargo xtask planted\n  \
                            cargo xtask planted tail-not-cut undo-left-out\n  \
                            cargo xtask planted --few")]
    Planted {
        /// Only these; the names of the patches
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Only three, which change with the commit
        #[arg(long, conflicts_with = "names")]
        few: bool,
    },

    /// Run the ledger's threads under a model checker
    ///
    /// Runs the ledger's real code in every schedule where there are few enough, and in many
    /// schedules otherwise. Prints the number of schedules of each model. A schedule that fails is
    /// written to a file below target/models/schedules; --replay runs it again. Takes a minute or
    /// two, the first time another one to build.
    #[command(after_help = "Examples:\n  cargo xtask models\n  cargo xtask models --replay \
                            segment_pool::models::a_model target/models/schedules/schedule000.txt")]
    Models {
        /// Run only this model, with the schedule in the file
        #[arg(long, num_args = 2, value_names = ["MODEL", "FILE"])]
        replay: Vec<String>,
    },

    /// Kill real processes at random moments
    ///
    /// Runs the release build: in each round a central and three to five agencies with some 100,000
    /// bets, killed with kill -9 at random moments and restarted, or the central stopped once with
    /// SIGTERM under load. Compares what each agency logged as acknowledged with the ledger, before
    /// every restart of the central and at the end. Prints a line per round, then totals. A round
    /// that fails leaves its folder and prints its seed, which repeats the same plan, but not the
    /// exact timing.
    #[command(after_help = "Examples:\n  cargo xtask torture --rounds 200\n  \
                            cargo xtask torture --rounds 100 --ending sigterm\n  \
                            cargo xtask torture --rounds 1 --seed 42")]
    Torture {
        /// Number of rounds
        #[arg(long, value_name = "N", default_value_t = 5)]
        rounds: u64,
        /// First seed; each next one is one higher
        #[arg(long = "seed", value_name = "S", default_value_t = 0)]
        first_seed: u64,
        /// How the central is stopped under load
        #[arg(long, value_name = "HOW", value_enum, default_value_t = Ending::Kill)]
        ending: Ending,
    },

    /// Make the Debian package
    ///
    /// Packages the program with its unit of systemd, manual pages and completions, below
    /// target/package. Checks that the unit exposes little and allows every system call of a day,
    /// and, as root, installs, upgrades, removes and purges the package in a folder. Requires
    /// Debian's systemd and strace.
    #[command(after_help = "Examples:\n  cargo xtask package\n  \
                            cargo xtask package --program target/debug/bolillero")]
    Package {
        /// Package this program instead of building it
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
    },

    /// Count the instructions to read a bet, and to store it
    ///
    /// Counts with valgrind, from the received BETS message to the bets in stored form, and on to
    /// the durable and indexed record of their batch, without digests. Fails if a count is more than
    /// a tenth above or below the recorded one. Requires valgrind.
    #[command(after_help = "Examples:\n  cargo xtask instructions\n  \
                            cargo xtask instructions --record")]
    Instructions {
        /// Record the counts instead of comparing them
        #[arg(long)]
        record: bool,
    },

    /// Count the system calls for a batch
    ///
    /// Counts with strace, in a central whose only agency sends 16 batches at once and waits for
    /// their acknowledgements. Fails if the count is more than a tenth above or below the recorded
    /// one. Requires strace, and the right to real-time threads.
    #[command(after_help = "Examples:\n  cargo xtask system-calls\n  \
                            cargo xtask system-calls --record")]
    SystemCalls {
        /// Record the count instead of comparing it
        #[arg(long)]
        record: bool,
    },

    /// Attack the central at full size, and measure
    ///
    /// Runs clients that are slow, silent, never read, send garbage or are far too many, one kind
    /// at a time and all together, while honest agencies send and measure. Prints the effect of
    /// each kind on their acknowledgements and on the central's memory. Fails if acknowledgements
    /// take more than twice as long (with clients that never pause, more than 5 ms), if memory or
    /// descriptors exceed their limits, or if a winner is wrong. Takes some minutes on an otherwise
    /// idle machine; requires 18,000 open files.
    #[command(after_help = "Example:\n  cargo xtask hostile")]
    Hostile,

    /// Build the image, and play a lottery day in containers of it
    ///
    /// Builds the static program and the image `bolillero`, of 20 MB at most. Then a central and five
    /// agencies on generated bets, by plain docker: the central is stopped and another one goes on
    /// with its volume and other mounted settings, an agency is stopped and started again, one loses
    /// its network. Has docker compose read the compose file, where it is installed. With
    /// BOLILLERO_REAL_BETS, the folder of five files, plays a day on those, too. Requires docker,
    /// and libc's static library.
    #[command(after_help = "Example:\n  cargo xtask container")]
    Container,

    /// Run a lottery day through the console in a real browser
    ///
    /// Plays two operators, with five agencies and a phone. Writes screenshots to target/browser.
    /// Requires Debian's chromium and chromium-driver.
    #[command(after_help = "Example:\n  cargo xtask browser")]
    Browser,

    /// Take a picture of every page of the console
    ///
    /// Writes each page, on a desktop and a phone, light and dark, in both languages, to
    /// target/screenshots. Requires Debian's chromium and chromium-driver.
    #[command(after_help = "Example:\n  cargo xtask screenshots")]
    Screenshots,

    /// Send generated requests to every path of the API
    ///
    /// Sends a central requests that its API description allows, and many that it does not. Fails
    /// if a response does not match the description, or is a server error. Requires Python with
    /// venv, and PyPI the first time.
    #[command(after_help = "Examples:\n  cargo xtask schemathesis\n  \
                            cargo xtask schemathesis --examples 200 --seed 42")]
    Schemathesis {
        /// Generated requests per path, in addition to those that test its limits
        #[arg(long, value_name = "N", default_value_t = 50)]
        examples: u32,
        /// Seed of the generator
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u32,
    },

    /// Check the client in Python
    ///
    /// Installs the package of clients/python, checks its types, and runs its tests against a
    /// central: with agencies of every kind, kill -9 in the middle of the day, and the bytes of
    /// docs/how-to/clients.md. With BOLILLERO_REAL_BETS, the folder of five files, they also send
    /// those. Requires Python with venv, and PyPI the first time.
    #[command(after_help = "Example:\n  cargo xtask clients")]
    Clients,

    /// Test backups in a bucket of an object store
    ///
    /// Builds the program with the feature `s3`, starts moto, a server of the protocol of S3, and
    /// backs up to it: killed at any moment, two runs at once, with damaged pieces, over TLS.
    /// Requires Python with venv, and PyPI the first time.
    #[command(after_help = "Example:\n  cargo xtask objects")]
    Objects,

    /// Benchmark the central, alone and against other stores
    ///
    /// Runs all scenarios of docs/explanation/benchmarks.md, or one; `cargo xtask bench --help`
    /// lists them. By default takes a quarter of an hour on an otherwise idle machine.
    #[command(disable_help_flag = true)]
    #[command(after_help = "Examples:\n  cargo xtask bench\n  \
                            cargo xtask bench --scenario window --seconds 10")]
    Bench {
        /// The options that `cargo xtask bench --help` lists
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },

    /// Fuzz the checks, guided by coverage
    ///
    /// Fuzzes the checks of crates/checks. Prints the fuzzer's figures for each target: inputs run,
    /// edges and features covered, inputs in the corpus, inputs per second. Fails if an input
    /// breaks a check, and prints it. The corpus is stored in target/fuzz-corpus, where the next
    /// run continues. Requires the nightly compiler and cargo-fuzz.
    #[command(after_help = "Examples:\n  cargo xtask fuzz\n  \
                            cargo xtask fuzz --seconds 600 frame_decoder")]
    Fuzz {
        /// Seconds for each target
        #[arg(long, value_name = "N", default_value_t = 30)]
        #[arg(value_parser = value_parser!(u64).range(1..))]
        seconds: u64,
        /// Run only this target; the targets are the files of fuzz/fuzz_targets
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
