//! An agency's session and a central's connected in memory: bytes in any pieces, replies in any
//! order, refusals, whole draws.
//!
//! Every run depends on a seed, printed when a test fails.

mod support;

use std::collections::BTreeMap;
use support::*;
use wire::limits::READ_LEN_MAX;
use wire::{
    AgencyEvent, AgencyMessage, AgencySession, CentralMessage, CentralSession, Documents, DrawName,
    ErrorCode, Mode, SessionLimits, Ticket, winners_part,
};

const AGENCY: u32 = 7;

struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % limit
    }
}

/// A central that delays its replies and gives them in any order.
struct Central {
    session: CentralSession,
    kept: Vec<(Ticket, Request)>,
    stored: BTreeMap<u32, Vec<u8>>,
    /// The ticket of unfinished winners, and the start of their next part.
    winners: Option<(Ticket, usize)>,
    documents: Vec<String>,
    refused: Vec<u32>,
}

enum Request {
    Hello,
    Bets { chunk: u32, text: Vec<u8> },
    Finish,
    GetWinners,
}

impl Central {
    fn new(window: u16, refused: Vec<u32>, documents: Vec<String>) -> Self {
        let limits = SessionLimits::new(8192, window).expect("in range");
        let session = CentralSession::new(limits);
        let stored = BTreeMap::new();
        Self { session, kept: Vec::new(), stored, winners: None, documents, refused }
    }

    fn take_requests(&mut self) {
        while let Some((ticket, request)) = self.session.next_request().expect("not refused") {
            let request = match request {
                AgencyMessage::Hello(_) => Request::Hello,
                AgencyMessage::Bets(frame) => {
                    let text = frame.bets.unwrap_or_default().to_vec();
                    Request::Bets { chunk: frame.chunk, text }
                }
                AgencyMessage::Finish { .. } => Request::Finish,
                AgencyMessage::GetWinners { .. } => Request::GetWinners,
            };
            self.kept.push((ticket, request));
        }
    }

    fn answer_one(&mut self, index: usize, window: u16) {
        let (ticket, request) = self.kept.swap_remove(index);
        match request {
            Request::Hello => self.session.greet(ticket, welcome(AGENCY, window)),
            Request::Bets { chunk, .. } if self.refused.contains(&chunk) => {
                self.session.refuse(ticket, of_chunk(ErrorCode::BadBets, chunk));
            }
            Request::Bets { chunk, text } => {
                assert_eq!(self.stored.insert(chunk, text), None, "stored twice");
                self.session.reply(ticket, &ack(chunk));
            }
            Request::Finish => {
                self.session.reply(ticket, &CentralMessage::FinishAck { agency: AGENCY });
            }
            Request::GetWinners if self.session.identity().is_some() => {
                self.winners = Some((ticket, 0));
            }
            Request::GetWinners => {
                let documents = Documents::join(&self.documents).expect("short");
                self.session.reply(ticket, &CentralMessage::Winners(documents));
            }
        }
    }

    /// Sends the next part of the winners, if it is the head and the previous part was sent.
    fn stream_winners(&mut self) {
        let Some((ticket, mut at)) = self.winners.take() else {
            return;
        };
        if self.session.is_head(&ticket) && self.session.outgoing().is_empty() {
            let joined = self.documents.join(",");
            let (part, next) = winners_part(&joined, at, 256);
            let Some(next) = next else {
                return self.session.reply(ticket, &part);
            };
            self.session.reply_part(&ticket, &part);
            at = next;
        }
        self.winners = Some((ticket, at));
    }
}

#[derive(Debug, Default, PartialEq)]
struct Learned {
    acknowledged: Vec<u32>,
    refused: Vec<u32>,
    finished: bool,
    documents: Vec<String>,
}

/// Moves some of the outgoing bytes of each side to the other, if it wants input.
fn move_bytes(seeded: &mut Seeded, central: &mut CentralSession, agency: &mut AgencySession) {
    if central.wants_input() && !agency.outgoing().is_empty() {
        let len = 1 + seeded.below(agency.outgoing().len());
        let space = central.space();
        let len = len.min(space.len());
        space[..len].copy_from_slice(&agency.outgoing()[..len]);
        central.filled(len);
        agency.sent(len);
    }
    if agency.wants_input() && !central.outgoing().is_empty() {
        let len = 1 + seeded.below(central.outgoing().len());
        let space = agency.space();
        let len = len.min(space.len());
        space[..len].copy_from_slice(&central.outgoing()[..len]);
        agency.filled(len);
        central.sent(len);
    }
}

