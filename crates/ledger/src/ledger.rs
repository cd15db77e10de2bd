//! The embedded store: an [`Engine`] on a thread of its own, and readers beside it.

use std::path::Path;
use std::sync::Arc;

use lottery::{StoreFault, View};

use crate::contract::{RunsEngine, store_by_requests};
use crate::disk::{Claim, Disk, Folder};
use crate::engine::{Engine, Request};
use crate::error::Fault;
use crate::groups::Groups;
use crate::keeper::Keeper;
use crate::limits::{
    BLOCK_LEN, GROUP_REQUESTS_MAX, SEGMENT_LEN_DEFAULT, SEGMENT_LEN_MAX, SEGMENT_LEN_MIN,
    SPARES_DEFAULT,
};
use crate::record::LedgerId;
use crate::recovery::{self, Report};
use crate::scrub::{Scrub, ScrubNews, ScrubPace};
use crate::segments::Segments;
use crate::sync::mpsc::{self, Receiver, Sender};
use crate::sync::thread::{self, JoinHandle};

/// How a ledger is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What a new ledger is told from all others by. One that is there has its own.
    pub id: LedgerId,
    /// Length of new segments in bytes: a multiple of 4096 from 96 KiB to 1 GiB.
    pub segment_len: u64,
    /// How many segments are kept ready ahead of the one being written; at least 1.
    pub spares: usize,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new(id: LedgerId) -> Self {
        Self { id, segment_len: SEGMENT_LEN_DEFAULT, spares: SPARES_DEFAULT }
    }

    /// Whether a ledger can be kept like this.
    ///
    /// # Errors
    /// [`Fault::SegmentLen`].
    pub fn check(&self) -> Result<(), Fault> {
        check_segment_len(self.segment_len)
    }
}

/// A ledger open for writing. Dropping it finishes what is under way and closes it.
pub struct Ledger {
    requests: Option<Sender<Request>>,
    committer: Option<JoinHandle<()>>,
    view: View,
    segments: Segments,
    report: Report,
    groups: Arc<Groups>,
    write_mode: &'static str,
}

impl Ledger {
    /// Opens the ledger in the folder at `path`, made when it is missing.
    ///
    /// # Errors
    /// When another process has it, it is damaged, or the system refuses something.
    pub fn open(path: &Path, options: Options) -> Result<Self, Fault> {
        options.check()?;
        let folder =
            Folder::create(path).map_err(|error| Fault::io("opening", "the data folder", error))?;
        Self::open_on(Arc::new(folder), options)
    }

    /// Opens the ledger on `disk`.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, Fault> {
        options.check()?;
        let lock = take(&*disk, Claim::Write)?;
        let recovered = recovery::recover(&*disk)?;
        let (segments, report) = (recovered.segments.clone(), recovered.report);
        let failed = |doing, error| Fault::io(doing, "the ledger's threads", error);
        let next_number = report.segments + 1;
        let write_mode = disk.write_mode();
        let keeper = Keeper::start(disk, options.segment_len, options.spares, next_number)
            .map_err(|error| failed("starting", error))?;
        let mut engine = Engine::new(recovered, Box::new(keeper), options.segment_len, options.id)?;
        engine.start().map_err(refused)?;
        let (view, groups) = (engine.view().clone(), Arc::clone(engine.groups()));
        let (sender, receiver) = mpsc::channel();
        let committer = thread::Builder::new()
            .name("ledger-commit".to_owned())
            .spawn(move || {
                commit(engine, &receiver);
                // Only now nothing is written any more.
                drop(lock);
            })
            .map_err(|error| failed("starting", error))?;
        Ok(Self {
            requests: Some(sender),
            committer: Some(committer),
            view,
            segments,
            report,
            groups,
            write_mode,
        })
    }

    /// What was found and done at opening.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report
    }

    /// How many events each durable write held since it was opened.
    #[must_use]
    pub fn groups(&self) -> &Arc<Groups> {
        &self.groups
    }

    /// Begins to read all sealed segments slowly; `tell` is told what comes of it, on the scrub's
    /// thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn scrub(
        &self,
        pace: ScrubPace,
        tell: impl Fn(ScrubNews<'_>) + Send + 'static,
    ) -> Result<Scrub, Fault> {
        Scrub::start(self.segments.clone(), pace, Box::new(tell))
            .map_err(|error| Fault::io("starting", "the scrub", error))
    }

    /// How durable writes are done, for people.
    #[must_use]
    pub fn write_mode(&self) -> &'static str {
        self.write_mode
    }
}

impl RunsEngine for Ledger {
    fn submit(&self, request: Request) {
        let sender = self.requests.as_ref().expect("it is taken only when the ledger is dropped");
        if let Err(unsent) = sender.send(request) {
            // The writer ends before the ledger only by a panic.
            unsent.0.refuse(StoreFault::Failed("the ledger's writer has ended".to_owned()));
        }
    }

    fn published(&self) -> &View {
        &self.view
    }

    fn segments(&self) -> &Segments {
        &self.segments
    }
}

store_by_requests!(Ledger);

impl Drop for Ledger {
    fn drop(&mut self) {
        self.requests = None;
        let committer = self.committer.take();
        // The last to let go may be a completion, on the committing thread itself: that ends by
        // itself then, as there are no more requests.
        if let Some(committer) = committer.filter(|c| c.thread().id() != thread::current().id()) {
            // A panic there was reported by the panic hook; everything acknowledged is durable.
            let _ = committer.join();
        }
    }
}

/// Takes the folder, telling apart the one reason that a person can do something about.
pub(crate) fn take(disk: &dyn Disk, claim: Claim) -> Result<Box<dyn Send + Sync>, Fault> {
    disk.lock(claim).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Fault::InUse,
        _ => Fault::io("locking", "the data folder", error),
    })
}

/// The committing thread: waits for a request, takes what else is pending, and lets the engine
/// turn.
fn commit(mut engine: Engine, requests: &Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let others = requests.try_iter().take(GROUP_REQUESTS_MAX - 1);
        engine.turn(std::iter::once(first).chain(others));
    }
}

pub(crate) fn check_segment_len(len: u64) -> Result<(), Fault> {
    let sound = (SEGMENT_LEN_MIN..=SEGMENT_LEN_MAX).contains(&len);
    if sound && len.is_multiple_of(BLOCK_LEN as u64) { Ok(()) } else { Err(Fault::SegmentLen(len)) }
}

pub(crate) fn refused(fault: StoreFault) -> Fault {
    let error = std::io::Error::other(fault.to_string());
    Fault::io("making", "the first segment", error)
}

#[cfg(all(test, models))]
mod models;
