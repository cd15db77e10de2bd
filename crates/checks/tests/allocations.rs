//! Counts the allocations of a batch on its way through the central: two for what is kept of it,
//! whatever its number of bets, and none for its bytes while the connection is busy. Also measures
//! the memory that the rules keep for it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use allocation_counter::measure;
use lottery::{
    Agencies, AgencyId, Batch, BatchSummary, Bet, Bets, ChunkId, DrawId, DrawName, DrawTerms,
    Draws, Event, NumberRange, SealedNumber, StoredBatch, Timestamp,
};
use wire::{AgencyMessage, BetsFrame, CentralMessage, CentralSession, SessionLimits};

/// Bets of different lengths: typical, with accents, with leading zeros, and the shortest.
const KINDS: [&str; 4] = [
    "Santiago Lionel|Lorca|30904465|1999-03-17|2201",
    "María Belén|Ñandú|23772524|1980-02-29|7",
    "Ana|Sosa|5123456|2001-12-31|0007",
    "A|B|1|2000-01-01|1",
];
/// Numbers of bets: one, the usual batch, and as many as fit in a message.
const COUNTS: [usize; 3] = [1, 93, 170];

fn allocations(work: impl FnOnce()) -> u64 {
    measure(work).count_total
}

fn text(kind: &str, count: usize) -> String {
    vec![kind; count].join("&")
}

fn frame(kind: &str, count: usize) -> Vec<u8> {
    let text = text(kind, count);
    let mut frame = Vec::new();
    let bets = BetsFrame { agency: 1, chunk: 0, bets: Some(text.as_bytes()) };
    AgencyMessage::Bets(bets).encode(&mut frame);
    frame
}

#[test]
fn to_check_a_bet_takes_nothing() {
    for kind in KINDS {
        let fields: Vec<_> = kind.split('|').collect();
        let fields = fields.try_into().unwrap();
        let checked = || assert!(Bet::check(fields, NumberRange::default()).is_ok());
        assert_eq!(allocations(checked), 0, "{kind}");
    }
}

#[test]
fn a_batch_takes_its_text_and_its_numbers_however_many_bets() {
    for (kind, count) in KINDS.into_iter().flat_map(|kind| COUNTS.map(|count| (kind, count))) {
        let text = text(kind, count);
        let mut bets = None;
        let taken = allocations(|| bets = Bets::parse(&text, NumberRange::default()).ok());
        assert_eq!(taken, 2, "{count} times {kind}");
        assert_eq!(bets.unwrap().numbers().len(), count);
    }
}

#[test]
fn to_read_stored_bets_back_takes_nothing() {
    let text = text(KINDS[0], 93);
    let batch =
        StoredBatch { draw: DrawId(1), agency: AgencyId(1), chunk: ChunkId(0), text: &text };
    assert_eq!(allocations(|| assert!(batch.bets().all(|bet| bet.is_ok()))), 0);
}

/// A session of the legacy protocol, with an agency that sends the same batch forever.
struct Connection {
    session: CentralSession,
    /// The message that the agency repeats; `sent` is how much of it was sent.
    frame: Vec<u8>,
    sent: usize,
}

impl Connection {
    fn new(frame: Vec<u8>) -> Self {
        Self { session: CentralSession::new(SessionLimits::default()), frame, sent: 0 }
    }

    /// Receives at most `len` bytes.
    fn receive(&mut self, len: usize) {
        let space = self.session.space();
        let len = len.min(space.len());
        let bytes = self.frame.iter().cycle().skip(self.sent);
        space[..len].iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        self.session.filled(len);
        self.sent = (self.sent + len) % self.frame.len();
    }

    /// Acknowledges all complete batches and returns their number.
    fn acknowledge(&mut self) -> usize {
        let mut count = 0;
        while let Some((ticket, message)) = self.session.next_request().unwrap() {
            let AgencyMessage::Bets(bets) = message else { panic!("only batches are sent") };
            let (chunk, text) = (bets.chunk, bets.text());
            assert!(text.unwrap().is_some());
            self.session.reply(ticket, &CentralMessage::BetsAck { chunk });
            count += 1;
        }
        count
    }
}

/// An idle connection holds no memory, so waiting for each acknowledgement allocates it again.
#[test]
fn the_bytes_of_a_batch_that_is_waited_for_take_a_few_allocations_however_many_bets() {
    for (kind, count) in KINDS.into_iter().flat_map(|kind| COUNTS.map(|count| (kind, count))) {
        let mut connection = Connection::new(frame(kind, count));
        let len = connection.frame.len();
        let mut turn = || {
            connection.receive(len);
            while connection.acknowledge() == 0 {
                connection.receive(len - connection.sent);
            }
            connection.session.sent(connection.session.outgoing().len());
        };
        (0..10).for_each(|_| turn());
        // The acknowledgement, the buffer for the first read and sometimes one for the next.
        let taken = allocations(turn);
        assert!((2..=3).contains(&taken), "{taken} for {count} times {kind}");
    }
}

#[test]
fn the_bytes_of_the_batches_of_a_busy_connection_take_nothing() {
    for (kind, count) in KINDS.into_iter().flat_map(|kind| COUNTS.map(|count| (kind, count))) {
        let mut connection = Connection::new(frame(kind, count));
        let mut committer = || {
            for _ in 0..1_000 {
                // Never end on a whole batch, and never send all of the last acknowledgement.
                let space = connection.session.space().len();
                let whole = (connection.sent + space).is_multiple_of(connection.frame.len());
                connection.receive(space - usize::from(whole));
                connection.acknowledge();
                let outgoing = connection.session.outgoing().len();
                connection.session.sent(outgoing.saturating_sub(1));
            }
        };
        committer();
        assert_eq!(allocations(committer), 0, "{count} times {kind}");
    }
}

/// Measures the memory kept for a batch after a gap: its digest and a few bytes more.
#[test]
fn a_batch_behind_a_gap_takes_few_bytes_whatever_the_order() {
    const BATCHES: u32 = 65_536;
    let orders: [fn(u32) -> u32; 4] = [
        |at| 1 + 2 * at,
        |at| 2 * (BATCHES - at),
        |at| 1 + at.reverse_bits(),
        |at| 1 + at.wrapping_mul(0x9e37_79b1) % u32::MAX,
    ];
    for (at, order) in orders.into_iter().enumerate() {
        let mut draws = Draws::default();
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(1).unwrap(),
            numbers: NumberRange::default(),
        };
        let (draw, then) = (DrawId(1), Timestamp(0));
        let number = SealedNumber(7);
        draws.carry_out(&Event::DrawOpened { draw, terms, number }, then);
        let taken = measure(|| {
            for chunk in (0..BATCHES).map(order) {
                let (agency, chunk) = (AgencyId(1), ChunkId(chunk));
                let batch = Batch { draw, agency, chunk, bets: Bets::none() };
                draws.carry_out(&Event::BatchAccepted(BatchSummary::of(&batch)), then);
                draws.settle();
            }
        });
        let of_each = taken.bytes_current / i64::from(BATCHES);
        assert!(of_each <= 44, "order {at}: {of_each} bytes");
    }
}