/// Sends chunks `0..chunks`, FINISH and GET_WINNERS.
fn run(seed: u64, mode: Mode, chunks: u32, central: &mut Central, window: u16) -> Learned {
    let mut seeded = Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut agency = AgencySession::new(mode, AGENCY, DrawName::default(), 8192);
    let mut learned = Learned::default();
    let (mut next, mut asked, mut over) = (0, false, false);
    for _ in 0..100_000 {
        while next < chunks && agency.can_send() > 0 {
            agency.send_bets(next, &batch(next)).expect("the window is open");
            next += 1;
        }
        if next == chunks && !learned.finished && !agency.awaits_reply() && !agency.is_over() {
            agency.send_finish().expect("idle");
        }
        if learned.finished && !asked {
            agency.send_get_winners().expect("idle");
            asked = true;
        }
        assert!(agency.in_flight().count() <= usize::from(window));
        move_bytes(&mut seeded, &mut central.session, &mut agency);
        central.take_requests();
        if !central.kept.is_empty() && seeded.below(3) == 0 {
            let index = seeded.below(central.kept.len());
            central.answer_one(index, window);
        }
        central.stream_winners();
        assert!(central.session.unanswered() <= usize::from(window));
        assert!(central.session.memory_len() <= 8192 + READ_LEN_MAX + 64 * 1024);
        while let Some(event) = agency.next_event().expect("the central makes sense") {
            over |= learn(&mut learned, event);
        }
        if over {
            return learned;
        }
    }
    panic!("no end in sight: {learned:?}");
}

/// Records an event; returns whether it was the last.
fn learn(learned: &mut Learned, event: AgencyEvent) -> bool {
    match event {
        AgencyEvent::Welcomed(welcome) => assert_eq!(welcome.agency, AGENCY),
        AgencyEvent::Acknowledged { chunk } => learned.acknowledged.push(chunk),
        AgencyEvent::Refused { error, goes_on } => {
            learned.refused.push(error.chunk().expect("only chunks are refused"));
            return !goes_on;
        }
        AgencyEvent::Finished => learned.finished = true,
        AgencyEvent::NoWinners => panic!("never said here"),
        AgencyEvent::Winners { documents, last } => {
            learned.documents.extend(documents.iter().map(str::to_owned));
            return last;
        }
    }
    false
}

/// A batch with unique text, sometimes long.
fn batch(chunk: u32) -> Vec<u8> {
    let text = format!("chunk {chunk} {}", "x".repeat(chunk as usize % 5 * 1500));
    let frame = wire::BetsFrame { agency: AGENCY, chunk, bets: Some(text.as_bytes()) };
    encode(&AgencyMessage::Bets(frame))
}

fn documents(count: u32) -> Vec<String> {
    (0..count).map(|n| (n * 7919).to_string()).collect()
}

#[test]
fn an_agency_with_hello_learns_everything_in_order() {
    for (seed, window) in (0..60).zip([1, 2, 7, 32].into_iter().cycle()) {
        println_seed(seed);
        let mut central = Central::new(window, vec![3, 4, 17], documents(200));
        let learned = run(seed, Mode::Greeting, 40, &mut central, window);
        let accepted: Vec<u32> = (0..40).filter(|chunk| ![3, 4, 17].contains(chunk)).collect();
        assert_eq!(learned.acknowledged, accepted);
        assert_eq!(learned.refused, [3, 4, 17]);
        assert_eq!((learned.finished, learned.documents), (true, documents(200)));
        assert!(central.stored.keys().copied().eq(accepted));
        let same = |(chunk, text): (&u32, &Vec<u8>)| batch(*chunk).ends_with(text);
        assert!(central.stored.iter().all(same), "what was stored is what was sent");
        assert_eq!(central.session.identity(), Some(AGENCY));
    }
}

#[test]
fn an_agency_of_the_field_learns_everything_in_order() {
    for seed in 0..20 {
        println_seed(seed);
        let mut central = Central::new(4, Vec::new(), documents(200));
        let learned = run(seed, Mode::Legacy, 20, &mut central, 4);
        assert!(learned.acknowledged.iter().copied().eq(0..20));
        assert_eq!((learned.finished, learned.documents), (true, documents(200)));
        assert_eq!(central.session.identity(), None);
    }
}

#[test]
fn a_refusal_ends_the_connection_of_an_agency_of_the_field() {
    for seed in 0..20 {
        println_seed(seed);
        let mut central = Central::new(4, vec![5], Vec::new());
        let learned = run(seed, Mode::Legacy, 20, &mut central, 4);
        assert!(learned.acknowledged.iter().copied().eq(0..5));
        assert_eq!((learned.refused, learned.finished), (vec![5], false));
        assert!(central.session.is_closed());
    }
}

#[allow(clippy::print_stdout, reason = "shown when the test fails, to run it again")]
fn println_seed(seed: u64) {
    println!("seed {seed}");
}
