//! The segment pool: a background thread that preallocates segments and indexes full ones, so that
//! the writer does neither.
//!
//! - Spare segments are zeroed before use, because only blocks that were written before take
//!   durable writes at full speed. Zeroing competes with the writer for the disk, so it runs only
//!   while the writer pauses.
//! - The writer takes a spare even if it is not fully zeroed: unwritten blocks read as zeros too
//!   and are only slower. It waits for one zeroing step at most, or for the creation of a segment
//!   if there is no spare.
//! - Full segments are indexed even if the writer never pauses. The writer waits for indexing only
//!   once more than [`UNINDEXED_MAX`] segments have no index, which bounds memory and descriptors.
//! - Before indexing, a full segment is read back in small steps, at the writer's pace unless the
//!   pool falls behind.
//! - A full segment is marked as full in its file before any other task.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lottery::StoreFault;

use crate::block_buffer::BlockBuffer;
use crate::disk::{Disk, DiskFile, uninterrupted};
use crate::error::{Fault, want_of};
use crate::limits::{PAUSE_TIME, READ_PAUSE_TIME, UNINDEXED_MAX, ZERO_STEP_LEN};
use crate::log::SegmentSource;
use crate::segment;
use crate::segments::Segment;
use engine::sync::thread::{self, JoinHandle};
use engine::sync::{AtomicU64, Condvar, Mutex, lock, wait, wait_at_most};

/// A handle to the pool. Dropping it ends the thread; full segments are marked first.
pub(crate) struct SegmentPool {
    shared: Arc<SharedPool>,
    thread: Option<JoinHandle<()>>,
}

struct SharedPool {
    disk: Arc<dyn Disk>,
    segment_len: u64,
    spares: usize,
    /// The limit on segments without an index; [`UNINDEXED_MAX`] outside tests.
    unindexed_max: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// Total bytes written by the writer.
    written_len: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Ready for use, in order.
    spares: VecDeque<Spare>,
    /// The number of the next segment to create.
    next_number: u64,
    /// Why the last attempt to prepare a spare failed. A transient failure is cleared at the next
    /// request or check; after any other failure nothing is retried.
    failed: Option<StoreFault>,
    /// The error last returned to the writer, until a spare is created.
    refused: Option<StoreFault>,
    /// Full, but not marked as full yet.
    left: VecDeque<Arc<Segment>>,
    /// Full and marked, but without an index.
    full: VecDeque<Arc<Segment>>,
    /// Whether a segment is being marked or indexed.
    in_hand: bool,
    /// Full, but indexing failed for lack of a resource. One is retried at each check, and all of
    /// them once any segment is indexed.
    wanting: VecDeque<Arc<Segment>>,
    /// The error of the last of those failures.
    want: Option<StoreFault>,
    alarm: Option<String>,
    closing: bool,
    /// Whether the thread has ended.
    ended: bool,
}

/// A segment file that was created but is not in use yet.
struct Spare {
    number: u64,
    /// `None` while a part of it is being zeroed.
    file: Option<Box<dyn DiskFile>>,
    /// The offset up to which it is zeroed.
    zeroed: u64,
}

impl State {
    /// Clears a transient failure, so that the pool tries again.
    fn forget_want(&mut self) {
        self.failed = self.failed.take().filter(|fault| !fault.may_pass());
    }

    /// Returns how many full segments have no index.
    fn unindexed(&self) -> usize {
        self.left.len() + self.full.len() + self.wanting.len() + usize::from(self.in_hand)
    }

    /// Records the result of indexing a segment.
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

    /// Puts back a spare's file after a zeroing step, with the new zeroed offset or the error.
    fn put_back(&mut self, file: Box<dyn DiskFile>, zeroed: io::Result<u64>, segment_len: u64) {
        let at = self.spares.iter().position(|spare| spare.file.is_none());
        let at = at.expect("the writer does not take a spare whose file is not there");
        let spare = &mut self.spares[at];
        spare.file = Some(file);
        match zeroed.map_err(|error| fault_of(&segment::name(spare.number), &error)) {
            Ok(end) => spare.zeroed = end,
            // Its space is allocated and reads as zeros: it can be used without further zeroing.
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
    /// Create the segment with this number.
    Make(u64),
    /// Zero the next part of a spare's file.
    Zero {
        file: Box<dyn DiskFile>,
        from: u64,
    },
    /// Mark a segment as full. This comes first: until then only the next segment shows that more
    /// records follow.
    Mark(Arc<Segment>),
    Seal(Arc<Segment>),
    /// Wait to see whether the writer pauses.
    Listen,
    Rest,
}

impl SegmentPool {
    /// Starts the thread. `next_number` is the number of the first segment that will be requested.
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
        let mut state = lock(&self.shared.state);
        state.forget_want();
        while state.unindexed() > self.shared.unindexed_max && !state.ended {
            if let Some(want) = self.shared.wanted_for_indexes(&state) {
                return Err(want);
            }
            state = wait(&self.shared.changed, state);
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
                state = wait(&self.shared.changed, state);
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
            state = wait(&self.shared.changed, state);
        }
    }

    fn stock_up(&mut self) {
        let mut state = lock(&self.shared.state);
        let shared = &self.shared;
        while !shared.is_stocked(&state) && state.failed.is_none() && !state.ended {
            state = wait(&shared.changed, state);
        }
    }

    fn index(&mut self, segment: Arc<Segment>) {
        lock(&self.shared.state).left.push_back(segment);
        self.shared.changed.notify_all();
    }

    fn written(&self, len: usize) {
        self.shared.written_len.fetch_add(len as u64, Ordering::Relaxed);
    }

    fn alarm(&self) -> Option<String> {
        lock(&self.shared.state).alarm.clone()
    }

    fn check_place(&self) -> io::Result<()> {
        self.shared.disk.check_place()
    }

    fn check_room(&mut self) -> Result<(), StoreFault> {
        let mut state = lock(&self.shared.state);
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
        lock(&self.shared.state).closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic there, and nothing is lost by it.
            let _ = thread.join();
        }
    }
}

