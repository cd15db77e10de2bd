//! How many events each durable write held: what group commit is worth, for those who measure.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the classes that groups are counted in; above the last there is one more.
const BOUNDS: [u64; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/// Groups counted by their number of events. Relaxed: whoever looks sees each count as it was
/// shortly before.
#[derive(Debug, Default)]
pub struct Groups {
    counts: [AtomicU64; BOUNDS.len() + 1],
    events: AtomicU64,
}

impl Groups {
    /// The upper bound of each class (none: without bound), and how many groups are in it alone.
    pub fn counts(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        bounds.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// How many events all groups held.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
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
    fn groups_are_counted_by_the_class_that_they_are_in() {
        let groups = Groups::default();
        [1, 2, 3, 4, 5, 4096, 4097].into_iter().for_each(|events| groups.add(events));
        let counts: Vec<_> = groups.counts().filter(|(_, count)| *count > 0).collect();
        let expected =
            [(Some(1), 1), (Some(2), 1), (Some(4), 2), (Some(8), 1), (Some(4096), 1), (None, 1)];
        assert_eq!(counts, expected);
        assert_eq!(groups.events(), 1 + 2 + 3 + 4 + 5 + 4096 + 4097);
    }
}
