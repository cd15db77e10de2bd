//! Fixtures of the checks: blocking calls, bets to send, and snapshots of a store.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sha2::{Digest, Sha256};

use super::pending::{Pending, submit, wait};
use super::subject::Subject;
use crate::engine::Engine;
use lottery::AgencyProgress;
use lottery::NumberRange;
use lottery::Winners;
use lottery::{Act, ActError, Acted, Actor, Label, Reason, RecordedAct, Schedule, always_allowed};
use lottery::{Agencies, AgencyId};
use lottery::{
    AppendError, Appended, Batch, ChunkId, FinishError, Finished, OpenDrawError, ProgressError,
    ReadError, StoredBatch,
};
use lottery::{Bets, PrefixDigest};
use lottery::{DrawId, DrawName, DrawState, DrawStatus, DrawTerms, SealedNumber, Timestamp};

pub(super) const AT: Timestamp = Timestamp(1_724_278_275_000);

/// A stored batch with owned fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnedBatch {
    pub(super) agency: u32,
    pub(super) chunk: u32,
    pub(super) text: String,
}

/// Winners' documents by agency, in order.
pub(super) type WinnersByAgency = BTreeMap<u32, Vec<String>>;

#[derive(Debug, PartialEq)]
pub(super) struct Snapshot {
    pub(super) statuses: Vec<DrawStatus>,
    pub(super) draws: Vec<DrawSnapshot>,
}

/// All that can be read of one draw, except its status.
#[derive(Debug, PartialEq)]
pub(super) struct DrawSnapshot {
    pub(super) batches: Vec<OwnedBatch>,
    pub(super) progress: Vec<AgencyProgress>,
    pub(super) winners: Result<WinnersByAgency, ReadError>,
}

