//! Reads passwords from a terminal or from standard input.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::exit::Ending;

/// Turns the terminal's echo off; restores its settings when dropped.
struct Silent {
    before: Termios,
}

/// Reads the first line of standard input, without its line ending.
pub(super) fn first_line_of_stdin() -> Result<String, Ending> {
    line().map_err(Ending::from)
}

/// Asks for a password. Returns `None` when there is no terminal.
pub(super) fn on_the_terminal(question: &str) -> Result<Option<String>, Ending> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let _silent = Silent::begin().context("can't turn off the echo of this terminal")?;
    Ok(Some(answer_to(question)?))
}

/// Asks for a new password twice, since it is not echoed. Returns `None` when there is no terminal.
pub(super) fn twice_on_the_terminal(question: &str) -> Result<Option<String>, Ending> {
    let first = on_the_terminal(question)?;
    if first.is_some() && first != on_the_terminal("Repeat it: ")? {
        return Err(Ending::wrong("the two passwords differ; nothing was changed"));
    }
    Ok(first)
}

fn answer_to(question: &str) -> anyhow::Result<String> {
    let ask = |text: &str| {
        let mut terminal = io::stderr().lock();
        terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush())
    };
    ask(question).context("can't ask for the password")?;
    let answer = line()?;
    // The newline that the user typed was not echoed either.
    ask("\n").context("can't ask for the password")?;
    Ok(answer)
}

fn line() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("can't read the password")?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

impl Silent {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}
