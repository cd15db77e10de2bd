//! How a command ends when it does not succeed.

use std::fmt::Display;
use std::process::ExitCode;

/// What ended a command.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It failed: exit code 1.
    Failed(anyhow::Error),
    /// The command line, configuration or input is wrong: exit code 2.
    Wrong(anyhow::Error),
    /// clap has something to say: help and version too.
    Usage(clap::Error),
}

impl Ending {
    /// Wrong usage or input, in these words.
    pub(crate) fn wrong(why: impl Display) -> Self {
        Self::Wrong(anyhow::anyhow!("{why}"))
    }

    /// Tells the person, and gives the exit code.
    #[expect(clippy::print_stderr, reason = "the last words of the program")]
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Failed(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(1)
            }
            Self::Wrong(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
            Self::Usage(error) => {
                let code = if error.use_stderr() { 2 } else { 0 };
                // Nobody is left to be told when this fails.
                let _ = error.print();
                ExitCode::from(code)
            }
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Ending {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
