//! The pool: a thread that makes new segments ready ahead of need and gives full ones their
//! index, so that the writer does neither.
//!
//! A new segment is zeroed before it is used, because only blocks that were written before take
//! durable writes at full speed. That competes with the writer for the disk, so beside intake it is
//! done only in its pauses. When the writer needs a segment that is not zeroed whole, it takes it
//! as it is: unwritten blocks read as zeros too, and are only slower.
//!
//! Under intake without pauses full segments are given their indexes all the same. The writer waits
//! for none of that: segments are there to be taken before they are zeroed, and it waits for one
//! step of zeroing at the most. Only when the pool falls behind, with [`UNINDEXED_MAX`] segments
//! to give an index to, does the writer wait for it: what those take, in memory and of descriptors,
//! is bounded.
//! Reading a segment back goes at the writer's pace, in small parts, unless that would leave the
//! pool behind. That a segment is full is marked in its file before anything else is done.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use lottery::StoreFault;
use lottery::planted::{Bug, planted};

use crate::block_buffer::BlockBuffer;
use crate::disk::{Disk, DiskFile, uninterrupted};
use crate::error::{Fault, want_of};
use crate::limits::{PAUSE_TIME, READ_PAUSE_TIME, UNINDEXED_MAX, ZERO_STEP_LEN};
use crate::log::SegmentSource;
use crate::segment;
use crate::segments::Segment;
use engine::sync::thread::{self, JoinHandle};
use engine::sync::{AtomicU64, Condvar, Mutex, MutexGuard, wait_at_most};

/// See the module's documentation.
pub(crate) struct SegmentPool {
    shared: Arc<SharedPool>,
    thread: Option<JoinHandle<()>>,
}

struct SharedPool {
    disk: Arc<dyn Disk>,
    segment_len: u64,
    spares: usize,
    /// See [`UNINDEXED_MAX`].
    unindexed_max: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// How many bytes the writer has written.
    written_len: AtomicU64,
}

#[derive(Default)]
struct State {
    /// May be used, in order.
    spares: VecDeque<Spare>,
    /// The number of the segment to make next.
    next_number: u64,
    /// Why the last attempt to make one ready failed. A want that may pass is forgotten when the
    /// next is asked for or the pool is checked; after anything else nothing is tried again.
    failed: Option<StoreFault>,
    /// Why one that was asked for was not there, until one is made.
    refused: Option<StoreFault>,
    /// Full and not marked as such yet.
    left: VecDeque<Arc<Segment>>,
    /// Full and without an index.
    full: VecDeque<Arc<Segment>>,
    /// One is being marked, or given its index.
    in_hand: bool,
    /// Full, and could not be given an index for a want that may pass. One of them is tried again
    /// when the pool is checked, and all once one has its index.
    wanting: VecDeque<Arc<Segment>>,
    /// What the last of those wanted.
    want: Option<StoreFault>,
    alarm: Option<String>,
    closing: bool,
    /// The thread is gone: nothing is made ready any more.
    ended: bool,
}

/// A segment that was made and is not in use yet.
struct Spare {
    number: u64,
    /// None while a part of it is being zeroed.
    file: Option<Box<dyn DiskFile>>,
    /// How far it is zeroed.
    zeroed: u64,
}

impl State {
    /// Lets the pool try again what failed for a want that may have passed.
    fn forget_want(&mut self) {
        self.failed = self.failed.take().filter(|fault| !fault.may_pass());
    }

    /// How many full segments have no index.
    fn unindexed(&self) -> usize {
        self.left.len() + self.full.len() + self.wanting.len() + usize::from(self.in_hand)
    }

