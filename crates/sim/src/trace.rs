//! Records the events of a run: a digest of all notes, and the last notes in readable form.

use std::collections::VecDeque;
use std::fmt;

use crate::limits::NOTES_TOLD;

/// The trace of a run. Runs with the same notes have the same digest.
#[derive(Debug)]
pub(crate) struct Trace {
    digest: u64,
    last: VecDeque<Note>,
}

#[derive(Debug)]
struct Note {
    tick: u64,
    what: &'static str,
    about: [u64; 2],
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { digest: FNV_OFFSET, last: VecDeque::with_capacity(NOTES_TOLD) }
    }

    /// Records an event, with two numbers that identify it.
    pub(crate) fn note(&mut self, tick: u64, what: &'static str, about: [u64; 2]) {
        self.mix(&tick.to_be_bytes());
        self.mix(what.as_bytes());
        self.mix(&about[0].to_be_bytes());
        self.mix(&about[1].to_be_bytes());
        if self.last.len() == NOTES_TOLD {
            self.last.pop_front();
        }
        self.last.push_back(Note { tick, what, about });
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Mixes bytes into the digest with FNV-1a, which is not meant to resist attacks.
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.last.iter().try_for_each(|Note { tick, what, about: [first, second] }| {
            writeln!(f, "  tick {tick}: {what} ({first}, {second})")
        })
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
