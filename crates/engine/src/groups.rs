//! A histogram of the number of events in each durable group.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the size classes; one more class has no bound.
const BOUNDS: [u64; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/// Groups counted by their number of events. Reads are relaxed and may lag slightly.
#[derive(Debug, Default)]
pub struct Groups {
    counts: [AtomicU64; BOUNDS.len() + 1],
    events: AtomicU64,
    begun: AtomicU64,
}

impl Groups {
    /// Returns each class's upper bound (`None`: no bound) and its number of groups.
    pub fn counts(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        bounds.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Returns the number of events in all groups.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Returns the number of groups begun, also those that became empty or that the log did not take.
    /// It grows with each request while the engine works.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, events: u64) {
        let class = BOUNDS.partition_point(|bound| *bound < events);
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_by_size_class() {
        let groups = Groups::default();
        [1, 2, 3, 4, 5, 4096, 4097].into_iter().for_each(|events| groups.add(events));
        let counts: Vec<_> = groups.counts().filter(|(_, count)| *count > 0).collect();
        let expected =
            [(Some(1), 1), (Some(2), 1), (Some(4), 2), (Some(8), 1), (Some(4096), 1), (None, 1)];
        assert_eq!(counts, expected);
        assert_eq!(groups.events(), 1 + 2 + 3 + 4 + 5 + 4096 + 4097);
    }
}
