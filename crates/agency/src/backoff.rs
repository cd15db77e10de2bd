//! Computes the pause before the next attempt: exponential backoff with seeded jitter.
//!
//! Half of each pause is fixed and half is random, so that agencies that lost the same central do
//! not all reconnect at once.

use std::time::Duration;

use crate::limits::{RETRY_TIME_MAX, RETRY_TIME_MIN};

/// The backoff state of one run.
#[derive(Debug)]
pub(crate) struct Backoff {
    random: fastrand::Rng,
    next: Duration,
}

impl Backoff {
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), next: RETRY_TIME_MIN }
    }

    /// Returns the next pause: between half of its full length and all of it.
    pub(crate) fn pause(&mut self) -> Duration {
        self.pause_up_to(RETRY_TIME_MAX)
    }

    /// Returns the next pause like [`Self::pause`], but limited to `time_max`.
    pub(crate) fn pause_up_to(&mut self, time_max: Duration) -> Duration {
        let full = self.next.min(time_max);
        self.next = (full * 2).min(time_max);
        full.mul_f64(0.5 + self.random.f64() / 2.0)
    }

    /// Resets the backoff after progress: the next pause is the shortest.
    pub(crate) fn reset(&mut self) {
        self.next = RETRY_TIME_MIN;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pauses(seed: u64, count: usize) -> Vec<Duration> {
        let mut backoff = Backoff::with_seed(seed);
        (0..count).map(|_| backoff.pause()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_pauses_and_another_gives_others() {
        assert_eq!(pauses(7, 20), pauses(7, 20));
        assert_ne!(pauses(7, 20), pauses(8, 20));
    }

    #[test]
    fn a_reset_makes_the_next_pause_short() {
        let mut backoff = Backoff::with_seed(1);
        for _ in 0..20 {
            backoff.pause();
        }
        backoff.reset();
        assert!(backoff.pause() <= RETRY_TIME_MIN);
    }

    proptest! {
        #[test]
        fn pauses_double_up_to_the_longest(seed: u64) {
            let mut full = RETRY_TIME_MIN;
            for pause in pauses(seed, 20) {
                prop_assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
                full = (full * 2).min(RETRY_TIME_MAX);
            }
            prop_assert_eq!(full, RETRY_TIME_MAX);
        }
    }
}
