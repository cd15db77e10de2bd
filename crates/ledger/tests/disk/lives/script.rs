//! Scripts: the lives of draws led by operators, as requests to an engine, and what an engine shows
//! of them.

use std::sync::Arc;
use std::sync::mpsc;

use engine::conformance::TestClock;
use engine::{Engine, LedgerId, MemoryLog};
use fastrand::Rng;
use lottery::{
    Act, Actor, AgencyId, AuditedAction, Batch, Bets, ChunkId, DrawId, Label, NumberRange, Reason,
    RecordedAct, Registration, Schedule, SealedNumber, Timestamp,
};

use crate::support::{Ask, Shown, operator, terms};

/// Enough for some bets to win, and for a script to fill a segment.
const BETS: u32 = 400;
const WINNING_NUMBER: u32 = 7;
const CHUNK_EMPTY: u32 = 4;
const BEGIN: u64 = 1_700_000_000_000;
const TICK_MS: u64 = 100;
/// How many requests have the same time.
const ASKS_PER_TICK: u64 = 4;

/// Requests with their times, and what a correct engine answers and shows.
pub(crate) struct Script {
    pub(crate) asks: Vec<(Timestamp, Ask)>,
    /// The answer to each request, in debug format.
    pub(crate) answers: Vec<String>,
    /// The state before the first request and after each.
    pub(crate) shown: Vec<Shown>,
    /// The state before each request, once everything due by then is done.
    pub(crate) due: Vec<Shown>,
}

impl Script {
    /// Generates the lives of two draws led by operators beside one without; with `noise`, random
    /// requests are mixed in.
    pub(crate) fn new(noise: Option<u64>) -> Self {
        let mut writer = Writer { asks: Vec::new(), rng: noise.map(Rng::with_seed) };
        writer.write();
        let asks = writer.asks;
        let clock = Arc::new(TestClock::default());
        let log = Box::new(MemoryLog::new(LedgerId([7; 16])));
        let (model, mut committer) = Engine::stepped(log, Arc::clone(&clock) as _).unwrap();
        let (mut shown, mut due) = (vec![shown_by(&model)], Vec::new());
        let (sender, receiver) = mpsc::channel();
        for (place, (at, ask)) in asks.iter().cloned().enumerate() {
            clock.set(at);
            model.keep_time(|kept| kept.unwrap());
            committer.commit_group();
            due.push(shown_by(&model));
            ask.put_to(&model, place, &sender);
            committer.commit_group();
            shown.push(shown_by(&model));
        }
        let answers = receiver.try_iter().map(|(_, answer)| answer).collect();
        Self { asks, answers, shown, due }
    }
}

fn shown_by(model: &Engine) -> Shown {
    Shown::by(model).expect("memory can be read")
}

/// Generates a script.
struct Writer {
    asks: Vec<(Timestamp, Ask)>,
    rng: Option<Rng>,
}

impl Writer {
    fn write(&mut self) {
        for agency in 1..=3 {
            self.act("luz", "", Act::Register(registration(agency, agency != 3)));
        }
        let closes_at = Some(self.in_ticks(18));
        let schedule = Schedule { opens_at: Some(self.in_ticks(3)), closes_at };
        let [morning, evening, alone] = [1, 2, 3].map(DrawId);
        self.act("ana", "", Act::Announce { terms: terms("matutina", 3), schedule });
        let schedule = Schedule::default();
        self.act("ana", "", Act::Announce { terms: terms("vespertna", 2), schedule });
        let edit = Act::Edit { draw: evening, terms: terms("vespertina", 2), schedule };
        self.act("ana", "falta una letra", edit);
        self.ask(Ask::OpenDraw(terms("sola", 1), SealedNumber(WINNING_NUMBER)));
        self.act("ana", "", Act::Announce { terms: terms("de más", 1), schedule });
        self.act("eva", "no se juega", Act::Cancel(DrawId(4)));
        self.clock(Act::Open(morning));
        self.act("eva", "abre antes", Act::Open(evening));
        for chunk in 0..3 {
            for draw in [morning, evening, alone] {
                self.ask(Ask::Append(batch(draw, 1, chunk)));
            }
            self.ask(Ask::Append(batch(morning, 2, chunk)));
            // This agency may not bet yet.
            self.ask(Ask::Append(batch(morning, 3, chunk)));
            if chunk == 1 {
                self.act("luz", "pagó", Act::Register(registration(3, true)));
            }
        }
        for (draw, agency) in [(morning, 1), (morning, 3), (evening, 1), (alone, 1)] {
            self.ask(Ask::Finish(draw, AgencyId(agency)));
        }
        let reopen = Act::Reopen { draw: morning, agency: AgencyId(1) };
        self.act("luz", "terminó sin querer", reopen);
        self.ask(Ask::Append(batch(morning, 1, 3)));
        self.ask(Ask::Finish(morning, AgencyId(1)));
        self.act("eva", "", Act::Close(evening));
        self.act("eva", "la agencia 2 no llegó", Act::Close(evening));
        self.enter("ana", evening, 8);
        self.act("ana", "", Act::CorrectNumber { draw: evening, number: 9 });
        self.enter("eva", evening, WINNING_NUMBER);
        self.enter("ana", evening, WINNING_NUMBER);
        self.enter("ana", evening, WINNING_NUMBER);
        self.enter("luz", evening, WINNING_NUMBER);
        for by in ["ana", "luz"] {
            self.act(by, "el extracto dice otra cosa", Act::Void(evening));
        }
        for by in ["ana", "luz"] {
            self.enter(by, evening, WINNING_NUMBER);
        }
        self.act("ana", "", Act::Publish(evening));
        while closes_at.is_some_and(|at| self.in_ticks(0) < at) {
            self.act("eva", "", Act::Audited(AuditedAction::LogIn));
        }
        self.clock(Act::Close(morning));
        self.ask(Ask::Append(batch(morning, 2, 3)));
        self.enter("eva", morning, WINNING_NUMBER);
        self.enter("ana", morning, WINNING_NUMBER);
        self.act("eva", "con escribano", Act::Publish(morning));
        self.act("luz", "deuda", Act::Register(registration(1, false)));
    }

