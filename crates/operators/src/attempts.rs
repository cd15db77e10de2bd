//! How often may be tried to log in: under one name, and from one address.
//!
//! For each key one moment is kept: when all its attempts so far will have been paid for, at a
//! fixed price in time each. As many as the allowance may be unpaid at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{
    ATTEMPT_OF_ADDRESS_TIME, ATTEMPT_OF_NAME_TIME, ATTEMPTS_OF_ADDRESS_MAX, ATTEMPTS_OF_NAME_MAX,
    ATTEMPTS_REMEMBERED_MAX,
};

/// The attempts to log in that are remembered.
#[derive(Debug)]
pub struct Attempts {
    of_names: Limiter<String>,
    of_addresses: Limiter<IpAddr>,
}

impl Attempts {
    /// Counts an attempt that begins now.
    ///
    /// # Errors
    /// How long to wait before the next one. This one must not be made, and is not counted.
    pub fn begin(&mut self, name: &str, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let waits =
            [self.of_names.wait(&name.to_owned(), now), self.of_addresses.wait(&address, now)];
        match waits.into_iter().flatten().max() {
            Some(wait) => Err(wait),
            None => {
                self.of_names.count(name.to_owned(), now);
                self.of_addresses.count(address, now);
                Ok(())
            }
        }
    }

    /// Somebody logged in: attempts under the name count no more.
    pub fn succeeded(&mut self, name: &str) {
        self.of_names.paid.remove(name);
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            of_names: Limiter::new(ATTEMPTS_OF_NAME_MAX, ATTEMPT_OF_NAME_TIME),
            of_addresses: Limiter::new(ATTEMPTS_OF_ADDRESS_MAX, ATTEMPT_OF_ADDRESS_TIME),
        }
    }
}

#[derive(Debug)]
struct Limiter<K> {
    allowance: Duration,
    price: Duration,
    /// When all attempts of a key will have been paid for.
    paid: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Limiter<K> {
    fn new(attempts_max: u32, price: Duration) -> Self {
        Self { allowance: price * (attempts_max - 1), price, paid: HashMap::new() }
    }

    /// How long until one more attempt is allowed; none when it is now.
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
    fn a_name_can_be_tried_a_few_times_and_then_slowly() {
        let (mut attempts, now) = (Attempts::default(), some_moment());
        for from in 0..ATTEMPTS_OF_NAME_MAX {
            let from = address(u8::try_from(from).unwrap());
            assert_eq!(attempts.begin("ana", from, now), Ok(()));
        }
        let told = attempts.begin("ana", address(99), now).unwrap_err();
        assert_eq!(told, ATTEMPT_OF_NAME_TIME);
        assert_eq!(attempts.begin("bea", address(99), now), Ok(()), "others may");
        let almost = now + told - Duration::from_millis(1);
        assert_eq!(attempts.begin("ana", address(99), almost), Err(Duration::from_millis(1)));
        assert_eq!(attempts.begin("ana", address(99), now + told), Ok(()));
        assert!(attempts.begin("ana", address(99), now + told).is_err());
        attempts.succeeded("ana");
        assert_eq!(attempts.begin("ana", address(99), now + told), Ok(()));
    }

    #[test]
    fn an_address_can_try_names_a_few_times_and_then_slowly() {
        let (mut attempts, now) = (Attempts::default(), some_moment());
        for of in 0..ATTEMPTS_OF_ADDRESS_MAX {
            assert_eq!(attempts.begin(&format!("name{of}"), address(1), now), Ok(()));
        }
        assert_eq!(attempts.begin("ana", address(1), now), Err(ATTEMPT_OF_ADDRESS_TIME));
        assert_eq!(attempts.begin("ana", address(2), now), Ok(()));
    }

    #[test]
    fn however_many_names_are_tried_memory_is_bounded() {
        let mut limiter = Limiter::new(5, Duration::from_secs(30));
        let now = some_moment();
        for key in 0..ATTEMPTS_REMEMBERED_MAX {
            assert_eq!(limiter.wait(&key, now), None);
            limiter.count(key, now);
        }
        let told = limiter.wait(&usize::MAX, now).unwrap();
        assert_eq!(told, Duration::from_secs(30));
        assert_eq!(limiter.wait(&0, now), None, "who is remembered goes on");
        assert_eq!(limiter.wait(&usize::MAX, now + told), None);
        assert!(limiter.paid.is_empty(), "who has paid is forgotten");
    }
}
