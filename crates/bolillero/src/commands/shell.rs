//! `bolillero completions` and `bolillero man`: what a shell and `man` know of the commands.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;

use crate::exit::{Ending, print};

/// The shell to complete commands in.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  bolillero completions bash > \
                        /usr/share/bash-completion/completions/bolillero")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Where to write the pages.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  bolillero man --out /usr/share/man/man1")]
pub(crate) struct ManArgs {
    /// An existing folder; a page for each command is written to it.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completions.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Ending> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::command(), "bolillero", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes the manual pages.
pub(crate) fn man(args: &ManArgs) -> Result<(), Ending> {
    if !args.out.is_dir() {
        return Err(Ending::wrong(format!("{} is not a folder", args.out.display())));
    }
    let written = clap_mangen::generate_to(crate::cli::command(), &args.out);
    Ok(written.with_context(|| format!("can't write to {}", args.out.display()))?)
}
