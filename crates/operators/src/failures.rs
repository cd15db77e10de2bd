//! Which failed logins of operators are recorded: one by one up to a limit per name. Records of those
//! beyond it count several, so that a flood of them fills no disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::attempts::{Limiter, Rate};
use crate::limits::{FAILURE_RECORDED_TIME, FAILURES_RECORDED_MAX};

/// The failed logins that are not recorded yet.
#[derive(Debug)]
pub struct LogInFailures {
    records: Limiter<String>,
    /// How many of each operator, and the address of the last.
    unrecorded: HashMap<String, (u32, IpAddr)>,
}

impl LogInFailures {
    /// Counts a failed login of an existing operator; returns how many to record now, if any.
    pub fn count(&mut self, name: &str, address: IpAddr, now: Instant) -> Option<u32> {
        let unrecorded = self.unrecorded.entry(name.to_owned()).or_insert((0, address));
        *unrecorded = (unrecorded.0.saturating_add(1), address);
        if self.records.wait(&name.to_owned(), now).is_some() {
            return None;
        }
        self.records.count(name.to_owned(), now);
        self.unrecorded.remove(name).map(|(count, _)| count)
    }

    /// Returns how many failed logins of an operator are not recorded yet, if any, and the address
    /// of the last. To be recorded before the operator logs in.
    pub fn take_unrecorded(&mut self, name: &str) -> Option<(u32, IpAddr)> {
        self.unrecorded.remove(name)
    }
}

impl Default for LogInFailures {
    fn default() -> Self {
        let rate = Rate::new(FAILURES_RECORDED_MAX, FAILURE_RECORDED_TIME);
        Self { records: Limiter::new(rate), unrecorded: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempts::tests::{address, some_moment};

    #[test]
    fn failed_logins_are_recorded_one_by_one_and_those_of_a_flood_together() {
        let (mut failures, now) = (LogInFailures::default(), some_moment());
        let soon = now + std::time::Duration::from_secs(1);
        for _ in 0..FAILURES_RECORDED_MAX {
            assert_eq!(failures.count("ana", address(1), now), Some(1));
        }
        for _ in 0..99 {
            assert_eq!(failures.count("ana", address(1), soon), None);
        }
        assert_eq!(
            failures.count("bea", address(1), soon),
            Some(1),
            "others have records of their own"
        );
        let later = now + FAILURE_RECORDED_TIME;
        assert_eq!(failures.count("ana", address(1), later), Some(100));
        assert_eq!(failures.count("ana", address(1), later), None);
        assert_eq!(failures.count("ana", address(2), later), None);
        assert_eq!(failures.take_unrecorded("ana"), Some((2, address(2))), "before a login");
        assert_eq!(failures.take_unrecorded("ana"), None);
    }
}