impl dyn Subject + '_ {
    /// Announces and opens a draw for agencies `1..=agencies` and the default numbers.
    pub(super) fn open(&self, name: &str, agencies: u32) -> DrawId {
        self.open_with(&terms(name, agencies))
    }

    pub(super) fn open_with(&self, terms: &DrawTerms) -> DrawId {
        let draw = self.announce(terms, Schedule::default());
        assert_eq!(self.act("ana", Act::Open(draw)), Ok(Acted::Done));
        draw
    }

    pub(super) fn open_automatic(
        &self,
        terms: &DrawTerms,
        number: u32,
    ) -> Result<DrawId, OpenDrawError> {
        self.submit_open(terms, number).answer()
    }

    pub(super) fn submit_open(
        &self,
        terms: &DrawTerms,
        number: u32,
    ) -> Pending<Result<DrawId, OpenDrawError>> {
        self.clock().set(AT);
        let (terms, number) = (terms.clone(), SealedNumber(number));
        submit(|done| self.engine().open_draw(terms, number, done))
    }

    pub(super) fn announce(&self, terms: &DrawTerms, schedule: Schedule) -> DrawId {
        let act = Act::Announce { terms: terms.clone(), schedule };
        match self.act("ana", act).unwrap() {
            Acted::Announced(draw) => draw,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn act(&self, by: &str, act: Act) -> Result<Acted, ActError> {
        self.act_at(AT, recorded(by, "", act))
    }

    pub(super) fn act_at(&self, at: Timestamp, recorded: RecordedAct) -> Result<Acted, ActError> {
        self.clock().set(at);
        wait(|done| self.engine().act(recorded, always_allowed(), done))
    }

    pub(super) fn append(&self, batch: &Batch) -> Result<Appended, AppendError> {
        self.submit_append(batch).answer()
    }

    pub(super) fn submit_append(&self, batch: &Batch) -> Pending<Result<Appended, AppendError>> {
        submit(|done| self.engine().append(batch.clone(), done))
    }

    pub(super) fn finish(&self, draw: DrawId, agency: u32) -> Result<Finished, FinishError> {
        self.submit_finish(draw, agency).answer()
    }

    pub(super) fn submit_finish(
        &self,
        draw: DrawId,
        agency: u32,
    ) -> Pending<Result<Finished, FinishError>> {
        submit(|done| self.engine().finish(draw, AgencyId(agency), done))
    }

    /// An operator closes a draw with a reason.
    pub(super) fn close(&self, draw: DrawId) {
        let close = recorded("ana", "corte de luz", Act::Close(draw));
        assert_eq!(self.act_at(AT, close), Ok(Acted::Done));
    }

    pub(super) fn enter(&self, by: &str, draw: DrawId, number: u32) -> Result<Acted, ActError> {
        self.act(by, Act::EnterNumber { draw, number })
    }

    /// Two operators enter the number of a closed draw.
    pub(super) fn make(&self, draw: DrawId, number: u32) {
        assert_eq!(self.enter("ana", draw, number), Ok(Acted::NumberAwaited));
        assert_eq!(self.enter("eva", draw, number), Ok(Acted::NumbersAgree(number)));
    }

    /// All agencies finish, then an operator closes the draw.
    pub(super) fn finish_and_close(&self, draw: DrawId) {
        let status = self.status(draw);
        for agency in status.terms.agencies.iter() {
            self.finish(draw, agency.0).unwrap();
        }
        self.close(draw);
    }

    pub(super) fn statuses(&self) -> Vec<DrawStatus> {
        self.engine().view().all_draws().collect()
    }

    pub(super) fn status(&self, draw: DrawId) -> DrawStatus {
        self.engine().view().draw(draw).unwrap()
    }

    pub(super) fn progress(
        &self,
        draw: DrawId,
        agency: u32,
    ) -> Result<AgencyProgress, ProgressError> {
        wait(|done| self.engine().progress(draw, AgencyId(agency), done))
    }

    pub(super) fn winners(&self, draw: DrawId) -> Result<WinnersByAgency, ReadError> {
        self.engine().winners(draw).map(|winners| by_agency(&winners))
    }

    pub(super) fn scan(&self, draw: DrawId) -> Result<Vec<OwnedBatch>, ReadError> {
        scan(&self.engine(), draw)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let statuses = self.statuses();
        let open = statuses.iter().filter(|status| status.state == DrawState::Open);
        let open: Vec<_> = open.cloned().collect();
        assert_eq!(self.engine().view().open_draws(), open);
        let draws = statuses.iter().map(|status| DrawSnapshot {
            batches: self.scan(status.id).unwrap(),
            progress: (status.terms.agencies.iter())
                .map(|agency| self.progress(status.id, agency.0).unwrap())
                .collect(),
            winners: self.winners(status.id),
        });
        Snapshot { draws: draws.collect(), statuses }
    }
}

impl OwnedBatch {
    pub(super) fn read(batch: &StoredBatch<'_>) -> Self {
        Self { agency: batch.agency.0, chunk: batch.chunk.0, text: batch.text.to_owned() }
    }

    pub(super) fn all(batches: &[Batch]) -> Vec<Self> {
        batches.iter().map(|batch| Self::read(&batch.stored())).collect()
    }

    /// The documents and numbers of its bets, parsed by hand.
    pub(super) fn documents_and_numbers(&self) -> Vec<(String, u32)> {
        let bets = self.text.split('&').filter(|bet| !bet.is_empty());
        bets.map(|bet| {
            let fields: Vec<_> = bet.split('|').collect();
            (fields[2].to_owned(), fields[4].parse().unwrap())
        })
        .collect()
    }
}

pub(super) fn scan(engine: &Engine, draw: DrawId) -> Result<Vec<OwnedBatch>, ReadError> {
    let mut batches = Vec::new();
    engine.scan(draw, &mut |batch| {
        assert_eq!(batch.draw, draw, "a scan showed a batch of another draw");
        batches.push(OwnedBatch::read(&batch));
        ControlFlow::Continue(())
    })?;
    Ok(batches)
}

pub(super) fn recorded(by: &str, why: &str, act: Act) -> RecordedAct {
    let by = Actor::Operator(Label::new(by).unwrap());
    RecordedAct::new(by, Reason::new(why).unwrap(), act)
}

pub(super) fn terms(name: &str, agencies: u32) -> DrawTerms {
    DrawTerms {
        name: DrawName::new(name).unwrap(),
        agencies: Agencies::first(agencies).unwrap(),
        numbers: NumberRange::default(),
    }
}

pub(super) fn batch(draw: DrawId, agency: u32, chunk: u32, bets: Bets) -> Batch {
    Batch { draw, agency: AgencyId(agency), chunk: ChunkId(chunk), bets }
}

/// A batch of one bet with a unique document.
pub(super) fn small_batch(draw: DrawId, agency: u32, chunk: u32) -> Batch {
    let document = format!("{agency}-{chunk}");
    batch(draw, agency, chunk, bets(&[(&document, chunk % 100)]))
}

pub(super) fn bets(documents_and_numbers: &[(&str, u32)]) -> Bets {
    let bets = documents_and_numbers.iter();
    let texts: Vec<_> = bets.map(|(document, number)| bet(document, *number)).collect();
    parse(&texts.join("&"))
}

pub(super) fn bet(document: &str, number: u32) -> String {
    format!("Ñandú|D'Angelo, hijo|{document}|1999-03-17|{number}")
}

/// Parses bets on any number.
pub(super) fn parse(text: &str) -> Bets {
    Bets::parse(text, NumberRange::new(0, u32::MAX).unwrap()).unwrap()
}

/// Computes a prefix digest by its definition.
pub(super) fn prefix_digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> PrefixDigest {
    let digest = texts.into_iter().fold([0; 32], |prefix, text| {
        let both = [prefix, Sha256::digest(text).into()].concat();
        Sha256::digest(both).into()
    });
    PrefixDigest(digest)
}

/// Finds the winners by counting.
pub(super) fn recount(batches: &[OwnedBatch], number: u32) -> WinnersByAgency {
    let mut winners = WinnersByAgency::new();
    for batch in batches {
        for (document, betted) in batch.documents_and_numbers() {
            if betted == number {
                winners.entry(batch.agency).or_default().push(document);
            }
        }
    }
    winners
}

fn by_agency(winners: &Winners) -> WinnersByAgency {
    let owned = winners.iter().map(|(agency, documents)| {
        let documents: Vec<_> = documents.iter().map(str::to_owned).collect();
        (agency.0, documents)
    });
    owned.collect()
}

/// The seeds of a random check: fixed ones, or the one in `BOLILLERO_SEED`.
pub(super) fn seeds() -> Vec<u64> {
    match std::env::var("BOLILLERO_SEED") {
        Ok(seed) => vec![seed.parse().expect("BOLILLERO_SEED is a decimal number")],
        Err(_) => (1..=6).collect(),
    }
}

/// A small seeded generator (SplitMix64), which needs no dependency.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn with_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).expect("it is below a u32")
    }

    pub(super) fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.next() % from.len() as u64;
        from[usize::try_from(at).expect("it is below a length")]
    }

    /// Generates `count` bets by few people on few numbers, so that documents and winners repeat.
    pub(super) fn bets(&mut self, count: u32, numbers: u32) -> Bets {
        if count == 0 {
            return Bets::none();
        }
        let texts: Vec<_> = (0..count).map(|_| self.bet(numbers)).collect();
        parse(&texts.join("&"))
    }

    fn bet(&mut self, numbers: u32) -> String {
        let first_name = self.pick(&["Santiago Lionel", "Ñandú", "O'Higgins", "日本", "🎰", "a,b"]);
        let last_name = self.pick(&["Lorca", "Fernández-Güiraldes", "X", " de la Cruz "]);
        let document = 30_904_000 + self.below(40);
        let (year, day) = (1900 + self.below(100), 1 + self.below(28));
        let number = self.below(numbers);
        format!("{first_name}|{last_name}|{document}|{year}-02-{day:02}|{number}")
    }
}
