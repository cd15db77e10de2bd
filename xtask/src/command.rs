//! The command line: which command, or which help.

use std::fmt;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Ci,
    Test,
    Tidy,
    Sim { first_seed: u64, seeds: u64 },
    Hostile,
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
    Hostile,
}

const SEEDS_DEFAULT: u64 = 1_000;

/// Reads the arguments after the program's name. An error is a text for whoever typed them.
pub(crate) fn parse(arguments: &[String]) -> Result<Command, String> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (command, help) = match arguments[..] {
        [] => return Err("which command?".to_owned()),
        ["-h" | "--help"] => return Ok(Command::Help(Help::Overview)),
        ["ci", ..] => (Command::Ci, Help::Ci),
        ["test", ..] => (Command::Test, Help::Test),
        ["tidy", ..] => (Command::Tidy, Help::Tidy),
        ["hostile", ..] => (Command::Hostile, Help::Hostile),
        ["sim", "-h" | "--help"] => return Ok(Command::Help(Help::Sim)),
        ["sim", ref rest @ ..] => return parse_sim(rest),
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
        let number = rest.first().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| format!("'{name}' of 'sim' needs a number"));
        match *name {
            "--seed" => first_seed = number?,
            "--seeds" => seeds = number?,
            _ => return Err(format!("'sim' takes no argument '{name}'")),
        }
        arguments = &rest[1..];
    }
    Ok(Command::Sim { first_seed, seeds })
}

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overview => OVERVIEW,
            Self::Ci => CI,
            Self::Test => TEST,
            Self::Tidy => TIDY,
            Self::Sim => SIM,
            Self::Hostile => HOSTILE,
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
  hostile  The central under attack, at full size, with figures

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

const HOSTILE: &str = "\
The central under attack, at full size: slow, silent, deaf, senseless and far too many clients,
each kind for itself and all at once, while honest agencies send and measure. Prints what each kind
does to their acknowledgements and to the central's memory, and fails when they take more than twice
as long as without it, when memory or descriptors are not as they should be, or when a winner is
wrong. Takes some minutes, and a machine that does nothing else; needs 18,000 open files.

Usage: cargo xtask hostile

Example:
  cargo xtask hostile
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_with_or_without_help() {
        let cases: [(&[&str], Command); 9] = [
            (&["sim"], Command::Sim { first_seed: 0, seeds: SEEDS_DEFAULT }),
            (&["sim", "--seed", "7", "--seeds", "1"], Command::Sim { first_seed: 7, seeds: 1 }),
            (&["ci"], Command::Ci),
            (&["hostile"], Command::Hostile),
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
        let cases: [(&[&str], &str); 7] = [
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
        let helps = [Help::Overview, Help::Ci, Help::Test, Help::Tidy, Help::Sim, Help::Hostile];
        for help in helps {
            let text = help.to_string();
            assert!(text.contains("Usage: cargo xtask") && text.contains("Example"), "{text}");
        }
    }

    fn parse_words(words: &[&str]) -> Result<Command, String> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }
}
