//! What tests of the ledger share: requests, what a ledger shows of them, and its files.

#[path = "../../../checks/src/ledger_bytes.rs"]
#[allow(dead_code, unreachable_pub, reason = "the checks use the rest")]
pub(crate) mod bytes;

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use engine::Engine;
use ledger::disk::Disk as _;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Archive, Fault, Summary};
use lottery::{
    Actor, Agencies, AgencyId, AgencyTotals, AuditSpan, Batch, DrawId, DrawName, DrawStatus,
    DrawTerms, Label, NumberRange, ReadError, RecordedAct, Registration, SealedNumber, StoredEvent,
    Winners, always_allowed,
};

pub(crate) const FIRST: &str = "segment-0000000001.bol";
pub(crate) const SECOND: &str = "segment-0000000002.bol";

/// A request to an engine. Each is one decision.
#[derive(Clone)]
pub(crate) enum Ask {
    Act(RecordedAct),
    OpenDraw(DrawTerms, SealedNumber),
    Append(Batch),
    Finish(DrawId, AgencyId),
}

/// The place of a request among others, and its answer in debug format.
pub(crate) type Answer = (usize, String);

/// Everything that an engine shows.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    statuses: Vec<DrawStatus>,
    register: Vec<Arc<Registration>>,
    audit_log: Vec<StoredEvent>,
    draws: Vec<ShownDraw>,
}

#[derive(Debug, PartialEq)]
struct ShownDraw {
    standings: Vec<AgencyTotals>,
    batches: Vec<(u32, u32, String)>,
    winners: Result<Winners, ReadError>,
}

impl Ask {
    /// Submits the request to an engine. The answer is sent with the request's place.
    pub(crate) fn put_to(self, engine: &Engine, place: usize, answers: &Sender<Answer>) {
        match self {
            Self::Act(recorded) => engine.act(recorded, always_allowed(), done(place, answers)),
            Self::OpenDraw(terms, number) => {
                engine.open_draw(terms, number, done(place, answers));
            }
            Self::Append(batch) => engine.append(batch, done(place, answers)),
            Self::Finish(draw, agency) => engine.finish(draw, agency, done(place, answers)),
        }
    }
}

fn done<T: Debug>(place: usize, answers: &Sender<Answer>) -> Box<dyn FnOnce(T) + Send> {
    let answers = answers.clone();
    Box::new(move |outcome| answers.send((place, format!("{outcome:?}"))).unwrap())
}

/// Returns the kind of the store's fault if the answer is one.
pub(crate) fn fault_of(answer: &str) -> Option<&'static str> {
    let fault = answer.strip_prefix("Err(Store(")?;
    ["Failed", "Full", "Closed"].into_iter().find(|name| fault.starts_with(name))
}

impl Shown {
    /// Returns what an engine shows; `None` if reading fails.
    pub(crate) fn by(engine: &Engine) -> Option<Self> {
        let statuses: Vec<_> = engine.view().all_draws().collect();
        let register = engine.view().all_registrations().collect();
        let mut audit_log = Vec::new();
        let read = engine.audit_log(AuditSpan::From(0), &mut |event, _| {
            audit_log.push(event);
            ControlFlow::Continue(())
        });
        read.ok()?;
        let draws = statuses.iter().map(|status| ShownDraw::by(engine, status.id));
        Some(Self { register, audit_log, draws: draws.collect::<Option<_>>()?, statuses })
    }

    pub(crate) fn statuses(&self) -> &[DrawStatus] {
        &self.statuses
    }
}

impl ShownDraw {
    fn by(engine: &Engine, draw: DrawId) -> Option<Self> {
        let standings = engine.view().all_agencies(draw).collect();
        let mut batches = Vec::new();
        let read = engine.scan(draw, &mut |batch| {
            batches.push((batch.agency.0, batch.chunk.0, batch.text.to_owned()));
            ControlFlow::Continue(())
        });
        read.ok()?;
        let winners = match engine.winners(draw) {
            Err(ReadError::Unreadable(_)) => return None,
            winners => winners,
        };
        Some(Self { standings, batches, winners })
    }
}

pub(crate) fn terms(name: &str, agencies: u32) -> DrawTerms {
    DrawTerms {
        name: DrawName::new(name).unwrap(),
        agencies: Agencies::first(agencies).unwrap(),
        numbers: NumberRange::default(),
    }
}

pub(crate) fn operator(name: &str) -> Actor {
    Actor::Operator(Label::new(name).unwrap())
}

pub(crate) fn check(disk: &SimulatedDisk) -> Result<Summary, Fault> {
    Archive::open_on(Arc::new(disk.clone()))?.check(|_| Ok(()))
}

/// Returns the names of the segments in use.
pub(crate) fn segments(disk: &SimulatedDisk) -> Vec<String> {
    let mut names = disk.names().unwrap();
    names.retain(|name| disk.contents(name).iter().any(|&byte| byte != 0));
    names.sort_unstable();
    names
}

/// Returns the names and bytes of all files.
pub(crate) fn contents(disk: &SimulatedDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.names().unwrap();
    names.into_iter().map(|name| (name.clone(), disk.contents(&name))).collect()
}

/// Changes a file.
pub(crate) fn edit(disk: &SimulatedDisk, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut file = disk.contents(name);
    change(&mut file);
    disk.put(name, &file);
}
