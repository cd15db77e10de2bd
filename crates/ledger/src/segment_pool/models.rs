//! Models of the pool and its writer under every schedule: every waiter is woken, even when the
//! pool fails or ends. The disk is instant: no thread switch happens between two of its operations.
#![allow(clippy::unwrap_used, reason = "tests, under more conditions than clippy knows")]

use std::sync::atomic::AtomicU64 as Count;

use engine::{Chain, LedgerId};

use super::*;
use crate::contents::Contents;
use crate::disk::Claim;
use crate::limits::BLOCK_LEN;
use crate::models::{UNBOUNDED, every_schedule, planted};
use crate::segment::SegmentHeader;

const SEGMENT_LEN: u64 = 2 * BLOCK_LEN as u64;

/// A disk that stores nothing. A file's length is its segment's number.
#[derive(Default)]
struct Blank {
    created: Count,
    /// The first creation that fails for lack of space, and how many do.
    full: Option<(u64, u64)>,
}

struct BlankFile {
    number: u64,
    holds: u8,
    /// Whether writes fail for lack of space.
    is_full: bool,
}

impl Disk for Blank {
    fn lock(&self, _: Claim) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let attempt = self.created.fetch_add(1, Ordering::Relaxed) + 1;
        if self.full.is_some_and(|(from, count)| (from..from + count).contains(&attempt)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let number = segment::number_in(name).expect("only segments are made");
        Ok(Box::new(BlankFile { number, holds: 0, is_full: false }))
    }

    fn open(&self, _: &str, _: Claim) -> io::Result<Box<dyn DiskFile>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn check_place(&self) -> io::Result<()> {
        Ok(())
    }

    fn write_mode(&self) -> &'static str {
        "not at all"
    }
}