    /// Notes what came of giving a segment its index.
    fn sealed(&mut self, segment: Arc<Segment>, sealed: Result<(), Fault>) {
        self.in_hand = false;
        let Err(fault) = sealed else {
            self.full.append(&mut self.wanting);
            self.want = None;
            return;
        };
        let want = StoreFault::Full(format!("giving a full segment its index: {fault}"));
        let alarm = alarm_of(fault);
        if alarm.is_some() {
            self.alarm = alarm;
        } else {
            self.wanting.push_back(segment);
            self.want = Some(want);
        }
    }

    /// Takes back a file of which a part was zeroed up to where `zeroed` says, or was not.
    fn put_back(&mut self, file: Box<dyn DiskFile>, zeroed: io::Result<u64>, segment_len: u64) {
        let at = self.spares.iter().position(|spare| spare.file.is_none());
        let at = at.expect("the writer does not take a spare whose file is not there");
        let spare = &mut self.spares[at];
        spare.file = Some(file);
        match zeroed.map_err(|error| fault_of(&segment::name(spare.number), &error)) {
            Ok(end) => spare.zeroed = end,
            // It has its room, and reads as zeros: it can be used as it is.
            Err(fault) if fault.may_pass() => spare.zeroed = segment_len,
            Err(fault) => {
                self.spares.truncate(at);
                self.failed = Some(fault);
            }
        }
    }
}

/// What the thread does next.
enum Task {
    /// Makes the segment with this number.
    Make(u64),
    /// Zeroes the next part of a spare's file.
    Zero {
        file: Box<dyn DiskFile>,
        from: u64,
    },
    /// Marks a segment as full, at once: until then nothing but the next segment tells that there
    /// is one.
    Mark(Arc<Segment>),
    Seal(Arc<Segment>),
    /// Sees whether the writer pauses.
    Listen,
    Rest,
}

impl SegmentPool {
    /// Starts the thread; `next_number` is the number of the first segment that will be asked for.
    pub(crate) fn start(
        disk: Arc<dyn Disk>,
        segment_len: u64,
        spares: usize,
        next_number: u64,
    ) -> io::Result<Self> {
        Self::of(SharedPool::new(disk, segment_len, spares, next_number, UNINDEXED_MAX))
    }

    fn of(shared: SharedPool) -> io::Result<Self> {
        let shared = Arc::new(shared);
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("ledger-segments".to_owned())
            .spawn(move || of_thread.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl SegmentSource for SegmentPool {
    fn next(&mut self, _number: u64) -> Result<Box<dyn DiskFile>, StoreFault> {
        let mut state = self.shared.lock();
        state.forget_want();
        while state.unindexed() > self.shared.unindexed_max && !state.ended {
            if let Some(want) = self.shared.wanted_for_indexes(&state) {
                return Err(want);
            }
            state = self.shared.wait(state);
        }
        loop {
            let first = state.spares.front_mut();
            let waits_for_a_step = first.as_ref().is_some_and(|spare| spare.file.is_none());
            if let Some(file) = first.and_then(|spare| spare.file.take()) {
                state.spares.pop_front();
                self.shared.changed.notify_all();
                return Ok(file);
            }
            if waits_for_a_step && !state.ended {
                state = self.shared.wait(state);
                continue;
            }
            if let Some(fault) = state.failed.clone() {
                state.refused = Some(fault.clone());
                return Err(fault);
            }
            if state.ended {
                return Err(StoreFault::Failed("the ledger's segment pool has ended".to_owned()));
            }
            self.shared.changed.notify_all();
            state = self.shared.wait(state);
        }
    }

    fn stock_up(&mut self) {
        let mut state = self.shared.lock();
        let shared = &self.shared;
        while !shared.is_stocked(&state) && state.failed.is_none() && !state.ended {
            state = shared.wait(state);
        }
    }

    fn index(&mut self, segment: Arc<Segment>) {
        self.shared.lock().left.push_back(segment);
        self.shared.changed.notify_all();
    }

    fn written(&self, len: usize) {
        self.shared.written_len.fetch_add(len as u64, Ordering::Relaxed);
    }

    fn alarm(&self) -> Option<String> {
        self.shared.lock().alarm.clone()
    }

    fn check_place(&self) -> io::Result<()> {
        self.shared.disk.check_place()
    }

    fn check_room(&mut self) -> Result<(), StoreFault> {
        let mut state = self.shared.lock();
        state.forget_want();
        if state.full.is_empty() {
            let again = state.wanting.pop_front();
            state.full.extend(again);
        }
        self.shared.changed.notify_all();
        let refused = state.refused.clone().or_else(|| self.shared.wanted_for_indexes(&state));
        refused.map_or(Ok(()), Err)
    }
}

impl Drop for SegmentPool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook, and nothing is lost by it.
            let _ = thread.join();
        }
    }
}

