//! The command line: which command, or which help.

use std::fmt;
use std::str::FromStr;

use crate::torture::Ending;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Ci,
    Test,
    Tidy,
    Sim { first_seed: u64, seeds: u64 },
    Torture { rounds: u64, first_seed: u64, ending: Ending },
    Help(Help),
}

/// A text that explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Help {
    Overview,
    Ci,
    Test,
    Tidy,
    Sim,
    Torture,
}

const SEEDS_DEFAULT: u64 = 1_000;
const ROUNDS_DEFAULT: u64 = 5;

/// Reads the arguments after the program's name. An error is a text for whoever typed them.
pub(crate) fn parse(arguments: &[String]) -> Result<Command, String> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (command, help) = match arguments[..] {
        [] => return Err("which command?".to_owned()),
        ["-h" | "--help"] => return Ok(Command::Help(Help::Overview)),
        ["ci", ..] => (Command::Ci, Help::Ci),
        ["test", ..] => (Command::Test, Help::Test),
        ["tidy", ..] => (Command::Tidy, Help::Tidy),
        ["sim", "-h" | "--help"] => return Ok(Command::Help(Help::Sim)),
        ["sim", ref rest @ ..] => return parse_sim(rest),
        ["torture", "-h" | "--help"] => return Ok(Command::Help(Help::Torture)),
        ["torture", ref rest @ ..] => return parse_torture(rest),
        [unknown, ..] => return Err(format!("there is no command '{unknown}'")),
    };
    match arguments[1..] {
        [] => Ok(command),
        ["-h" | "--help"] => Ok(Command::Help(help)),
        [argument, ..] => Err(format!("'{}' takes no argument '{argument}'", arguments[0])),
    }
}

fn parse_sim(mut arguments: &[&str]) -> Result<Command, String> {
    let (mut first_seed, mut seeds) = (0, SEEDS_DEFAULT);
    while let [name, rest @ ..] = arguments {
        match *name {
            "--seed" => first_seed = value("sim", name, rest)?,
            "--seeds" => seeds = value("sim", name, rest)?,
            _ => return Err(format!("'sim' takes no argument '{name}'")),
        }
        arguments = &rest[1..];
    }
    Ok(Command::Sim { first_seed, seeds })
}

fn parse_torture(mut arguments: &[&str]) -> Result<Command, String> {
    let (mut rounds, mut first_seed, mut ending) = (ROUNDS_DEFAULT, 0, Ending::Kill);
    while let [name, rest @ ..] = arguments {
        match *name {
            "--rounds" => rounds = value("torture", name, rest)?,
            "--seed" => first_seed = value("torture", name, rest)?,
            "--ending" => ending = rest.first().copied().unwrap_or_default().parse()?,
            _ => return Err(format!("'torture' takes no argument '{name}'")),
        }
        arguments = &rest[1..];
    }
    Ok(Command::Torture { rounds, first_seed, ending })
}

/// The number behind an argument.
fn value<T: FromStr>(command: &str, name: &str, rest: &[&str]) -> Result<T, String> {
    let number = rest.first().and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("'{name}' of '{command}' needs a number"))
}

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overview => OVERVIEW,
            Self::Ci => CI,
            Self::Test => TEST,
            Self::Tidy => TIDY,
            Self::Sim => SIM,
            Self::Torture => TORTURE,
        })
    }
}

const OVERVIEW: &str = "\
Everything a developer or CI runs.

Usage: cargo xtask <command>

Commands:
  ci       All that must be green before a change is merged
  test     The tests only
  tidy     The rules of the house that the compiler does not know
  sim      The simulation of the whole system, with faults
  torture  Real processes, killed at random moments

Options:
  -h, --help   This text, or that of a command

Examples:
  cargo xtask ci
  cargo xtask tidy --help
";

const CI: &str = "\
All that must be green before a change is merged: formatting, clippy without warnings, tidy, all
tests, documentation without warnings. Stops at the first that fails.

Usage: cargo xtask ci

Example:
  cargo xtask ci && git push
";

const TEST: &str = "\
All the tests of the workspace. For some of them, ask cargo.

Usage: cargo xtask test

Examples:
  cargo xtask test
  cargo test --locked -p lottery draw