/// Wakes all waiters when the thread ends, even by a panic.
struct Ends<'a>(&'a SharedPool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).ended = true;
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
        // Declared before the lock is taken, so that it is dropped after the lock is released.
        let _ends = Ends(self);
        let mut zeros = BlockBuffer::new(ZERO_STEP_LEN);
        zeros.extend(ZERO_STEP_LEN).fill(0);
        let zeros = zeros.blocks();
        // The value of `written_len` when the writer was last seen to pause.
        let mut quiet_at = 0;
        let mut state = lock(&self.state);
        while !state.closing {
            match self.next_task(&mut state, quiet_at) {
                Task::Make(number) => {
                    drop(state);
                    let made = new_segment(&*self.disk, number, self.segment_len);
                    state = lock(&self.state);
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
                    let zeroed = self.zero_step(&*file, from, zeros);
                    state = lock(&self.state);
                    state.put_back(file, zeroed, self.segment_len);
                    self.changed.notify_all();
                }
                Task::Mark(segment) => {
                    state.in_hand = true;
                    drop(state);
                    let marked = segment.mark();
                    state = lock(&self.state);
                    state.in_hand = false;
                    state.full.push_back(segment);
                    state.alarm = marked.err().and_then(alarm_of).or(state.alarm.take());
                }
                Task::Seal(segment) => {
                    state.in_hand = true;
                    drop(state);
                    let sealed = segment.index(self.pace());
                    state = lock(&self.state);
                    state.sealed(segment, sealed);
                    self.changed.notify_all();
                }
                Task::Listen => {
                    let written = self.written_len.load(Ordering::Relaxed);
                    state = wait_at_most(&self.changed, &self.state, state, PAUSE_TIME);
                    quiet_at = written;
                }
                Task::Rest => state = wait(&self.changed, state),
            }
        }
        while let Some(segment) = state.left.pop_front() {
            // A failure has no one left to handle it here; the next opening finds the segment
            // unmarked.
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

    /// Returns the pacing function for reading back a segment. It sleeps when the reader gets ahead
    /// of the writer, so that the read spreads over about half of the next segment and leaves the
    /// writer disk bandwidth.
    fn pace(&self) -> impl FnMut(usize) {
        let before = self.written_len.load(Ordering::Relaxed);
        let mut read_len = 0;
        move |part_len| {
            read_len += part_len as u64;
            let written = self.written_len.load(Ordering::Relaxed) - before;
            let state = lock(&self.state);
            let waiting = !state.left.is_empty() || !state.full.is_empty();
            let is_needed = state.closing || self.lacks_spares(&state) || waiting;
            if read_len > 2 * written && !is_needed {
                drop(wait_at_most(&self.changed, &self.state, state, READ_PAUSE_TIME));
            }
        }
    }

    /// Zeroes the next part of a file and returns its end offset.
    fn zero_step(&self, file: &dyn DiskFile, from: u64, zeros: &[u8]) -> io::Result<u64> {
        let left = usize::try_from(self.segment_len - from).expect("a segment fits memory");
        let zeros = &zeros[..left.min(zeros.len())];
        file.write_durable(from, zeros)?;
        Ok(from + zeros.len() as u64)
    }

    /// Returns whether all spares exist and are fully zeroed.
    fn is_stocked(&self, state: &State) -> bool {
        let whole = |spare: &Spare| spare.zeroed == self.segment_len;
        state.spares.len() == self.spares && state.spares.iter().all(whole)
    }

    /// Returns why indexing fails, if so many segments have no index that writing must stop.
    fn wanted_for_indexes(&self, state: &State) -> Option<StoreFault> {
        let is_over = state.unindexed() > self.unindexed_max;
        state.want.clone().filter(|_| is_over)
    }

    /// Returns whether more spares should be created.
    fn lacks_spares(&self, state: &State) -> bool {
        state.failed.is_none() && state.spares.len() < self.spares
    }
}

/// Creates a segment file, which must be the last: fully allocated, reading as zeros, its name
/// durable.
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
    // After a failed sync the content on disk is unknown, whatever the error says.
    file.sync().map_err(failed)?;
    disk.sync_names().map_err(failed)?;
    Ok(file)
}

/// Converts an error in preparing a segment to the fault returned to the writer.
fn fault_of(name: &str, error: &io::Error) -> StoreFault {
    let why = format!("making {name}: {error}");
    match want_of(error) {
        Some(what) => StoreFault::Full(format!("{why}; {what}")),
        None => StoreFault::Failed(why),
    }
}

/// Returns why writing must stop after a failure to seal a segment, if it must.
///
/// A segment that lacks space or memory for its index is still complete: it is indexed later, at
/// the next opening at the latest. But a disk that fails to read back or write data must not be
/// written to any more.
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
