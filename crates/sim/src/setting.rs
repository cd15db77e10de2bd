//! The parameters of a run, all derived from the seed before it begins.

use std::fmt;

use fastrand::Rng;
use lottery::{ChunkDigest, PrefixDigest};
use wire::{BetsEncoder, Mode};

use crate::limits::{AGENCIES, BETS_FEW, BETS_MANY, FAULTS_TIME, WINDOW, WINNERS_WAIT};

/// The names of the draws, by index: each run has the first draw, some have both.
pub(crate) const DRAW_NAMES: [&str; 2] = ["sorteo", "revancha"];

/// Identifies an agency in one draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The index of the draw.
    pub(crate) draw: usize,
    pub(crate) agency: u32,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in '{}'", self.agency, DRAW_NAMES[self.draw])
    }
}

/// The parameters of a run; see the module documentation.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) files: Vec<File>,
    /// The number of agencies; each one bets in every draw.
    pub(crate) agencies: u32,
    /// The tick at which the second draw opens, if there is one.
    pub(crate) second_draw_at: Option<u64>,
    pub(crate) frame_len_max: u32,
    /// The central's window.
    pub(crate) window: u16,
    pub(crate) number_max: u32,
    pub(crate) winning_number: u32,
    pub(crate) winners_wait: u64,
    /// No fault happens from this tick on.
    pub(crate) faults_until: u64,
    pub(crate) rates: Rates,
}

/// Mean ticks between faults: per connection for cuts, per agency for agency crashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) cut: u64,
    pub(crate) central_crash: u64,
    pub(crate) agency_crash: u64,
}

/// An agency's file of bets, split into batches, and how the agency communicates.
#[derive(Debug)]
pub(crate) struct File {
    /// The index of the file's draw.
    pub(crate) draw: usize,
    /// The agency's number, from 1.
    pub(crate) agency: u32,
    pub(crate) mode: Mode,
    pub(crate) window: usize,
    /// Whether the agency gives up for good at its first crash before FINISH.
    pub(crate) gives_up: bool,
    pub(crate) chunks: Vec<Chunk>,
}

/// A batch of a file.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The encoded BETS message.
    pub(crate) frame: Vec<u8>,
    /// The bets in canonical text.
    pub(crate) text: String,
    pub(crate) bets: u64,
    /// The digest of all chunks up to and including this one.
    pub(crate) prefix: PrefixDigest,
}

impl Setting {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let frame_len_max = *pick(rng, &[256, 512, 8192]);
        let number_max = *pick(rng, &[1, 9, 9_999]);
        let many = rng.u8(..) < 40;
        let count = rng.u32(AGENCIES);
        let files: Vec<_> = (1..=count)
            .map(|agency| File::new(rng, Key { draw: 0, agency }, frame_len_max, number_max, many))
            .collect();
        let mut setting = Self {
            winning_number: winning_number(rng, &files, number_max),
            files,
            agencies: count,
            second_draw_at: None,
            frame_len_max,
            window: rng.u16(WINDOW),
            number_max,
            winners_wait: rng.u64(WINNERS_WAIT),
            faults_until: rng.u64(FAULTS_TIME),
            rates: Rates {
                cut: rng.u64(40..=600),
                central_crash: rng.u64(60..=800),
                agency_crash: rng.u64(150..=2_000),
            },
        };
        // Uses a separate generator, so that runs with one draw do not depend on this choice.
        let mut rng = Rng::with_seed(!rng.get_seed());
        if rng.u8(..3) == 0 {
            setting.add_second_draw(&mut rng);
        }
        setting
    }

    /// Returns the number of draws in the run.
    pub(crate) fn draws(&self) -> usize {
        1 + usize::from(self.second_draw_at.is_some())
    }

    /// Adds a second draw, in which every agency has other bets. Then no agency gives up.
    fn add_second_draw(&mut self, rng: &mut Rng) {
        self.second_draw_at = Some(rng.u64(1..=self.faults_until));
        for agency in 1..=self.agencies {
            let (key, numbers) = (Key { draw: 1, agency }, self.number_max);
            self.files.push(File::new(rng, key, self.frame_len_max, numbers, false));
        }
        self.files.iter_mut().for_each(|file| file.gives_up = false);
    }
}

