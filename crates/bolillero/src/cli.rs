//! The command line.

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{
    AgencyArgs, AuditArgs, BackupArgs, BenchArgs, CheckArgs, CompletionsArgs, ComposeArgs,
    ConfigArgs, CopyArgs, DemoArgs, ExportArgs, FollowArgs, GenerateArgs, HealthArgs, ManArgs,
    OperatorArgs, PkiArgs, RestoreArgs, ServeArgs, StoreArgs, WinnersArgs,
};
use crate::exit::{CODES, Codes, Ending};
use crate::settings;

/// A lottery central and its agencies.
///
/// Agencies send their bets over TCP. The central stores every bet durably before it acknowledges
/// it. When all agencies have finished, it makes the draw, once. Each agency gets its own winners.
#[derive(Debug, Parser)]
#[command(name = "bolillero", version = env!("VERSION_AND_COMMIT"))]
#[command(propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The command to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the central.
    Serve(Box<ServeArgs>),
    /// Run an agency: send a file of bets and wait for the winners.
    Agency(Box<AgencyArgs>),
    /// Manage operators: their roles, passwords and tokens.
    Operator(OperatorArgs),
    /// Run a central and its agencies on this machine, and show the results.
    Demo(DemoArgs),
    /// Issue and revoke the certificates of agencies and the central.
    Pki(PkiArgs),
    /// Generate files of realistic bets.
    Generate(GenerateArgs),
    /// Export a draw's bets, in the order of the ledger.
    Export(ExportArgs),
    /// Count a draw's winners again, from the ledger alone.
    Winners(WinnersArgs),
    /// Print the audit log of a ledger: who did what, when and why.
    Audit(AuditArgs),
    /// Verify every record, the chain and the indexes of a ledger.
    Check(CheckArgs),
    /// Back up a ledger and its operators, also while its central runs.
    Backup(BackupArgs),
    /// Restore a ledger and its operators from a backup.
    Restore(RestoreArgs),
    /// Copy a ledger between a folder and a database that several centrals share.
    Copy(CopyArgs),
    /// Keep a copy of a central's ledger on another machine, ready to take its place.
    Follow(FollowArgs),
    /// Prepare and look at the database that several centrals share.
    Store(StoreArgs),
    /// Write, check and show configuration files.
    Config(ConfigArgs),
    /// Write a file for docker compose: a central and its agencies in containers.
    Compose(ComposeArgs),
    /// Ask a central on this machine whether it is ready.
    Health(HealthArgs),
    /// Print a shell's completions of the commands.
    Completions(CompletionsArgs),
    /// Write manual pages.
    Man(ManArgs),
    /// Measure how fast bets are acknowledged on this machine.
    Bench(BenchArgs),
}

const EXAMPLES: &str = "\
Examples:
  bolillero demo
  bolillero serve --listen 127.0.0.1:12345 --data ./data --agencies 5
  bolillero agency --id 1 --central 127.0.0.1:12345 --bets agency-1.csv

Where a command's --help names a variable, [env: BOLILLERO_...], it can be set instead of the flag;
serve and agency also read a TOML file (--config). Flags override variables, and variables override
the file. Empty variables are ignored. Exit codes: 0 done, 1 failed or not finished, 2 wrong usage
or input; each command's --help has the details.";

/// Returns the clap command, with each subcommand's exit codes in its help.
pub(crate) fn command() -> clap::Command {
    CODES.iter().fold(Cli::command(), |whole, codes| {
        whole.mut_subcommand(codes.command, |command| with_codes(command, codes))
    })
}

fn with_codes(command: clap::Command, codes: &Codes) -> clap::Command {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let command = command.after_help(format!("{examples}\n\n{}", codes.help()));
    command.mut_subcommands(|command| with_codes(command, codes))
}

/// Parses the command line and the environment.
pub(crate) fn parse() -> Result<Command, Ending> {
    let command = settings::without_empty_variables(command());
    let matches = command.try_get_matches().map_err(Ending::Usage)?;
    settings::check_environment(&Cli::command())?;
    Ok(Cli::from_arg_matches(&matches).map_err(Ending::Usage)?.command)
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_and_its_exit_codes() {
        for mut command in command().get_subcommands().cloned() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{}", command.get_name());
            assert!(help.contains("Exit codes:\n  0  "), "{}", command.get_name());
        }
    }
}
