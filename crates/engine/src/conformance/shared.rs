//! A log in memory that several engines share, like a replicated database.
//!
//! Entries are durable up to a point; later ones are readable and vanish when the standby is
//! promoted. A commit makes all earlier entries durable. Every engine has its own [`Log`]
//! ([`SharedLog::log`]), which tracks how far it has read.
//!
//! Tests inject faults and count them with [`Counts`]. Hooks run inside a call, where another
//! engine may commit or the standby may be promoted.

use std::sync::Arc;

use lottery::{Event, Timestamp};

use crate::chain::{Chain, LedgerId};
use crate::log::{Entry, Gone, Log, News, Reader, Recovered, Tip};
use crate::memory::{MemoryReader, replayed};
use crate::sync::{Mutex, MutexGuard, lock};

/// Most bytes of a group, unless its first decision has more. Small, so that a commit needs several
/// groups.
const GROUP_LEN_MAX: usize = 32 << 10;

/// The error after [`SharedLog::kill_in_commit`].
pub const KILLED: &str = "killed";

/// A shared log. Clones are the same log.
#[derive(Clone)]
pub struct SharedLog {
    id: LedgerId,
    state: Arc<Mutex<State>>,
}

/// A callback that runs inside a call.
pub type Hook = Box<dyn FnOnce() + Send>;

/// What happens to a group when the answer to its commit is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing is stored.
    NotStored,
    /// It is readable but not replicated.
    Readable,
    /// It is durable.
    Durable,
}

/// Counts of faults and events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Successful commits.
    pub commits: u64,
    /// Calls of [`Log::begin`] or [`Log::recover`] that could not reach the log.
    pub away_at_begin: u64,
    /// Calls of [`Log::begin`] that lost the log half-way.
    pub away_in_begin: u64,
    /// Commits that could not reach the log.
    pub away_at_commit: u64,
    /// Commits that found the log full.
    pub full: u64,
    /// Commits that failed because another engine had appended since their begin.
    pub outrun: u64,
    /// Attempts to settle a commit that could not reach the log.
    pub away_in_settling: u64,
    /// Commits with a lost answer, settled as stored.
    pub settled_as_stored: u64,
    /// Those after which another engine had appended.
    pub settled_behind_others: u64,
    /// Commits settled as not stored that were never stored.
    pub settled_as_lost: u64,
    /// Commits settled as not stored that were readable before a promotion.
    pub settled_as_vanished: u64,
    /// Engines that were killed before their commit was settled.
    pub killed: u64,
    /// Events that [`Log::begin`] returned before they were durable.
    pub read_early: u64,
    /// Promotions that removed readable entries.
    pub promotions: u64,
    /// Engines that learned that the log has another history.
    pub other_histories: u64,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// The engine of each entry: two engines may make equal entries.
    owners: Vec<u64>,
    engines: u64,
    durable: usize,
    away: u32,
    cuts_begin: bool,
    refuses_commit: bool,
    full: bool,
    lost: Option<Lost>,
    kills: bool,
    before_commit: Option<Hook>,
    before_settling: Option<Hook>,
    counts: Counts,
}

/// One engine's handle on the log.
struct EngineLog {
    log: SharedLog,
    engine: u64,
    /// The next position, as far as this engine knows.
    known: Tip,
}

impl SharedLog {
    /// Creates an empty log.
    #[must_use]
    pub fn new(id: LedgerId) -> Self {
        Self { id, state: Arc::default() }
    }

    /// Returns a log for one more engine.
    #[must_use]
    pub fn log(&self) -> Box<dyn Log> {
        let mut state = self.state();
        state.engines += 1;
        Box::new(EngineLog { log: self.clone(), engine: state.engines, known: self.empty() })
    }

    /// Returns the durable entries, in order.
    #[must_use]
    pub fn durable(&self) -> Vec<Entry> {
        let state = self.state();
        state.entries[..state.durable].to_vec()
    }

    /// Returns all readable entries, durable or not.
    #[must_use]
    pub fn readable(&self) -> Vec<Entry> {
        self.state().entries.clone()
    }

    /// Returns the number of durable entries.
    #[must_use]
    pub fn durable_count(&self) -> usize {
        self.state().durable
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Makes the log unreachable for the next `calls`.
    pub fn be_away(&self, calls: u32) {
        self.state().away = calls;
    }

    /// Makes the next [`Log::begin`] that has news return half of it and then fail.
    pub fn cut_begin(&self) {
        self.state().cuts_begin = true;
    }

    /// Makes the next commit fail to reach the log.
    pub fn refuse_commit(&self) {
        self.state().refuses_commit = true;
    }

    /// Sets whether the log is full, even for empty groups.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// Loses the answer of the next commit.
    pub fn lose_answer(&self, lost: Lost) {
        self.state().lost = Some(lost);
    }

    /// Loses the answer of the next commit and kills its engine before it settles: the engine sees
    /// a failed log.
    pub fn kill_in_commit(&self, lost: Lost) {
        let mut state = self.state();
        (state.lost, state.kills) = (Some(lost), true);
    }

    /// Runs `hook` in the next commit, before anything is stored.
    pub fn before_commit(&self, hook: impl FnOnce() + Send + 'static) {
        self.state().before_commit = Some(Box::new(hook));
    }

    /// Runs `hook` when the next answer is lost, before the commit is settled.
    pub fn before_settling(&self, hook: impl FnOnce() + Send + 'static) {
        self.state().before_settling = Some(Box::new(hook));
    }

    /// Promotes the standby: entries that are not durable vanish.
    pub fn promote(&self) {
        let mut state = self.state();
        state.counts.promotions += u64::from(state.entries.len() > state.durable);
        let durable = state.durable;
        state.entries.truncate(durable);
        state.owners.truncate(durable);
    }

    /// Removes all pending faults.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.away, state.cuts_begin, state.refuses_commit, state.full) = (0, false, false, false);
        (state.lost, state.kills) = (None, false);
        (state.before_commit, state.before_settling) = (None, None);
    }