/// Tells those who wait that the thread is gone, also when a panic ended it.
struct Ends<'a>(&'a SharedPool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl SharedPool {
    fn new(
        disk: Arc<dyn Disk>,
        segment_len: u64,
        spares: usize,
        next_number: u64,
        unindexed_max: usize,
    ) -> Self {
        Self {
            disk,
            segment_len,
            spares: spares.max(1),
            unindexed_max,
            state: Mutex::new(State { next_number, ..State::default() }),
            changed: Condvar::new(),
            written_len: AtomicU64::new(0),
        }
    }

    fn run(&self) {
        // Declared before the lock is taken, so dropped after it is let go of.
        let _ends = Ends(self);
        let mut zeros = BlockBuffer::new(ZERO_STEP_LEN);
        // What had been written when the writer was last seen to pause.
        let mut quiet_at = 0;
        let mut state = self.lock();
        while !state.closing {
            match self.next_task(&mut state, quiet_at) {
                Task::Make(number) => {
                    drop(state);
                    let made = new_segment(&*self.disk, number, self.segment_len);
                    state = self.lock();
                    match made {
                        Ok(file) => {
                            state.spares.push_back(Spare { number, file: Some(file), zeroed: 0 });
                            state.next_number += 1;
                            state.refused = None;
                        }
                        Err(fault) => state.failed = Some(fault),
                    }
                    self.changed.notify_all();
                }
                Task::Zero { file, from } => {
                    drop(state);
                    let zeroed = self.zero_step(&*file, from, &mut zeros);
                    state = self.lock();
                    state.put_back(file, zeroed, self.segment_len);
                    self.changed.notify_all();
                }
                Task::Mark(segment) => {
                    state.in_hand = true;
                    drop(state);
                    let marked = segment.mark();
                    state = self.lock();
                    state.in_hand = false;
                    state.full.push_back(segment);
                    state.alarm = marked.err().and_then(alarm_of).or(state.alarm.take());
                }
                Task::Seal(segment) => {
                    state.in_hand = true;
                    drop(state);
                    let sealed = segment.index(self.pace());
                    state = self.lock();
                    state.sealed(segment, sealed);
                    self.changed.notify_all();
                }
                Task::Listen => {
                    let written = self.written_len.load(Ordering::Relaxed);
                    state = wait_at_most(&self.changed, &self.state, state, PAUSE_TIME);
                    quiet_at = written;
                }
                Task::Rest => state = self.wait(state),
            }
        }
        while let Some(segment) = state.left.pop_front() {
            // Nobody is left to be told: where it fails, the next opening meets the same disk.
            let _ = segment.mark();
            state.full.push_back(segment);
        }
    }

    fn next_task(&self, state: &mut State, quiet_at: u64) -> Task {
        if let Some(segment) = state.left.pop_front() {
            return Task::Mark(segment);
        }
        if self.lacks_spares(state) {
            return Task::Make(state.next_number);
        }
        if state.unindexed() > self.unindexed_max
            && let Some(segment) = state.full.pop_front()
        {
            return Task::Seal(segment);
        }
        let unfinished = state.spares.iter().position(|spare| spare.zeroed < self.segment_len);
        let unfinished = unfinished.filter(|_| state.failed.is_none());
        if let Some(at) = unfinished
            && self.written_len.load(Ordering::Relaxed) == quiet_at
        {
            let spare = &mut state.spares[at];
            let file = spare.file.take().expect("only this thread takes one to zero it");
            return Task::Zero { file, from: spare.zeroed };
        }
        match (state.full.pop_front(), unfinished) {
            (Some(segment), _) => Task::Seal(segment),
            (None, Some(_)) => Task::Listen,
            (None, None) => Task::Rest,
        }
    }

