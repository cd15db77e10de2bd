//! Rate limits for logins: per name and address, per address, and per name.
//!
//! Someone who guesses passwords from one address locks a name for that address only. Many
//! addresses together are stopped by the limit per name, which is higher.
//!
//! Failed logins of operators are recorded one by one only up to a limit per name; records of those
//! beyond it count several, so that a flood of them fills no disk.
//!
//! Each key stores one time: when all its attempts are paid off, at a fixed price in time per
//! attempt. The allowance bounds how many may be unpaid at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{
    ATTEMPT_OF_ADDRESS_TIME, ATTEMPT_OF_NAME_TIME, ATTEMPT_OF_PAIR_TIME, ATTEMPTS_OF_ADDRESS_MAX,
    ATTEMPTS_OF_NAME_MAX, ATTEMPTS_OF_PAIR_MAX, ATTEMPTS_REMEMBERED_MAX, FAILURE_RECORDED_TIME,
    FAILURES_RECORDED_MAX,
};

/// The recent login attempts.
#[derive(Debug)]
pub struct Attempts {
    of_pairs: Limiter<(String, IpAddr)>,
    of_addresses: Limiter<IpAddr>,
    of_names: Limiter<String>,
    records: Limiter<String>,
    /// How many failed logins of each operator are not recorded yet, and the address of the last.
    unrecorded: HashMap<String, (u32, IpAddr)>,
}

impl Attempts {
    /// Counts an attempt that starts now.
    ///
    /// # Errors
    /// How long to wait. The attempt must not be made and is not counted.
    pub fn begin(&mut self, name: &str, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let (name, pair) = (name.to_owned(), (name.to_owned(), address));
        let waits = [
            self.of_pairs.wait(&pair, now),
            self.of_addresses.wait(&address, now),
            self.of_names.wait(&name, now),
        ];
        match waits.into_iter().flatten().max() {
            Some(wait) => Err(wait),
            None => {
                self.of_pairs.count(pair, now);
                self.of_addresses.count(address, now);
                self.of_names.count(name, now);
                Ok(())
            }
        }
    }

    /// Counts a failed login of an existing operator; returns how many to record now, if any.
    pub fn failed(&mut self, name: &str, address: IpAddr, now: Instant) -> Option<u32> {
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

    /// Resets the attempts for this name and address after a login.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.of_pairs.paid.remove(&(name.to_owned(), address));
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            of_pairs: Limiter::new(ATTEMPTS_OF_PAIR_MAX, ATTEMPT_OF_PAIR_TIME),
            of_addresses: Limiter::new(ATTEMPTS_OF_ADDRESS_MAX, ATTEMPT_OF_ADDRESS_TIME),
            of_names: Limiter::new(ATTEMPTS_OF_NAME_MAX, ATTEMPT_OF_NAME_TIME),
            records: Limiter::new(FAILURES_RECORDED_MAX, FAILURE_RECORDED_TIME),
            unrecorded: HashMap::new(),
        }
    }
}