impl DiskFile for BlankFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.number)
    }

    fn read_at(&self, _: u64, buffer: &mut [u8]) -> io::Result<()> {
        buffer.fill(self.holds);
        Ok(())
    }

    fn write_some_at(&self, _: u64, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn write_some_durable(&self, _: u64, blocks: &[u8]) -> io::Result<usize> {
        Ok(blocks.len())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn check_place(&self) -> io::Result<()> {
        Ok(())
    }
}

fn start(disk: Blank, spares: usize) -> SegmentPool {
    SegmentPool::start(Arc::new(disk), SEGMENT_LEN, spares, 1).unwrap()
}

fn next_number(pool: &mut SegmentPool) -> Result<u64, StoreFault> {
    pool.next(0).map(|file| file.len().unwrap())
}

fn full_segment(holds: u8) -> Arc<Segment> {
    segment_in(BlankFile { number: 1, holds, is_full: false })
}

fn segment_in(file: BlankFile) -> Arc<Segment> {
    let ledger = LedgerId([7; 16]);
    let chain = Chain::first(ledger);
    let (number, first_sequence, len) = (1, 0, SEGMENT_LEN);
    let header = SegmentHeader { number, first_sequence, len, chain, ledger, feature: 0 };
    Arc::new(Segment::new(Box::new(file), header, Contents::default(), BLOCK_LEN as u64))
}

fn asks_for_two() {
    let mut pool = start(Blank::default(), 1);
    pool.written(1);
    assert_eq!(next_number(&mut pool), Ok(1));
    assert_eq!(next_number(&mut pool), Ok(2));
}

fn stocks_up_and_asks() {
    let mut pool = start(Blank::default(), 2);
    pool.stock_up();
    assert!(pool.shared.is_stocked(&lock(&pool.shared.state)));
    pool.written(1);
    assert_eq!(next_number(&mut pool), Ok(1));
    pool.stock_up();
}

fn starts_and_closes() {
    let pool = start(Blank::default(), 2);
    pool.written(1);
    drop(pool);
}

fn room_is_short_for_a_while() {
    let mut pool = start(Blank { full: Some((1, 2)), ..Blank::default() }, 1);
    pool.stock_up();
    // Each call waits for its own attempt or uses an earlier one, so two are refused.
    let made = (0..3).find_map(|_| next_number(&mut pool).ok());
    assert_eq!(made, Some(1), "the room was short twice");
    pool.stock_up();
}

fn hands_over_full_ones() {
    let mut pool = start(Blank::default(), 1);
    pool.index(full_segment(0xff));
    assert_eq!(next_number(&mut pool), Ok(1));
    let shared = Arc::clone(&pool.shared);
    drop(pool);
    let state = lock(&shared.state);
    let sealed = state.full.is_empty();
    assert_eq!(state.alarm.is_some(), sealed, "what was found when it was sealed is told");
}

fn blank_pool(unindexed_max: usize) -> SharedPool {
    SharedPool::new(Arc::new(Blank::default()), SEGMENT_LEN, 1, 1, unindexed_max)
}

fn waits_for_indexes() {
    let mut pool = SegmentPool::of(blank_pool(0)).unwrap();
    for number in 1..=2 {
        pool.index(full_segment(0));
        assert_eq!(next_number(&mut pool), Ok(number));
        assert_eq!(lock(&pool.shared.state).unindexed(), 0, "the pool is behind");
    }
}

fn has_no_room_for_indexes() {
    let mut pool = SegmentPool::of(blank_pool(0)).unwrap();
    pool.index(segment_in(BlankFile { number: 1, holds: 0, is_full: true }));
    for _ in 0..2 {
        let refused = next_number(&mut pool);
        assert!(matches!(refused, Err(StoreFault::Full(_))), "{refused:?}");
        assert_eq!(lock(&pool.shared.state).unindexed(), 1, "it is tried again");
        assert_eq!(pool.check_room(), refused.map(drop), "the same is told to who asks");
    }
}

/// Returns a pool whose thread only runs `ending`.
fn with_thread(ending: fn(&SharedPool)) -> SegmentPool {
    let shared = Arc::new(blank_pool(1));
    let of_thread = Arc::clone(&shared);
    let thread = thread::Builder::new().spawn(move || ending(&of_thread)).unwrap();
    SegmentPool { shared, thread: Some(thread) }
}

fn asks_who_ends(mut pool: SegmentPool) {
    pool.stock_up();
    pool.index(full_segment(0));
    assert!(matches!(next_number(&mut pool), Err(StoreFault::Failed(_))));
    pool.stock_up();
}

#[test]
fn a_writer_that_needs_segments_gets_them_in_order() {
    every_schedule(5, asks_for_two);
}

#[test]
fn a_writer_that_stocks_up_is_woken_when_all_are_ready() {
    every_schedule(5, stocks_up_and_asks);
}

#[test]
fn a_pool_at_work_can_be_closed_at_any_moment() {
    every_schedule(UNBOUNDED, starts_and_closes);
}

#[test]
fn a_writer_gets_an_error_without_room_and_succeeds_once_there_is_some() {
    every_schedule(5, room_is_short_for_a_while);
}

#[test]
fn damage_found_while_sealing_is_reported_unless_left_for_the_next_opening() {
    every_schedule(5, hands_over_full_ones);
}

#[test]
fn a_writer_waits_for_a_pool_that_has_fallen_behind() {
    every_schedule(3, waits_for_indexes);
}

#[test]
fn a_writer_gets_an_error_without_room_for_indexes() {
    every_schedule(3, has_no_room_for_indexes);
}

#[test]
fn no_writer_waits_for_a_pool_that_has_ended() {
    // The same end as by a panic, after which the checker can't continue.
    every_schedule(UNBOUNDED, || asks_who_ends(with_thread(|shared| drop(Ends(shared)))));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_pool_that_ended_without_waking_waiters_would_be_found() {
    planted(1, || asks_who_ends(with_thread(|shared| lock(&shared.state).ended = true)));
}
