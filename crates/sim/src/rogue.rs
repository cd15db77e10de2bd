//! A malicious or broken client: sends what must be refused, or disconnects in the middle.
//!
//! Invariants:
//! - it never sends anything that could be accepted from the agency it claims to be, except
//!   repeats of stored chunks;
//! - each trick lists the replies that it may get; any other reply fails the run;
//! - what it sends is in no agency's file, so the auditor notices if it is ever stored.

use wire::message::Hello;
use wire::{AgencyMessage, CentralMessage, DrawName, ErrorCode, FrameReader, Sender};

use crate::agency::may_pass;
use crate::limits::VISIT_TIME;
use crate::network::{End, Link, Read};
use crate::setting::{Setting, pick};
use crate::world::World;
use crate::wrong::{Wrong, wrong};

/// The state of the client; see the module documentation.
#[derive(Default)]
pub(crate) struct Rogue {
    visit: Option<Visit>,
}

struct Visit {
    link: Link,
    trick: Trick,
    reader: FrameReader,
    /// Whether it never reads replies.
    deaf: bool,
    acknowledged: usize,
    refused: bool,
    leaves_at: u64,
}

/// One attempt of the client.
#[derive(Clone, Debug)]
struct Trick {
    name: &'static str,
    bytes: Vec<u8>,
    /// The error codes that it may be refused with.
    codes: &'static [ErrorCode],
    /// The chunk that may be acknowledged, and how many times.
    repeats: Option<(u32, usize)>,
}

/// The client's id on the network, which no agency has.
const NOBODY: u32 = u32::MAX;
/// A chunk id that no file has.
const FAR_CHUNK: u32 = 4_000_000_000;
const STRANGER: u32 = 9_999;

impl Rogue {
    pub(crate) fn step(&mut self, setting: &Setting, world: &mut World) -> Result<(), Wrong> {
        let Some(mut visit) = self.visit.take() else {
            if world.strikes(40) {
                self.visit = begin(setting, world);
            }
            return Ok(());
        };
        let stays = world.now < visit.leaves_at && (visit.deaf || visit.listen(world)?);
        if stays {
            self.visit = Some(visit);
        } else {
            world.network.close(visit.link, End::Agency);
        }
        Ok(())
    }
}

fn begin(setting: &Setting, world: &mut World) -> Option<Visit> {
    let (draw, trick) = trick(setting, world)?;
    let up = world.central_up;
    let link = world.network.connect(&mut world.rng, world.now, (NOBODY, up), &mut world.faults);
    if setting.draws() > 1 {
        world.bound.insert(link, draw);
    }
    let from = (link, End::Agency);
    world.network.send(&mut world.rng, world.now, from, &trick.bytes, &mut world.faults);
    world.note(trick.name, [link.0, 0]);
    Some(Visit {
        link,
        trick,
        reader: FrameReader::new(Sender::Central, setting.frame_len_max),
        deaf: world.rng.u8(..5) == 0,
        acknowledged: 0,
        refused: false,
        leaves_at: world.now + world.rng.u64(VISIT_TIME),
    })
}