#[derive(Debug)]
struct Limiter<K> {
    allowance: Duration,
    price: Duration,
    /// When all attempts of a key are paid off.
    paid: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Limiter<K> {
    fn new(attempts_max: u32, price: Duration) -> Self {
        Self { allowance: price * (attempts_max - 1), price, paid: HashMap::new() }
    }

    /// Returns how long to wait for another attempt; `None` if it is allowed now.
    fn wait(&mut self, key: &K, now: Instant) -> Option<Duration> {
        let Some(paid) = self.paid.get(key) else {
            return self.wait_for_room(now);
        };
        let unpaid = paid.saturating_duration_since(now);
        unpaid.checked_sub(self.allowance).filter(|wait| !wait.is_zero())
    }

    fn wait_for_room(&mut self, now: Instant) -> Option<Duration> {
        if self.paid.len() < ATTEMPTS_REMEMBERED_MAX {
            return None;
        }
        self.paid.retain(|_, paid| *paid > now);
        if self.paid.len() < ATTEMPTS_REMEMBERED_MAX {
            return None;
        }
        self.paid.values().min().map(|first| first.saturating_duration_since(now))
    }

    fn count(&mut self, key: K, now: Instant) {
        let paid = self.paid.entry(key).or_insert(now);
        *paid = (*paid).max(now) + self.price;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[expect(clippy::disallowed_methods, reason = "some moment to count from")]
    fn some_moment() -> Instant {
        Instant::now()
    }

    #[test]
    fn attempts_for_a_name_from_one_address_are_rate_limited() {
        let (mut attempts, now) = (Attempts::default(), some_moment());
        for _ in 0..ATTEMPTS_OF_PAIR_MAX {
            assert_eq!(attempts.begin("ana", address(1), now), Ok(()));
        }
        let message = attempts.begin("ana", address(1), now).unwrap_err();
        assert_eq!(message, ATTEMPT_OF_PAIR_TIME);
        assert_eq!(attempts.begin("bea", address(1), now), Ok(()), "other names may");
        let almost = now + message - Duration::from_millis(1);
        assert_eq!(attempts.begin("ana", address(1), almost), Err(Duration::from_millis(1)));
        assert_eq!(attempts.begin("ana", address(1), now + message), Ok(()));
        assert!(attempts.begin("ana", address(1), now + message).is_err());
        attempts.succeeded("ana", address(2));
        assert!(
            attempts.begin("ana", address(1), now + message).is_err(),
            "they came from elsewhere"
        );
        attempts.succeeded("ana", address(1));
        assert_eq!(attempts.begin("ana", address(1), now + message), Ok(()));
    }

    #[test]
    fn attempts_from_one_address_lock_nobody_out_elsewhere() {
        let (mut attempts, begun) = (Attempts::default(), some_moment());
        for second in 0..3_600 {
            let now = begun + Duration::from_secs(second);
            while attempts.begin("ana", address(1), now).is_ok() {}
            if second % 60 == 0 {
                assert_eq!(attempts.begin("ana", address(2), now), Ok(()), "{second}");
            }
        }
    }

    #[test]
    fn attempts_for_a_name_from_many_addresses_are_rate_limited() {
        let (mut attempts, begun) = (Attempts::default(), some_moment());
        let mut made = 0;
        for second in 0..60 {
            let now = begun + Duration::from_secs(second);
            let from = (0..=u8::MAX).map(address);
            made += from.filter(|from| attempts.begin("ana", *from, now).is_ok()).count();
        }
        assert_eq!(made, 50 + 59 / 3);
        let now = begun + Duration::from_secs(59);
        attempts.succeeded("ana", address(1));
        assert!(attempts.begin("ana", address(1), now).is_err(), "one login opens it to nobody");
        assert_eq!(attempts.begin("bea", address(1), now), Ok(()), "other names may");
    }

    #[test]
    fn attempts_from_one_address_are_rate_limited() {
        let (mut attempts, now) = (Attempts::default(), some_moment());
        for of in 0..ATTEMPTS_OF_ADDRESS_MAX {
            assert_eq!(attempts.begin(&format!("name{of}"), address(1), now), Ok(()));
        }
        assert_eq!(attempts.begin("ana", address(1), now), Err(ATTEMPT_OF_ADDRESS_TIME));
        assert_eq!(attempts.begin("ana", address(2), now), Ok(()));
    }

    #[test]
    fn failed_logins_are_recorded_one_by_one_and_those_of_a_flood_together() {
        let (mut attempts, now) = (Attempts::default(), some_moment());
        let soon = now + Duration::from_secs(1);
        for _ in 0..FAILURES_RECORDED_MAX {
            assert_eq!(attempts.failed("ana", address(1), now), Some(1));
        }
        for _ in 0..99 {
            assert_eq!(attempts.failed("ana", address(1), soon), None);
        }
        assert_eq!(
            attempts.failed("bea", address(1), soon),
            Some(1),
            "others have records of their own"
        );
        let later = now + FAILURE_RECORDED_TIME;
        assert_eq!(attempts.failed("ana", address(1), later), Some(100));
        assert_eq!(attempts.failed("ana", address(1), later), None);
        assert_eq!(attempts.failed("ana", address(2), later), None);
        assert_eq!(attempts.take_unrecorded("ana"), Some((2, address(2))), "before a login");
        assert_eq!(attempts.take_unrecorded("ana"), None);
    }

    #[test]
    fn memory_is_bounded_for_any_number_of_names() {
        let mut limiter = Limiter::new(5, Duration::from_secs(30));
        let now = some_moment();
        for key in 0..ATTEMPTS_REMEMBERED_MAX {
            assert_eq!(limiter.wait(&key, now), None);
            limiter.count(key, now);
        }
        let wait_time = limiter.wait(&usize::MAX, now).unwrap();
        assert_eq!(wait_time, Duration::from_secs(30));
        assert_eq!(limiter.wait(&0, now), None, "who is remembered goes on");
        assert_eq!(limiter.wait(&usize::MAX, now + wait_time), None);
        assert!(limiter.paid.is_empty(), "who has paid is forgotten");
    }
}
