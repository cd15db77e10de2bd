//! How commands end: their exit codes and error messages.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use ledger_postgres::StoreError;
use lottery::text::shown_lines;

/// What the exit codes 0, 1 and 2 of a command mean.
pub(crate) struct Codes {
    /// The command.
    pub(crate) command: &'static str,
    /// Its codes, in order.
    pub(crate) meanings: [&'static str; 3],
}

const fn codes(command: &'static str, meanings: [&'static str; 3]) -> Codes {
    Codes { command, meanings }
}

/// The exit codes of every command, which its help shows.
pub(crate) const CODES: [Codes; 21] = [
    codes(
        "serve",
        [
            "shut down cleanly by a signal",
            "could not start or continue, or a second signal stopped it at once",
            "wrong usage, or a setting or certificate that can't be used",
        ],
    ),
    codes(
        "agency",
        [
            "every valid bet of the file takes part in the draw, and the winners were printed",
            "bets were not sent or do not take part, or no winners were printed; see the error",
            "wrong usage, invalid rows, or a file without bets; the agency has not finished",
        ],
    ),
    codes(
        "operator",
        ["done", "failed; the error says if it is not known", "wrong usage, name or password"],
    ),
    codes(
        "demo",
        [
            "every agency received the winners that the ledger has",
            "failed or interrupted",
            "wrong usage, or no files of bets",
        ],
    ),
    codes(
        "pki",
        ["done", "a file could not be written", "wrong usage, files, names or passphrase"],
    ),
    codes("generate", ["written", "could not be written", "wrong usage"]),
    codes(
        "export",
        [
            "written, or the reader closed the pipe",
            "could not be written, or the ledger can't be read",
            "wrong usage, no ledger, or no such draw in it",
        ],
    ),
    codes(
        "winners",
        [
            "printed, or the reader closed the pipe",
            "the draw has not been made, or the ledger can't be read",
            "wrong usage, no ledger, or no such draw in it",
        ],
    ),
    codes(
        "audit",
        [
            "printed, or the reader closed the pipe",
            "the ledger can't be read",
            "wrong usage, no ledger, or no such draw in it",
        ],
    ),
    codes("check", ["intact", "damaged, or can't be read", "wrong usage, or no ledger"]),
    codes(
        "backup",
        [
            "everything is backed up, or nothing is new",
            "failed; the pieces that it named are complete, run it again for the others",
            "wrong usage, no ledger, or a backup of another ledger or history",
        ],
    ),
    codes(
        "restore",
        [
            "restored and checked",
            "interrupted, or the backup is damaged; run it again with a sound copy",
            "wrong usage, no backup, no such draw, or a target with other records",
        ],
    ),
    codes(
        "copy",
        [
            "the copy is complete and the same",
            "interrupted, or the copy is not the same; run it again",
            "wrong usage, no ledger, or a store that can't be used",
        ],
    ),
    codes(
        "follow",
        [
            "ended by a signal; what was received is stored",
            "the central refuses, or the copy can't be continued; see the error",
            "wrong usage, address, token file or certificate authority",
        ],
    ),
    codes(
        "store",
        ["done", "no server can be written to now", "wrong usage, or a store that can't be used"],
    ),
    codes(
        "config",
        ["done, or valid", "could not be written", "wrong usage, or settings that are not valid"],
    ),
    codes("compose", ["written", "could not be written", "wrong usage, or a file that exists"]),
    codes("health", ["ready", "not ready, or it does not answer", "wrong usage"]),
    codes("completions", ["printed", "could not be written", "wrong usage"]),
    codes("man", ["written", "could not be written", "wrong usage, or no such folder"]),
    codes("bench", ["measured", "failed", "wrong usage"]),
];

impl Codes {
    /// Returns the text for the end of a command's help.
    pub(crate) fn help(&self) -> String {
        let [done, failed, wrong] = self.meanings;
        format!("Exit codes:\n  0  {done}\n  1  {failed}\n  2  {wrong}")
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It failed: exit code 1.
    Failed(anyhow::Error),
    /// The command line, configuration or input is wrong: exit code 2.
    Wrong(anyhow::Error),
    /// A result of clap: a usage error, help or the version.
    Usage(clap::Error),
}

impl Ending {
    /// Creates the ending for wrong usage or input.
    pub(crate) fn wrong(why: impl Display) -> Self {
        Self::Wrong(anyhow::anyhow!("{why}"))
    }

    /// Creates the ending for an error that may be one of usage or input.
    pub(crate) fn of(is_wrong: bool, error: anyhow::Error) -> Self {
        if is_wrong { Self::Wrong(error) } else { Self::Failed(error) }
    }

    /// Adds what was being done, to an error.
    pub(crate) fn context(self, context: String) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(error.context(context)),
            Self::Wrong(error) => Self::Wrong(error.context(context)),
            usage @ Self::Usage(_) => usage,
        }
    }

    /// Returns the error, whatever the exit code.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Failed(error) | Self::Wrong(error) => error,
            Self::Usage(error) => anyhow::anyhow!("{error}"),
        }
    }

    /// Creates the ending for a shared store that can't be used.
    pub(crate) fn of_store(error: StoreError, context: String) -> Self {
        let is_wrong = matches!(error, StoreError::Unsuitable(_) | StoreError::NotAllowed(_));
        Self::of(is_wrong, anyhow::Error::new(error).context(context))
    }

    /// Prints the message and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        // If printing fails there is nowhere to report it.
        let print = |error| {
            let error = format!("error: {error:#}");
            let _ = writeln!(io::stderr(), "{}", shown_lines(&error));
        };
        match self {
            Self::Failed(error) => {
                print(error);
                ExitCode::from(1)
            }
            Self::Wrong(error) => {
                print(error);
                ExitCode::from(2)
            }
            Self::Usage(error) => {
                let code = if error.use_stderr() { 2 } else { 0 };
                match shown_lines(&error.render().to_string()) {
                    Cow::Borrowed(_) => drop(error.print()),
                    Cow::Owned(shown) => drop(write!(io::stderr(), "{shown}")),
                }
                ExitCode::from(code)
            }
        }
    }
}

/// Prints the text of a result to standard output.
pub(crate) fn print(text: &str) -> Result<(), Ending> {
    let mut out = io::stdout().lock();
    let written = out.write_all(shown_lines(text).as_bytes()).and_then(|()| out.flush());
    Ok(printed(written.context("can't write the result"))?)
}

/// Ignores the error of a closed pipe: a reader that stops early is no failure.
pub(crate) fn printed(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if is_of_a_reader_gone(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_of_a_reader_gone(error: &anyhow::Error) -> bool {
    let of_io = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().map(io::Error::kind)
    };
    error.chain().filter_map(of_io).any(|kind| kind == io::ErrorKind::BrokenPipe)
}

impl<E: Into<anyhow::Error>> From<E> for Ending {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
