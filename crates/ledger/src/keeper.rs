//! The keeper: a thread that makes new segments ready ahead of need and gives full ones their
//! index, so that the writer does neither.
//!
//! A new segment is zeroed before it is used, because only blocks that were written before take
//! durable writes at full speed. That competes with the writer for the disk, so beside intake it is
//! done only in its pauses. When the writer needs a segment that is not zeroed whole, it gets it as
//! it is: unwritten blocks read as zeros too, and are only slower.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use lottery::StoreFault;
use lottery::planted::{Bug, planted};

use crate::block_buffer::BlockBuffer;
use crate::disk::{Disk, DiskFile};
use crate::engine::SegmentSource;
use crate::error::Fault;
use crate::limits::{PAUSE_TIME, ZERO_STEP_LEN};
use crate::segment;
use crate::segments::Segment;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, wait_at_most};

/// See the module's documentation.
pub(crate) struct Keeper {
    shelf: Arc<Shelf>,
    thread: Option<JoinHandle<()>>,
}

struct Shelf {
    disk: Arc<dyn Disk>,
    segment_len: u64,
    spares: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// How many groups the writer has written.
    writes: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Ready to be used, in order.
    ready: VecDeque<Box<dyn DiskFile>>,
    /// The number of the segment to make ready next.
    next_number: u64,
    /// The writer waits.
    hurry: bool,
    /// Why the last attempt to make one ready failed. A lack of room is forgotten when the next is
    /// asked for; after anything else nothing is tried again.
    failed: Option<StoreFault>,
    full: VecDeque<Arc<Segment>>,
    alarm: Option<String>,
    closing: bool,
    /// The thread is gone: nothing is made ready any more.
    ended: bool,
}

impl Keeper {
    /// Starts the thread; `next_number` is the number of the first segment that will be asked for.
    pub(crate) fn start(
        disk: Arc<dyn Disk>,
        segment_len: u64,
        spares: usize,
        next_number: u64,
    ) -> io::Result<Self> {
        let state = Mutex::new(State { next_number, ..State::default() });
        let shelf = Shelf {
            disk,
            segment_len,
            spares: spares.max(1),
            state,
            changed: Condvar::new(),
            writes: AtomicU64::new(0),
        };
        let shelf = Arc::new(shelf);
        let of_thread = Arc::clone(&shelf);
        let thread = thread::Builder::new()
            .name("ledger-keeper".to_owned())
            .spawn(move || of_thread.run())?;
        Ok(Self { shelf, thread: Some(thread) })
    }
}

impl SegmentSource for Keeper {
    fn next(&mut self, _number: u64) -> Result<Box<dyn DiskFile>, StoreFault> {
        let mut state = self.shelf.lock();
        state.failed = state.failed.take().filter(|fault| !fault.may_pass());
        loop {
            if let Some(file) = state.ready.pop_front() {
                state.hurry = false;
                self.shelf.changed.notify_all();
                return Ok(file);
            }
            if let Some(fault) = &state.failed {
                return Err(fault.clone());
            }
            if state.ended {
                return Err(StoreFault::Failed("the ledger's keeper has ended".to_owned()));
            }
            state.hurry = true;
            self.shelf.changed.notify_all();
            state = self.shelf.wait(state);
        }
    }

    fn stock_up(&mut self) {
        let mut state = self.shelf.lock();
        let shelf = &self.shelf;
        while state.ready.len() < shelf.spares && state.failed.is_none() && !state.ended {
            state = shelf.wait(state);
        }
    }

    fn seal(&mut self, segment: Arc<Segment>) {
        self.shelf.lock().full.push_back(segment);
        self.shelf.changed.notify_all();
    }

    fn written(&self) {
        self.shelf.writes.fetch_add(1, Ordering::Relaxed);
    }

    fn alarm(&self) -> Option<String> {
        self.shelf.lock().alarm.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shelf.lock().closing = true;
        self.shelf.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook, and nothing is lost by it.
            let _ = thread.join();
        }
    }
}