/// Returns a trick and the index of the draw that it targets.
fn trick(setting: &Setting, world: &mut World) -> Option<(usize, Trick)> {
    let file = pick(&mut world.rng, &setting.files);
    if file.draw >= world.draws_open {
        return None;
    }
    let (agency, key) = (file.agency, file.key());
    let says_hello = world.rng.bool();
    let good = "Rogue|Rogue|1|1990-01-01|0";
    let trick = |name, speaks_for, message: Vec<u8>, codes| {
        let mut bytes = if says_hello { hello(speaks_for) } else { Vec::new() };
        bytes.extend_from_slice(&message);
        Some((file.draw, Trick { name, bytes, codes, repeats: None }))
    };
    match world.rng.u8(..10) {
        0 => {
            let message = bets(STRANGER, 0, good);
            trick("a stranger's bets", STRANGER, message, &[ErrorCode::UnknownAgency])
        }
        1 => {
            let mut message = Vec::new();
            AgencyMessage::Finish { agency: STRANGER }.encode(&mut message);
            trick("a stranger's FINISH", STRANGER, message, &[ErrorCode::UnknownAgency])
        }
        2 => {
            let text = format!("{good}&Rogue|Rogue|1|1990-02-30|0");
            let message = bets(agency, FAR_CHUNK, &text);
            trick("a date that never was", agency, message, &[ErrorCode::BadBets])
        }
        3 => {
            let number = setting.number_max + 1;
            let message = bets(agency, FAR_CHUNK, &format!("Rogue|Rogue|1|1990-01-01|{number}"));
            trick("a number out of range", agency, message, &[ErrorCode::BadBets])
        }
        4 => {
            let chunk = world.auditor.acknowledged_chunk(key)?;
            let message = bets(agency, chunk, good);
            trick("other bets in a stored chunk", agency, message, &[ErrorCode::ChunkConflict])
        }
        5 if world.auditor.has_finished(key) => {
            let codes = &[ErrorCode::AgencyFinished, ErrorCode::DrawClosed];
            trick("bets after FINISH", agency, bets(agency, FAR_CHUNK, good), codes)
        }
        6 => trick("an unknown message", agency, vec![0, 99, 0, 0], &[ErrorCode::UnknownMessage]),
        7 => {
            let message = vec![0, 12, 0xff, 0xff, b'1'];
            trick("a message without end", agency, message, &[ErrorCode::FrameTooLong])
        }
        8 => trick("half a message", agency, vec![0, 12, 0, 50, b'1', b'&'], &[]),
        _ => {
            let chunk = world.auditor.acknowledged_chunk(key)?;
            let times = 3 * usize::from(setting.window) + 1;
            let frame = &file.chunks[chunk as usize].frame;
            let (draw, mut flood) = trick("a flood of repeats", agency, frame.repeat(times), &[])?;
            flood.repeats = Some((chunk, times));
            Some((draw, flood))
        }
    }
}

fn hello(agency: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let draw_name = DrawName::default();
    let hello = Hello { version: wire::limits::VERSION, agency, draw_name };
    AgencyMessage::Hello(hello).encode(&mut bytes);
    bytes
}

fn bets(agency: u32, chunk: u32, text: &str) -> Vec<u8> {
    let payload = format!("{agency}&{chunk}&{text}");
    let len = u16::try_from(payload.len()).expect("a rogue's batch is short");
    [&[0, 12], &len.to_be_bytes()[..], payload.as_bytes()].concat()
}

impl Visit {
    /// Reads and checks the replies; returns whether to stay connected.
    fn listen(&mut self, world: &mut World) -> Result<bool, Wrong> {
        let by = (self.link, End::Agency);
        match world.network.read(&mut world.rng, world.now, by, self.reader.space()) {
            Read::Bytes(count) => self.reader.filled(count),
            Read::Nothing => return Ok(true),
            Read::Ended | Read::Broken => return Ok(false),
        }
        let name = self.trick.name;
        loop {
            let unanswered = |(_, times): &(u32, usize)| self.acknowledged < *times;
            let expected = self.trick.repeats.filter(unanswered);
            let frame = match self.reader.next_frame() {
                Ok(None) => return Ok(true),
                Ok(Some(frame)) => frame,
                Err(error) => return wrong(format!("{name} was answered with {error}")),
            };
            match CentralMessage::from_frame(frame) {
                Ok(CentralMessage::Welcome(_)) => {}
                Ok(CentralMessage::Error(error)) if may_pass(error.code()) => return Ok(false),
                Ok(CentralMessage::Error(error)) if self.trick.codes.contains(&error.code()) => {
                    world.faults.rogues_refused += u64::from(!self.refused);
                    self.refused = true;
                }
                Ok(CentralMessage::BetsAck { chunk })
                    if expected.is_some_and(|(of, _)| of == chunk) =>
                {
                    self.acknowledged += 1;
                    let last = expected.is_some_and(|(_, times)| times == self.acknowledged);
                    world.faults.floods += u64::from(last);
                }
                Ok(other) => return wrong(format!("{name} was answered with {other:?}")),
                Err(error) => return wrong(format!("{name} was answered with {error}")),
            }
        }
    }
}