    fn empty(&self) -> Tip {
        Tip { sequence: 0, chain: Chain::first(self.id), at: Timestamp(0) }
    }

    fn tip(&self, state: &State) -> Tip {
        state.entries.last().map_or_else(|| self.empty(), Entry::tip)
    }

    /// Whether the log holds everything up to `tip`.
    fn holds(&self, state: &State, tip: Tip) -> bool {
        let Some(last) = tip.sequence.checked_sub(1) else { return true };
        let last = usize::try_from(last).ok().and_then(|last| state.entries.get(last));
        last.is_some_and(|last| last.chain == tip.chain)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Returns the engine of the entry before `sequence`.
    fn owner_before(&self, sequence: u64) -> Option<u64> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.owners.get(at).copied()
    }

    fn is_away(&mut self) -> bool {
        let is_away = self.away > 0;
        self.away = self.away.saturating_sub(1);
        is_away
    }
}

impl Log for EngineLog {
    fn recover(&mut self) -> Result<Recovered, Gone> {
        let mut state = self.log.state();
        if state.is_away() {
            state.counts.away_at_begin += 1;
            return Err(Gone::Away);
        }
        let recovered = replayed(self.log.id, &state.entries)?;
        self.known = recovered.tip;
        Ok(recovered)
    }

    fn begin(&mut self, news: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone> {
        let mut state = self.log.state();
        if state.is_away() {
            state.counts.away_at_begin += 1;
            return Err(Gone::Away);
        }
        if !self.log.holds(&state, self.known) {
            state.counts.other_histories += 1;
            return Ok(News::OtherHistory);
        }
        let known = usize::try_from(self.known.sequence).expect("it is held in memory");
        let mut others = state.entries[known..].to_vec();
        let is_cut = !others.is_empty() && std::mem::take(&mut state.cuts_begin);
        if is_cut {
            state.counts.away_in_begin += 1;
            others.truncate(others.len() / 2);
        }
        let early = (known + others.len()).saturating_sub(state.durable.max(known));
        state.counts.read_early += early as u64;
        drop(state);
        for entry in others {
            news(&entry.event, entry.at);
            self.known = entry.tip();
        }
        if is_cut { Err(Gone::Away) } else { Ok(News::UpTo(self.known)) }
    }

    fn room_for(&self, first: usize) -> usize {
        first.max(GROUP_LEN_MAX)
    }

    fn commit(&mut self, group: &[Entry]) -> Result<(), Gone> {
        let hook = self.log.state().before_commit.take();
        if let Some(hook) = hook {
            hook();
        }
        let mut state = self.log.state();
        if state.is_away() || std::mem::take(&mut state.refuses_commit) {
            state.counts.away_at_commit += 1;
            return Err(Gone::Away);
        }
        if state.full {
            state.counts.full += 1;
            return Err(Gone::Full("the disk is full".to_owned()));
        }
        if self.log.tip(&state) != self.known {
            state.counts.outrun += 1;
            return Err(Gone::Away);
        }
        let (lost, is_killed) = (state.lost.take(), std::mem::take(&mut state.kills));
        if lost != Some(Lost::NotStored) {
            state.entries.extend_from_slice(group);
            state.owners.extend(group.iter().map(|_| self.engine));
        }
        if matches!(lost, None | Some(Lost::Durable)) {
            state.durable = state.entries.len();
        }
        state.counts.killed += u64::from(is_killed);
        drop(state);
        if is_killed {
            return Err(Gone::Failed(KILLED.to_owned()));
        }
        let wanted = group.last().map_or(self.known, Entry::tip);
        match lost {
            None => {
                self.known = wanted;
                self.log.state().counts.commits += 1;
                Ok(())
            }
            Some(lost) => self.settle(wanted, group.is_empty(), lost),
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        let log = self.log.clone();
        Arc::new(MemoryReader { id: log.id, read: move || log.durable() })
    }
}

impl EngineLog {
    /// Settles a commit with a lost answer: finds out whether the log holds it as this engine's,
    /// and makes the result durable. Retries while the log is unreachable.
    fn settle(&mut self, wanted: Tip, is_empty: bool, lost: Lost) -> Result<(), Gone> {
        let hook = self.log.state().before_settling.take();
        if let Some(hook) = hook {
            hook();
        }
        let mut state = self.log.state();
        while state.is_away() {
            state.counts.away_in_settling += 1;
        }
        let is_own = || is_empty || state.owner_before(wanted.sequence) == Some(self.engine);
        let is_stored = self.log.holds(&state, wanted) && is_own();
        state.durable = state.entries.len();
        if !is_stored {
            state.counts.settled_as_lost += u64::from(lost == Lost::NotStored);
            state.counts.settled_as_vanished += u64::from(lost == Lost::Readable);
            return Err(Gone::Away);
        }
        state.counts.settled_as_stored += 1;
        state.counts.settled_behind_others += u64::from(self.log.tip(&state) != wanted);
        state.counts.commits += 1;
        self.known = wanted;
        Ok(())
    }
}