    fn act(&mut self, by: &str, why: &str, act: Act) {
        let (by, why) = (operator(by), Reason::new(why).unwrap());
        self.ask(Ask::Act(RecordedAct::new(by, why, act)));
    }

    fn clock(&mut self, act: Act) {
        self.ask(Ask::Act(RecordedAct::new(Actor::Clock, Reason::default(), act)));
    }

    fn enter(&mut self, by: &str, draw: DrawId, number: u32) {
        self.act(by, "", Act::EnterNumber { draw, number });
    }

    fn ask(&mut self, ask: Ask) {
        if let Some(mut rng) = self.rng.take() {
            while rng.u8(..3) == 0 {
                self.push(noise(&mut rng));
            }
            self.rng = Some(rng);
        }
        self.push(ask);
    }

    fn push(&mut self, ask: Ask) {
        self.asks.push((self.in_ticks(0), ask));
    }

    fn in_ticks(&self, ticks: u64) -> Timestamp {
        Timestamp(BEGIN + TICK_MS * (self.asks.len() as u64 / ASKS_PER_TICK + ticks))
    }
}

/// Returns a random request.
fn noise(rng: &mut Rng) -> Ask {
    let draw = DrawId(rng.u32(1..=4));
    let agency = rng.u32(1..=4);
    let act = match rng.u8(..13) {
        0 => return Ask::Finish(draw, AgencyId(agency)),
        1 | 2 => return Ask::Append(batch(draw, agency, rng.u32(..=CHUNK_EMPTY))),
        3 => Act::Open(draw),
        4 => Act::Close(draw),
        5 => Act::EnterNumber { draw, number: rng.u32(6..9) },
        6 => Act::Publish(draw),
        7 => Act::Register(registration(agency, rng.bool())),
        8 => Act::Cancel(draw),
        9 => Act::Reopen { draw, agency: AgencyId(agency) },
        10 => Act::CorrectNumber { draw, number: rng.u32(6..9) },
        11 => Act::Void(draw),
        _ => {
            let names = ["nocturna", "otra"];
            let terms = terms(names[rng.usize(..2)], 3);
            Act::Announce { terms, schedule: Schedule::default() }
        }
    };
    let names = ["ana", "eva", "luz"];
    let by = match rng.usize(..4) {
        3 => Actor::Clock,
        name => operator(names[name]),
    };
    let why = Reason::new(if rng.u8(..4) == 0 { "porque sí" } else { "" }).unwrap();
    Ask::Act(RecordedAct::new(by, why, act))
}

/// Returns a batch that depends only on the arguments. The last chunk that noise requests is empty.
fn batch(draw: DrawId, agency: u32, chunk: u32) -> Batch {
    let bet = |bet: u32| {
        let document = format!("{draw}{agency}{chunk}{bet:04}");
        format!("Zoë|Díaz|{document}|1990-01-02|{}", bet % 50)
    };
    let text = (0..BETS).map(bet).collect::<Vec<_>>().join("&");
    let bets = match chunk {
        CHUNK_EMPTY => Bets::none(),
        _ => Bets::parse(&text, NumberRange::default()).unwrap(),
    };
    Batch { draw, agency: AgencyId(agency), chunk: ChunkId(chunk), bets }
}

fn registration(agency: u32, enabled: bool) -> Registration {
    Registration {
        agency: AgencyId(agency), name: label("La Ñata"), place: label("Goya"), enabled
    }
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}