";

const TIDY: &str = "\
The rules of the house that the compiler does not know: which crate may depend on which, what may
import what, lengths of files and lines, no unfinished code, no large data, links that lead
somewhere, decisions numbered without gaps. Each finding says where, what, and what to do.

Usage: cargo xtask tidy

Example:
  cargo xtask tidy
";

const SIM: &str = "\
The simulation of the whole system: agencies, network, central and disk from one seed, with faults,
and an auditor. Prints seeds a second and how often each fault happened. A seed that fails is named,
and fails again in the same way.

Usage: cargo xtask sim [--seeds N] [--seed S]

  --seeds N   How many seeds (1000 when not given)
  --seed S    The first one (0 when not given)

Examples:
  cargo xtask sim --seeds 10000
  cargo xtask sim --seed 42 --seeds 1
";

const TORTURE: &str = "\
Real processes of the release build: in each round a central and three to five agencies with some
100,000 bets, killed with kill -9 at random moments and started again, or the central ended once
with SIGTERM under load. What each agency said was acknowledged to it is held against the ledger,
before every restart of the central and at the end. Prints a line a round, then figures. A round
that fails keeps its folder, and its seed is named: that plan again, though not to the microsecond.

Usage: cargo xtask torture [--rounds N] [--seed S] [--ending kill|sigterm]

  --rounds N   How many rounds (5 when not given)
  --seed S     The first one's seed (0 when not given); each next one's is one more
  --ending E   How the central is ended under load (kill when not given)

Examples:
  cargo xtask torture --rounds 200
  cargo xtask torture --rounds 100 --ending sigterm
  cargo xtask torture --rounds 1 --seed 42
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_with_or_without_help() {
        let torture = |rounds, first_seed, ending| Command::Torture { rounds, first_seed, ending };
        let sigterm = ["torture", "--seed", "7", "--rounds", "1", "--ending", "sigterm"];
        let cases: [(&[&str], Command); 11] = [
            (&["torture"], torture(ROUNDS_DEFAULT, 0, Ending::Kill)),
            (&sigterm, torture(1, 7, Ending::Sigterm)),
            (&["torture", "--help"], Command::Help(Help::Torture)),
            (&["sim"], Command::Sim { first_seed: 0, seeds: SEEDS_DEFAULT }),
            (&["sim", "--seed", "7", "--seeds", "1"], Command::Sim { first_seed: 7, seeds: 1 }),
            (&["ci"], Command::Ci),
            (&["test"], Command::Test),
            (&["tidy"], Command::Tidy),
            (&["--help"], Command::Help(Help::Overview)),
            (&["ci", "--help"], Command::Help(Help::Ci)),
            (&["tidy", "-h"], Command::Help(Help::Tidy)),
        ];
        for (arguments, expected) in cases {
            assert_eq!(parse_words(arguments), Ok(expected), "{arguments:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let cases: [(&[&str], &str); 10] = [
            (&["torture", "--rounds"], "'--rounds' of 'torture' needs a number"),
            (&["torture", "--ending", "x"], "'x' is neither kill nor sigterm"),
            (&["torture", "--kills"], "'torture' takes no argument '--kills'"),
            (&["sim", "--seeds"], "'--seeds' of 'sim' needs a number"),
            (&["sim", "--seed", "x"], "'--seed' of 'sim' needs a number"),
            (&["sim", "--size", "1"], "'sim' takes no argument '--size'"),
            (&[], "which command?"),
            (&["deploy"], "there is no command 'deploy'"),
            (&["test", "-p", "wire"], "'test' takes no argument '-p'"),
            (&["ci", "--help", "x"], "'ci' takes no argument '--help'"),
        ];
        for (arguments, expected) in cases {
            assert_eq!(parse_words(arguments), Err(expected.to_owned()), "{arguments:?}");
        }
    }

    #[test]
    fn every_help_shows_an_example() {
        for help in [Help::Overview, Help::Ci, Help::Test, Help::Tidy, Help::Sim, Help::Torture] {
            let text = help.to_string();
            assert!(text.contains("Usage: cargo xtask") && text.contains("Example"), "{text}");
        }
    }

    fn parse_words(words: &[&str]) -> Result<Command, String> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }
}
