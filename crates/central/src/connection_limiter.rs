//! Limits connections, in total and for each address.
//!
//! An address is an IPv4 address, or the first 64 bits of an IPv6 one: a host with IPv6 has at least
//! that many addresses.
//!
//! Invariants:
//! - a permit counts from [`ConnectionLimiter::take`] until it is dropped;
//! - an address is stored only while it has permits.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;

/// Gives permits within two limits.
#[derive(Debug)]
pub struct ConnectionLimiter {
    all_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Never zero. A tree gives memory back as addresses leave it.
    by_address: BTreeMap<IpAddr, usize>,
}

/// A permit for one connection; given back when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    address: IpAddr,
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConnectionLimit {
    /// All connections.
    #[error("too many connections")]
    Total,
    /// Connections of one address.
    #[error("too many connections from one address")]
    PerAddress,
}

impl ConnectionLimiter {
    /// With these limits.
    #[must_use]
    pub fn new(all_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self { all_max, per_address_max, taken: Mutex::default() })
    }

    /// Takes a permit for a connection from `peer`.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionPermit, ConnectionLimit> {
        let address = counted_as(peer);
        let mut taken = self.taken.lock();
        if taken.all >= self.all_max {
            return Err(ConnectionLimit::Total);
        }
        if taken.by_address.get(&address).copied().unwrap_or(0) >= self.per_address_max {
            return Err(ConnectionLimit::PerAddress);
        }
        taken.all += 1;
        *taken.by_address.entry(address).or_insert(0) += 1;
        Ok(ConnectionPermit { limiter: Arc::clone(self), address })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.limiter.taken.lock();
        taken.all -= 1;
        let of_address = taken.by_address.get_mut(&self.address).expect("it has this permit");
        *of_address -= 1;
        if *of_address == 0 {
            taken.by_address.remove(&self.address);
        }
    }
}

/// The address that a peer counts as.
pub fn counted_as(peer: IpAddr) -> IpAddr {
    // IPv4 through an IPv6 socket counts as IPv4, or all of it would be one address.
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::bool::weighted;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Whether two addresses share a limit.
    fn count_as_one(first: &str, second: &str) -> bool {
        let limiter = ConnectionLimiter::new(2, 1);
        let _first = limiter.take(address(first)).unwrap();
        limiter.take(address(second)).is_err()
    }

    #[test]
    fn an_ipv4_address_counts_for_itself_and_ipv6_by_its_first_64_bits() {
        assert!(count_as_one("10.0.0.1", "10.0.0.1"));
        assert!(!count_as_one("10.0.0.1", "10.0.0.2"));
        assert!(count_as_one("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(!count_as_one("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(count_as_one("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!count_as_one("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    }

    #[test]
    fn the_limit_that_leaves_no_room_is_named() {
        let limiter = ConnectionLimiter::new(3, 2);
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        let held = [limiter.take(one).unwrap(), limiter.take(one).unwrap()];
        assert_eq!(limiter.take(one).unwrap_err(), ConnectionLimit::PerAddress);
        let _third = limiter.take(other).unwrap();
        assert_eq!(limiter.take(other).unwrap_err(), ConnectionLimit::Total);
        drop(held);
        assert!(limiter.take(other).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_the_counts_are_those_of_the_places_held(
            steps in vec((weighted(0.4), 0..9_u8, any::<Index>()), 0..400),
        ) {
            let limiter = ConnectionLimiter::new(40, 7);
            let mut held: Vec<(IpAddr, ConnectionPermit)> = Vec::new();
            for (goes, from, which) in steps {
                if goes && !held.is_empty() {
                    held.swap_remove(which.index(held.len()));
                } else {
                    let peer = IpAddr::from([10, 0, 0, from]);
                    let of_peer = held.iter().filter(|(of, _)| *of == peer).count();
                    match limiter.take(peer) {
                        Ok(permit) => {
                            prop_assert!(held.len() < 40 && of_peer < 7);
                            held.push((peer, permit));
                        }
                        Err(ConnectionLimit::Total) => prop_assert_eq!(held.len(), 40),
                        Err(ConnectionLimit::PerAddress) => prop_assert_eq!(of_peer, 7),
                    }
                }
                let mut expected = BTreeMap::new();
                held.iter().for_each(|(peer, _)| *expected.entry(*peer).or_insert(0) += 1);
                let taken = limiter.taken.lock();
                prop_assert_eq!((taken.all, &taken.by_address), (held.len(), &expected));
            }
            held.clear();
            prop_assert!(limiter.taken.lock().by_address.is_empty());
        }
    }
}
