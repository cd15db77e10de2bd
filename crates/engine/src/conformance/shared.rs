//! A log in memory that several engines append to, as a replicated database would be one.
//!
//! What is in it is durable up to a point; behind that it can be read, and a promotion of the
//! standby takes it away. Whatever is committed makes all before it durable. Every engine has a
//! [`Log`] of its own ([`SharedLog::log`]), which knows how far that engine has come.
//!
//! Whoever owns it has faults happen, and learns from [`Counts`] which of them did. Hooks run
//! inside a call, where another engine may take its turn or the standby be promoted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lottery::planted::{Bug, planted};
use lottery::{Event, Timestamp};

use crate::chain::{Chain, LedgerId};
use crate::log::{Entry, Gone, Log, News, Reader, Recovered, Tip};
use crate::memory::{MemoryReader, replayed};

/// Most bytes of a group, unless its first decision has more: a turn may need several.
const GROUP_LEN_MAX: usize = 32 << 10;

/// What an engine is told whose end [`SharedLog::kill_in_commit`] is.
pub const KILLED: &str = "killed";

/// The log, for whoever owns it. Its clones are the same log.
#[derive(Clone)]
pub struct SharedLog {
    id: LedgerId,
    kept: Arc<Mutex<Kept>>,
}

/// What runs inside a call.
pub type Hook = Box<dyn FnOnce() + Send>;

/// What becomes of a group when the answer to its commit is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing of it is stored.
    NotStored,
    /// It can be read, and is not replicated.
    Readable,
    /// It is durable.
    Durable,
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commits that were answered as stored.
    pub commits: u64,
    /// Calls of [`Log::begin`] or [`Log::recover`] that found the log away.
    pub away_at_begin: u64,
    /// Those that gave half of what is new, and then found it away.
    pub away_in_begin: u64,
    /// Commits that found it away, by which nothing was stored.
    pub away_at_commit: u64,
    /// Commits for which there was no room.
    pub full: u64,
    /// Commits behind which another engine had appended since their begin.
    pub outrun: u64,
    /// Attempts to settle a commit that found the log away still.
    pub away_in_settling: u64,
    /// Commits whose answer was lost, settled as stored.
    pub settled_as_stored: u64,
    /// Of those, the ones behind which another engine had appended.
    pub settled_behind_others: u64,
    /// Those settled as not stored that never were.
    pub settled_as_lost: u64,
    /// Those settled as not stored that could be read before a promotion.
    pub settled_as_vanished: u64,
    /// Engines that ended before such a commit was settled.
    pub killed: u64,
    /// Events that [`Log::begin`] gave before they were durable.
    pub read_early: u64,
    /// Promotions that took away what could be read.
    pub promotions: u64,
    /// Engines that were told that their history is not the log's any more.
    pub other_histories: u64,
}

#[derive(Default)]
struct Kept {
    entries: Vec<Entry>,
    /// Whose each of them is: engines that decide the same at the same moment make equal ones.
    owners: Vec<u64>,
    engines: u64,
    /// How many are durable.
    durable: usize,
    /// How many calls find it away.
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

/// The log as one engine has it.
struct EngineLog {
    log: SharedLog,
    /// Its number.
    engine: u64,
    /// Where the next event goes, as far as this engine knows.
    known: Tip,
}

impl SharedLog {
    /// An empty log.
    #[must_use]
    pub fn new(id: LedgerId) -> Self {
        Self { id, kept: Arc::default() }
    }

    /// The log for one engine.
    #[must_use]
    pub fn log(&self) -> Box<dyn Log> {
        let mut kept = self.kept();
        kept.engines += 1;
        Box::new(EngineLog { log: self.clone(), engine: kept.engines, known: self.empty() })
    }

    /// What is durable, in order.
    #[must_use]
    pub fn durable(&self) -> Vec<Entry> {
        let kept = self.kept();
        kept.entries[..kept.durable].to_vec()
    }

    /// What can be read: what is durable, and more.
    #[must_use]
    pub fn readable(&self) -> Vec<Entry> {
        self.kept().entries.clone()
    }

    /// How many events are durable.
    #[must_use]
    pub fn durable_count(&self) -> usize {
        self.kept().durable
    }

    /// How often things happened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.kept().counts
    }

    /// The next `calls` find it away.
    pub fn be_away(&self, calls: u32) {
        self.kept().away = calls;
    }

    /// The next call of [`Log::begin`] that has something new gives half of it and is then away.
    pub fn cut_begin(&self) {
        self.kept().cuts_begin = true;
    }

    /// The next commit finds it away.
    pub fn refuse_commit(&self) {
        self.kept().refuses_commit = true;
    }

    /// Whether it has no room from now on, for empty groups neither.
    pub fn set_full(&self, full: bool) {
        self.kept().full = full;
    }

    /// The answer of the next commit is lost.
    pub fn lose_answer(&self, lost: Lost) {
        self.kept().lost = Some(lost);
    }

    /// So is that of the next commit, and whoever made it ends before it is settled: to its engine
    /// the log failed.
    pub fn kill_in_commit(&self, lost: Lost) {
        let mut kept = self.kept();
        (kept.lost, kept.kills) = (Some(lost), true);
    }

    /// Runs `hook` in the next commit, before anything is stored.
    pub fn before_commit(&self, hook: impl FnOnce() + Send + 'static) {
        self.kept().before_commit = Some(Box::new(hook));
    }