    /// Holds up the reading of a segment, told of each part that was read: the next segment is to
    /// be half written when this one is read. In one go the disk would have no room for the writer.
    fn pace(&self) -> impl FnMut(usize) {
        let before = self.written_len.load(Ordering::Relaxed);
        let mut read_len = 0;
        move |part_len| {
            read_len += part_len as u64;
            let written = self.written_len.load(Ordering::Relaxed) - before;
            let state = self.lock();
            let waiting = !state.left.is_empty() || !state.full.is_empty();
            let is_needed = state.closing || self.lacks_spares(&state) || waiting;
            if read_len > 2 * written && !is_needed {
                drop(wait_at_most(&self.changed, &self.state, state, READ_PAUSE_TIME));
            }
        }
    }

    /// Zeroes a part of a file; gives where it ends.
    fn zero_step(
        &self,
        file: &dyn DiskFile,
        from: u64,
        zeros: &mut BlockBuffer,
    ) -> io::Result<u64> {
        let len = (self.segment_len - from).min(ZERO_STEP_LEN as u64);
        zeros.clear();
        zeros.extend(usize::try_from(len).expect("a step fits memory"));
        file.write_durable(from, zeros.blocks())?;
        Ok(from + len)
    }

    /// Whether all spares are there, and zeroed.
    fn is_stocked(&self, state: &State) -> bool {
        let whole = |spare: &Spare| spare.zeroed == self.segment_len;
        state.spares.len() == self.spares && state.spares.iter().all(whole)
    }

    /// What full segments want for their index, when there are so many without one that no more is
    /// written.
    fn wanted_for_indexes(&self, state: &State) -> Option<StoreFault> {
        let is_over = state.unindexed() > self.unindexed_max;
        state.want.clone().filter(|_| is_over)
    }

    /// Whether more should be made.
    fn lacks_spares(&self, state: &State) -> bool {
        state.failed.is_none() && state.spares.len() < self.spares
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
) -> Result<Box<dyn DiskFile>, StoreFault> {
    let name = segment::name(number);
    let file = uninterrupted(|| disk.create(&name)).map_err(|error| fault_of(&name, &error))?;
    let failed = |error: io::Error| StoreFault::Failed(format!("making {name}: {error}"));
    if let Err(error) = uninterrupted(|| file.allocate(segment_len)) {
        disk.remove(&name).map_err(failed)?;
        return Err(fault_of(&name, &error));
    }
    // What a sync that failed left on the disk is unknown, whatever the error says.
    file.sync().map_err(failed)?;
    if !planted(Bug::NameNotSynced) {
        disk.sync_names().map_err(failed)?;
    }
    Ok(file)
}

/// What a failure to prepare a segment means to those who wait for it.
fn fault_of(name: &str, error: &io::Error) -> StoreFault {
    let why = format!("making {name}: {error}");
    match want_of(error) {
        Some(what) => StoreFault::Full(format!("{why}; {what}")),
        None => StoreFault::Failed(why),
    }
}

/// What a failure to seal a segment means to the writer, if anything.
///
/// Without room or memory for its index a segment is complete all the same: it is given one later,
/// at the next opening at the latest. But a disk that can't read back or write what it should is
/// not written to.
pub(crate) fn alarm_of(fault: Fault) -> Option<String> {
    match fault {
        Fault::Io { error, .. } if want_of(&error).is_some() => None,
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
