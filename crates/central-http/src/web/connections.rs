//! Limits the number of connections. When the limit is reached, a connection that waits for a
//! request gives way to the new one: the longest-waiting one of the address that has the most of
//! them. So a client that keeps idle connections open, or sends half of a request's head, shuts
//! nobody else out.
//!
//! Invariant: each connection holds a permit from its start to its end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use central::counted_as;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// All current connections.
pub(crate) struct Connections {
    free: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

/// One connection; dropping it frees its place.
pub(crate) struct Connection {
    all: Arc<Connections>,
    address: IpAddr,
    /// The key of this connection among the waiting ones of its address. Written only while
    /// `waiting` is locked.
    number: AtomicU64,
    gives_way: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// Connections that wait for a request.
#[derive(Default)]
struct Waiting {
    last_number: u64,
    /// By address, in the order in which they began to wait; an address without any has no entry.
    by_address: BTreeMap<IpAddr, BTreeMap<u64, CancellationToken>>,
}

impl Connections {
    pub(crate) fn new(connections_max: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { free, waiting: Mutex::default() })
    }

    /// Adds a connection, which waits for its first request. Returns `None` if there is no room and
    /// all others have a request under way.
    pub(crate) async fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Connection> {
        let free = Arc::clone(&self.free);
        let permit = match free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.waiting.lock().take_longest()?.cancel();
                free.acquire_owned().await.expect("the semaphore is never closed")
            }
        };
        let connection = Connection {
            all: Arc::clone(self),
            address: counted_as(peer),
            number: AtomicU64::new(0),
            gives_way: CancellationToken::new(),
            _permit: permit,
        };
        connection.waits();
        Some(connection)
    }
}

impl Connection {
    /// Marks the connection as waiting for a request, so that it may have to give way.
    pub(crate) fn waits(&self) {
        let mut waiting = self.all.waiting.lock();
        waiting.last_number += 1;
        let number = waiting.last_number;
        self.number.store(number, Ordering::Relaxed);
        let of_address = waiting.by_address.entry(self.address).or_default();
        of_address.insert(number, self.gives_way.clone());
    }

    /// Marks the connection as having a request, so that it is not asked to give way.
    pub(crate) fn is_asked(&self) {
        self.all.waiting.lock().take(self.address, self.number.load(Ordering::Relaxed));
    }

    /// Returns the token that ends the connection when it is cancelled.
    pub(crate) fn ending(&self) -> CancellationToken {
        self.gives_way.clone()
    }

    /// Waits until the connection has to give way to another, or is ended.
    pub(crate) async fn must_give_way(&self) {
        self.gives_way.cancelled().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.is_asked();
    }
}

impl Waiting {
    fn take(&mut self, address: IpAddr, number: u64) -> Option<CancellationToken> {
        let of_address = self.by_address.get_mut(&address)?;
        let taken = of_address.remove(&number);
        if of_address.is_empty() {
            self.by_address.remove(&address);
        }
        taken
    }

    fn take_longest(&mut self) -> Option<CancellationToken> {
        let most = self.by_address.iter().max_by_key(|(_, of_address)| of_address.len())?;
        let (address, number) = (*most.0, *most.1.first_key_value()?.0);
        self.take(address, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[tokio::test]
    async fn the_longest_waiting_connection_of_the_busiest_address_gives_way() {
        let all = Connections::new(4);
        let first = all.enter(OTHER).await.unwrap();
        let mut of_one = Vec::new();
        for _ in 0..3 {
            of_one.push(all.enter(ONE).await.unwrap());
        }
        // It starts waiting again, so the second has waited longest.
        of_one[0].is_asked();
        of_one[0].waits();
        let coming = tokio::spawn({
            let all = Arc::clone(&all);
            async move { all.enter(OTHER).await }
        });
        of_one[1].must_give_way().await;
        assert!(!coming.is_finished(), "it has its place until it has ended");
        drop(of_one.remove(1));
        assert!(coming.await.unwrap().is_some());
        assert!(!first.gives_way.is_cancelled() && !of_one[0].gives_way.is_cancelled());
    }

    #[tokio::test]
    async fn connections_with_a_request_do_not_give_way() {
        let all = Connections::new(2);
        let [one, other] = [all.enter(ONE).await.unwrap(), all.enter(ONE).await.unwrap()];
        one.is_asked();
        other.is_asked();
        assert!(all.enter(OTHER).await.is_none());
        drop(one);
        assert!(all.enter(OTHER).await.is_some());
        drop(other);
        assert!(all.waiting.lock().by_address.is_empty(), "who has ended is forgotten");
    }
}