    /// Runs `hook` when the next answer is lost, before it is settled what became of the group.
    pub fn before_settling(&self, hook: impl FnOnce() + Send + 'static) {
        self.kept().before_settling = Some(Box::new(hook));
    }

    /// Promotes the standby: what is not durable vanishes.
    pub fn promote(&self) {
        let mut kept = self.kept();
        kept.counts.promotions += u64::from(kept.entries.len() > kept.durable);
        let durable = kept.durable;
        kept.entries.truncate(durable);
        kept.owners.truncate(durable);
    }

    /// Ends all faults: none is left to happen.
    pub fn heal(&self) {
        let mut kept = self.kept();
        (kept.away, kept.cuts_begin, kept.refuses_commit, kept.full) = (0, false, false, false);
        (kept.lost, kept.kills) = (None, false);
        (kept.before_commit, kept.before_settling) = (None, None);
    }

    fn empty(&self) -> Tip {
        Tip { sequence: 0, chain: Chain::first(self.id), at: Timestamp(0) }
    }

    fn tip(&self, kept: &Kept) -> Tip {
        kept.entries.last().map_or_else(|| self.empty(), Entry::tip)
    }

    /// Whether everything up to `tip` is in it.
    fn holds(&self, kept: &Kept, tip: Tip) -> bool {
        let Some(last) = tip.sequence.checked_sub(1) else { return true };
        let last = usize::try_from(last).ok().and_then(|last| kept.entries.get(last));
        last.is_some_and(|last| last.chain == tip.chain)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics half-way through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Whose the event before a sequence is.
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
        let mut kept = self.log.kept();
        if kept.is_away() {
            kept.counts.away_at_begin += 1;
            return Err(Gone::Away);
        }
        let recovered = replayed(self.log.id, &kept.entries)?;
        self.known = recovered.tip;
        Ok(recovered)
    }

    fn begin(&mut self, news: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone> {
        let mut kept = self.log.kept();
        if kept.is_away() {
            kept.counts.away_at_begin += 1;
            return Err(Gone::Away);
        }
        if !self.log.holds(&kept, self.known) {
            kept.counts.other_histories += 1;
            return Ok(News::OtherHistory);
        }
        let known = usize::try_from(self.known.sequence).expect("it is held in memory");
        let mut others = kept.entries[known..].to_vec();
        let is_cut = !others.is_empty() && std::mem::take(&mut kept.cuts_begin);
        if is_cut {
            kept.counts.away_in_begin += 1;
            others.truncate(others.len() / 2);
        }
        let early = (known + others.len()).saturating_sub(kept.durable.max(known));
        kept.counts.read_early += early as u64;
        drop(kept);
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
        let hook = self.log.kept().before_commit.take();
        if let Some(hook) = hook {
            hook();
        }
        let mut kept = self.log.kept();
        if kept.is_away() || std::mem::take(&mut kept.refuses_commit) {
            kept.counts.away_at_commit += 1;
            return Err(Gone::Away);
        }
        if kept.full {
            kept.counts.full += 1;
            return Err(Gone::Full("the disk is full".to_owned()));
        }
        if self.log.tip(&kept) != self.known {
            kept.counts.outrun += 1;
            return Err(Gone::Away);
        }
        let (lost, is_killed) = (kept.lost.take(), std::mem::take(&mut kept.kills));
        if lost != Some(Lost::NotStored) {
            kept.entries.extend_from_slice(group);
            kept.owners.extend(group.iter().map(|_| self.engine));
        }
        if matches!(lost, None | Some(Lost::Durable)) {
            kept.durable = kept.entries.len();
        }
        kept.counts.killed += u64::from(is_killed);
        drop(kept);
        if is_killed {
            return Err(Gone::Failed(KILLED.to_owned()));
        }
        let wanted = group.last().map_or(self.known, Entry::tip);
        match lost {
            None => {
                self.known = wanted;
                self.log.kept().counts.commits += 1;
                Ok(())
            }
            Some(lost) => self.settle(wanted, group.is_empty(), lost),
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        let log = self.log.clone();
        Arc::new(MemoryReader(move || log.durable()))
    }
}

impl EngineLog {
    /// Finds out what became of a commit whose answer was lost: whether the log holds it, as this
    /// engine's, and then, by a write of its own, that this stays so. It is tried until the log is
    /// there.
    fn settle(&mut self, wanted: Tip, is_empty: bool, lost: Lost) -> Result<(), Gone> {
        let hook = self.log.kept().before_settling.take();
        if let Some(hook) = hook {
            hook();
        }
        let mut kept = self.log.kept();
        while kept.is_away() {
            kept.counts.away_in_settling += 1;
        }
        let is_own = || is_empty || kept.owner_before(wanted.sequence) == Some(self.engine);
        let is_stored = self.log.holds(&kept, wanted) && is_own() || planted(Bug::OutcomeGuessed);
        kept.durable = kept.entries.len();
        if !is_stored {
            kept.counts.settled_as_lost += u64::from(lost == Lost::NotStored);
            kept.counts.settled_as_vanished += u64::from(lost == Lost::Readable);
            return Err(Gone::Away);
        }
        kept.counts.settled_as_stored += 1;
        kept.counts.settled_behind_others += u64::from(self.log.tip(&kept) != wanted);
        kept.counts.commits += 1;
        self.known = wanted;
        Ok(())
    }
}
