//! Rate limits for logins: per name and address, per address, and per name.
//!
//! Someone who guesses passwords from one address locks a name for that address only. Many
//! addresses together are stopped by the limit per name, which is higher.
//!
//! Each key stores one time: when all its attempts are paid off, at a fixed price in time per
//! attempt. The allowance bounds how many may be unpaid at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{
    ATTEMPT_OF_ADDRESS_TIME, ATTEMPT_OF_NAME_TIME, ATTEMPT_OF_PAIR_TIME, ATTEMPTS_OF_ADDRESS_MAX,
    ATTEMPTS_OF_NAME_MAX, ATTEMPTS_OF_PAIR_MAX, ATTEMPTS_REMEMBERED_MAX,
};

/// How many attempts are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    allowance: Duration,
    /// What an attempt adds to the time until all are paid off.
    pub price: Duration,
}

/// For one name from one address.
pub const RATE_OF_PAIR: Rate = Rate::new(ATTEMPTS_OF_PAIR_MAX, ATTEMPT_OF_PAIR_TIME);
/// From one address.
pub const RATE_OF_ADDRESS: Rate = Rate::new(ATTEMPTS_OF_ADDRESS_MAX, ATTEMPT_OF_ADDRESS_TIME);
/// For one name.
pub const RATE_OF_NAME: Rate = Rate::new(ATTEMPTS_OF_NAME_MAX, ATTEMPT_OF_NAME_TIME);

impl Rate {
    pub(crate) const fn new(attempts_max: u32, price: Duration) -> Self {
        Self { allowance: price.saturating_mul(attempts_max - 1), price }
    }

    /// Returns how long to wait for another attempt when the former ones are paid off in this time;
    /// `None` if it is allowed now.
    #[must_use]
    pub fn wait(self, unpaid: Duration) -> Option<Duration> {
        unpaid.checked_sub(self.allowance).filter(|wait| !wait.is_zero())
    }
}

/// The recent login attempts.
#[derive(Debug)]
pub struct Attempts {
    of_pairs: Limiter<(String, IpAddr)>,
    of_addresses: Limiter<IpAddr>,
    of_names: Limiter<String>,
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

    /// Resets the attempts for this name and address after a login.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.of_pairs.paid.remove(&(name.to_owned(), address));
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            of_pairs: Limiter::new(RATE_OF_PAIR),
            of_addresses: Limiter::new(RATE_OF_ADDRESS),
            of_names: Limiter::new(RATE_OF_NAME),
        }
    }
}

/// Attempts by key, in memory.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    rate: Rate,
    /// When all attempts of a key are paid off.
    paid: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Limiter<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, paid: HashMap::new() }
    }

    /// Returns how long to wait for another attempt; `None` if it is allowed now.
    pub(crate) fn wait(&mut self, key: &K, now: Instant) -> Option<Duration> {
        match self.paid.get(key) {
            Some(paid) => self.rate.wait(paid.saturating_duration_since(now)),
            None => self.wait_for_room(now),
        }
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

    pub(crate) fn count(&mut self, key: K, now: Instant) {
        let paid = self.paid.entry(key).or_insert(now);
        *paid = (*paid).max(now) + self.rate.price;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[expect(clippy::disallowed_methods, reason = "some moment to count from")]
    pub(crate) fn some_moment() -> Instant {
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
    fn memory_is_bounded_for_any_number_of_names() {
        let mut limiter = Limiter::new(RATE_OF_PAIR);
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