impl File {
    fn new(
        rng: &mut Rng,
        Key { draw, agency }: Key,
        frame_len_max: u32,
        number_max: u32,
        many: bool,
    ) -> Self {
        let mode = if rng.bool() { Mode::Greeting } else { Mode::Legacy };
        let window = usize::from(rng.u16(WINDOW));
        let (bets, bets_max) =
            if many { (rng.usize(BETS_MANY), 93) } else { (rng.usize(BETS_FEW), rng.u32(1..=6)) };
        let mut file =
            Self { draw, agency, mode, window, gives_up: rng.u8(..40) == 0, chunks: Vec::new() };
        let mut encoder = BetsEncoder::new(agency, 0, frame_len_max);
        for _ in 0..bets {
            let fields = bet(rng, number_max);
            let fields = fields.each_ref().map(String::as_str);
            let fits = |encoder: &mut BetsEncoder| {
                encoder.try_push(&fields).expect("a bet here is short and has no separators")
            };
            if encoder.bets() == bets_max || !fits(&mut encoder) {
                encoder = file.end_chunk(encoder, frame_len_max);
                assert!(fits(&mut encoder), "an empty batch has room for a bet");
            }
        }
        if !encoder.is_empty() {
            file.end_chunk(encoder, frame_len_max);
        }
        file
    }

    pub(crate) fn key(&self) -> Key {
        Key { draw: self.draw, agency: self.agency }
    }

    /// Returns the digest of the chunks `0..count`.
    pub(crate) fn prefix(&self, count: usize) -> PrefixDigest {
        count.checked_sub(1).map_or(PrefixDigest::EMPTY, |last| self.chunks[last].prefix)
    }

    /// Appends the encoder's batch and returns an encoder for the next one.
    fn end_chunk(&mut self, encoder: BetsEncoder, frame_len_max: u32) -> BetsEncoder {
        let text = str::from_utf8(encoder.bets_text()).expect("it was made of text").to_owned();
        let prefix = self.prefix(self.chunks.len()).then(&ChunkDigest::of(&text));
        let bets = u64::from(encoder.bets());
        self.chunks.push(Chunk { frame: encoder.finish(), text, bets, prefix });
        let next = u32::try_from(self.chunks.len()).expect("a file here is short");
        BetsEncoder::new(self.agency, next, frame_len_max)
    }
}

/// Returns a random element of `of`.
pub(crate) fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

/// Returns the winning number, usually one that was bet on.
fn winning_number(rng: &mut Rng, files: &[File], number_max: u32) -> u32 {
    let texts: Vec<_> = files.iter().flat_map(|file| &file.chunks).map(|c| &c.text).collect();
    if texts.is_empty() || rng.u8(..) < 50 {
        return rng.u32(0..=number_max);
    }
    let text = *pick(rng, &texts);
    let number = text.rsplit('|').next().and_then(|number| number.parse().ok());
    number.expect("a batch's text ends with a number")
}

fn bet(rng: &mut Rng, number_max: u32) -> [String; 5] {
    const FIRST: [&str; 5] = ["Santiago Lionel", "Ñandú", "María", "Agustín", "Zoë"];
    const LAST: [&str; 4] = ["Lorca", "Fornerón", "Güemes", "O'Higgins"];
    [
        (*pick(rng, &FIRST)).to_owned(),
        (*pick(rng, &LAST)).to_owned(),
        rng.u32(1..=99_999_999).to_string(),
        format!("{}-{:02}-{:02}", rng.u32(1900..=2006), rng.u32(1..=12), rng.u32(1..=28)),
        rng.u32(0..=number_max).to_string(),
    ]
}
