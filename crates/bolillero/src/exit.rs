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

/// What was printed, unless whoever read it has gone: they had enough, which is no failure.
pub(crate) fn printed(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if is_of_a_reader_gone(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_of_a_reader_gone(error: &anyhow::Error) -> bool {
    let of_io = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
    };
    error.chain().filter_map(of_io).any(|kind| kind == std::io::ErrorKind::BrokenPipe)
}

impl<E: Into<anyhow::Error>> From<E> for Ending {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
