//! Throttles log lines that a flood would repeat: one a while, with the count of those it stands for.

use tokio::time::Instant;

use crate::limits::LOG_THROTTLE_TIME;

/// Counts what was not logged.
#[derive(Debug, Default)]
pub struct LogThrottle {
    count: u64,
    logged_at: Option<Instant>,
}

impl LogThrottle {
    /// Counts one more. Returns the count to log, when it is time for a line.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        let soon = self.logged_at.is_some_and(|at| now.duration_since(at) < LOG_THROTTLE_TIME);
        if soon {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_once_in_a_while_and_counted_whole() {
        let mut paced = LogThrottle::default();
        let start = Instant::now();
        assert_eq!(paced.due(start), Some(1));
        for _ in 0..1000 {
            assert_eq!(paced.due(start + LOG_THROTTLE_TIME / 2), None);
        }
        assert_eq!(paced.due(start + LOG_THROTTLE_TIME), Some(1001));
    }
}