/// Tells those who wait that the thread is gone, also when a panic ended it.
struct Ends<'a>(&'a Shelf);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl Shelf {
    fn run(&self) {
        // Declared before the lock is taken, so dropped after it is let go of.
        let _ends = Ends(self);
        let mut state = self.lock();
        while !state.closing {
            if state.failed.is_none() && state.ready.len() < self.spares {
                let number = state.next_number;
                drop(state);
                let made = self.make_ready(number);
                state = self.lock();
                match made {
                    Ok(file) => {
                        state.ready.push_back(file);
                        state.next_number += 1;
                    }
                    Err(error) => state.failed = Some(fault_of(&segment::name(number), &error)),
                }
                self.changed.notify_all();
            } else if let Some(segment) = state.full.pop_front() {
                drop(state);
                let sealed = segment.seal();
                state = self.lock();
                state.alarm = sealed.err().and_then(alarm_of).or(state.alarm.take());
            } else {
                state = self.wait(state);
            }
        }
    }

    fn make_ready(&self, number: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = new_segment(&*self.disk, number, self.segment_len)?;
        let mut zeros = BlockBuffer::new(ZERO_STEP_LEN);
        let mut offset = 0;
        while offset < self.segment_len && !self.is_hurried_before_a_pause() {
            let step = (self.segment_len - offset).min(ZERO_STEP_LEN as u64);
            zeros.clear();
            zeros.extend(usize::try_from(step).expect("a step fits memory"));
            file.write_durable(offset, zeros.blocks())?;
            offset += step;
        }
        Ok(file)
    }

    /// Waits until the writer pauses; says whether it needs a segment at once instead.
    fn is_hurried_before_a_pause(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.closing || (state.hurry && state.ready.is_empty()) {
                return true;
            }
            let writes = self.writes.load(Ordering::Relaxed);
            if writes == 0 {
                return false;
            }
            state = wait_at_most(&self.changed, &self.state, state, PAUSE_TIME);
            if self.writes.load(Ordering::Relaxed) == writes {
                return false;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file for a segment, which must be the last: its whole length allocated, reading as zeros, its
/// name durable.
pub(crate) fn new_segment(
    disk: &dyn Disk,
    number: u64,
    segment_len: u64,
) -> io::Result<Box<dyn DiskFile>> {
    let name = segment::name(number);
    let file = disk.create(&name)?;
    if let Err(error) = file.allocate(segment_len).and_then(|()| file.sync()) {
        disk.remove(&name)?;
        return Err(error);
    }
    if !planted(Bug::NameNotSynced) {
        disk.sync_names()?;
    }
    Ok(file)
}

/// What a failure to make a segment ready means to those who wait for it.
pub(crate) fn fault_of(name: &str, error: &io::Error) -> StoreFault {
    let why = format!("making {name}: {error}");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreFault::Full(format!("{why}; make room in the data folder"))
        }
        // A limit on this process: nothing was written, and it may be lifted while it runs.
        io::ErrorKind::FileTooLarge => StoreFault::Full(format!(
            "{why}; raise the limit on the length of files (RLIMIT_FSIZE)"
        )),
        _ => StoreFault::Failed(why),
    }
}

/// What a failure to seal a segment means to the writer, if anything.
///
/// Without room for its index a segment is complete all the same: it is given one when the ledger
/// is opened next. But a disk that can't read back or write what it should is not written to.
pub(crate) fn alarm_of(fault: Fault) -> Option<String> {
    match fault {
        Fault::Io { doing, error } if fault_of(&doing, &error).may_pass() => None,
        fault => Some(fault.to_string()),
    }
}

#[cfg(all(test, models))]
mod models;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Damage;

    #[test]
    fn whatever_sealing_meets_but_want_of_room_stops_the_writer() {
        let io = |kind: io::ErrorKind| Fault::io("reading", "segment-0000000007.bol", kind.into());
        assert_eq!(alarm_of(io(io::ErrorKind::StorageFull)), None);
        let alarm = alarm_of(io(io::ErrorKind::Other)).unwrap();
        assert!(alarm.contains("-0000000007.bol"), "{alarm}");
        assert!(alarm_of(Fault::Damage(Damage::new("a", 0, "gone"))).is_some());
    }

    #[test]
    fn only_a_want_of_room_may_pass() {
        let of = |kind: io::ErrorKind| fault_of("segment-0000000007.bol", &kind.into());
        for kind in
            [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge]
        {
            let fault = of(kind);
            assert!(matches!(&fault, StoreFault::Full(why) if why.contains("-0000000007.bol")));
        }
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::Other] {
            assert!(matches!(of(kind), StoreFault::Failed(_)));
        }
    }
}
