//! A log in memory, for tests and comparison. Not durable; clones share their entries, like a
//! folder that is opened again.

use std::ops::ControlFlow;
use std::sync::Arc;

use lottery::{
    AuditSpan, Batch, Bet, BetName, DrawId, Draws, Event, StoredBatch, StoredEvent, Timestamp,
    WinningResult,
};

use crate::chain::{Chain, LedgerId};
use crate::log::{Entry, Gone, Log, News, Reader, Record, Recovered, Tip};
use crate::sync::{Mutex, MutexGuard, lock};

/// A log in memory.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    stored: Entries,
    tip: Option<Tip>,
}

#[derive(Clone, Debug)]
struct Entries {
    id: LedgerId,
    entries: Arc<Mutex<Vec<Entry>>>,
}

/// Reads a copy of the durable entries, so that visitors do not block writers.
pub(crate) struct MemoryReader<Read> {
    pub(crate) id: LedgerId,
    pub(crate) read: Read,
}

impl MemoryLog {
    /// Creates an empty log.
    #[must_use]
    pub fn new(id: LedgerId) -> Self {
        Self { stored: Entries { id, entries: Arc::default() }, tip: None }
    }
}

impl Log for MemoryLog {
    fn recover(&mut self) -> Result<Recovered, Gone> {
        let recovered = replayed(self.stored.id, &self.stored.entries())?;
        self.tip = Some(recovered.tip);
        Ok(recovered)
    }

    fn begin(&mut self, _: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone> {
        Ok(News::UpTo(self.tip.expect("it is recovered first")))
    }

    fn room_for(&self, _: usize) -> usize {
        usize::MAX
    }

    fn commit(&mut self, group: &[Entry]) -> Result<(), Gone> {
        self.stored.entries().extend_from_slice(group);
        self.tip = group.last().map(Entry::tip).or(self.tip);
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        let stored = self.stored.clone();
        Arc::new(MemoryReader { id: stored.id, read: move || stored.entries().clone() })
    }
}

pub(crate) fn replayed(id: LedgerId, entries: &[Entry]) -> Result<Recovered, Gone> {
    let mut draws = Draws::default();
    for entry in entries {
        let replayed = draws.replay(&entry.event, entry.at);
        replayed.map_err(|why| Gone::Failed(format!("an event that the rules forbid: {why}")))?;
    }
    let empty = Tip { sequence: 0, chain: Chain::first(id), at: Timestamp(0) };
    Ok(Recovered { draws, tip: entries.last().map_or(empty, Entry::tip) })
}

impl Entries {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        lock(&self.entries)
    }
}

impl<Read: Fn() -> Vec<Entry> + Send + Sync> Reader for MemoryReader<Read> {
    fn id(&self) -> LedgerId {
        self.id
    }

    fn records(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let entries = (self.read)();
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let _ = entries.iter().skip(from).try_for_each(|entry| visit(entry.record()));
        Ok(())
    }

    fn winning_bets(
        &self,
        draw: DrawId,
        result: WinningResult,
        visit: &mut dyn FnMut(BetName, &Bet<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        for batch in batches_of(&(self.read)(), draw) {
            let visited = result.visit(&batch.stored(), visit);
            if visited.map_err(|unsound| unsound.to_string())?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        draw: DrawId,
        visit: &mut dyn FnMut(StoredBatch<'_>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let _ = batches_of(&(self.read)(), draw).try_for_each(|batch| visit(batch.stored()));
        Ok(())
    }

    fn audit_log(
        &self,
        span: AuditSpan,
        visit: &mut dyn FnMut(StoredEvent, Chain) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let entries = (self.read)();
        let mut visit = |entry: &Entry| {
            let Entry { sequence, at, chain, .. } = *entry;
            visit(StoredEvent { sequence, at, event: entry.event.clone() }, chain)
        };
        let others = entries.iter().filter(|entry| entry.batch.is_none());
        let _ = match span {
            AuditSpan::From(from) => {
                others.filter(|it| it.sequence >= from).try_for_each(&mut visit)
            }
            AuditSpan::Before(end) => {
                others.rev().filter(|it| it.sequence < end).try_for_each(&mut visit)
            }
        };
        Ok(())
    }
}

fn batches_of(entries: &[Entry], draw: DrawId) -> impl Iterator<Item = &Batch> {
    let batches = entries.iter().filter_map(|entry| entry.batch.as_deref());
    batches.filter(move |batch| batch.draw == draw)
}
