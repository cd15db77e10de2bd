//! Who is connected now, and since when: for those who watch over the central.
//!
//! Invariants:
//! - a connection is listed from [`Presence::enter`] until its [`Attendance`] is dropped;
//! - what a connection does is noted by relaxed atomics of its own: no lock is taken for a message,
//!   and whoever looks sees each value as it was shortly before;
//! - ending an agency's connections asks them to end in order: each delivers what it owes, and
//!   takes no more requests from then on.
//!
//! Deliberately absent: sockets. How a connection is woken is given by who enters it.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use lottery::{AgencyId, DrawName, Timestamp};
use pki::CertificateId;

use super::Draw;
use crate::clock::Clock;

/// What vouches for the agency that a connection speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nothing but its own word: a connection in plain text.
    Claimed,
    /// A certificate, shown over TLS: it may speak for this agency and no other.
    Certified {
        /// The agency that it names.
        agency: AgencyId,
        /// Which certificate.
        certificate: CertificateId,
    },
}

/// A connection, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its number in this run of the central; a later connection has a greater one.
    pub id: u64,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Who vouches for it.
    pub identity: Identity,
    /// The agency that it spoke for last, or that its certificate names.
    pub agency: Option<AgencyId>,
    /// The draw that it spoke of, once it did.
    pub draw: Option<DrawName>,
    /// When it was made.
    pub since: Timestamp,
    /// When something whole was last received; its beginning before that.
    pub last_message: Timestamp,
}

/// The connections of one agency, as they were when they were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfAgency {
    /// How many there are.
    pub connections: usize,
    /// Whether a certificate vouches for all of them.
    pub certified: bool,
    /// When something whole was last received on one of them.
    pub last_message: Timestamp,
}

/// The connections that there are.
pub struct Presence {
    clock: Arc<dyn Clock>,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    entered: u64,
    present: BTreeMap<u64, Arc<Live>>,
}

/// A connection's entry; it leaves when this is dropped.
pub(crate) struct Attendance {
    presence: Arc<Presence>,
    live: Arc<Live>,
}

struct Live {
    id: u64,
    peer: SocketAddr,
    identity: Identity,
    since: Timestamp,
    last_message: AtomicU64,
    /// [`NO_AGENCY`] until it is known.
    agency: AtomicU64,
    draw: OnceLock<Arc<Draw>>,
    ended: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// No number of an agency: those have 32 bits.
const NO_AGENCY: u64 = u64::MAX;

impl Presence {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, connections: Mutex::default() })
    }

    /// Every connection, by agency (those that named none yet first), then from old to new.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Connected> {
        let present: Vec<_> = self.connections().present.values().map(Arc::clone).collect();
        let mut connected: Vec<_> = present.iter().map(|live| live.now()).collect();
        connected.sort_by_key(|it| (it.agency, it.id));
        connected
    }

    /// The agencies that are connected.
    #[must_use]
    pub fn by_agency(&self) -> BTreeMap<AgencyId, OfAgency> {
        let mut agencies = BTreeMap::new();
        for one in self.snapshot() {
            let Some(agency) = one.agency else { continue };
            let none = OfAgency { connections: 0, certified: true, last_message: one.last_message };
            let of_agency = agencies.entry(agency).or_insert(none);
            of_agency.connections += 1;
            of_agency.certified &= matches!(one.identity, Identity::Certified { .. });
            of_agency.last_message = of_agency.last_message.max(one.last_message);
        }
        agencies
    }

    /// How many connections an agency has.
    #[must_use]
    pub fn count(&self, agency: AgencyId) -> usize {
        let connections = self.connections();
        connections.present.values().filter(|live| live.agency() == Some(agency)).count()
    }

    /// Ends every connection of an agency, in order, and says how many there were.
    pub fn disconnect(&self, agency: AgencyId) -> usize {
        self.end(|live| live.agency() == Some(agency))
    }

    /// Ends every connection that is there by one of these certificates, in order, and says how
    /// many there were.
    pub(crate) fn disconnect_certified_by(&self, revoked: &HashSet<CertificateId>) -> usize {
        self.end(|live| match &live.identity {
            Identity::Certified { certificate, .. } => revoked.contains(certificate),
            Identity::Claimed => false,
        })
    }

    fn end(&self, is_meant: impl Fn(&Live) -> bool) -> usize {
        let present: Vec<_> = self.connections().present.values().map(Arc::clone).collect();
        present.iter().filter(|live| is_meant(live)).map(|live| live.end()).count()
    }

    /// Lists a connection. `wake` has it look at [`Attendance::is_ended`]; it must be short.
    pub(crate) fn enter(
        self: &Arc<Self>,
        peer: SocketAddr,
        identity: Identity,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Attendance {
        let since = self.clock.now();
        let agency = match &identity {
            Identity::Claimed => NO_AGENCY,
            Identity::Certified { agency, .. } => agency.0.into(),
        };
        let mut connections = self.connections();
        connections.entered += 1;
        let id = connections.entered;
        let live = Arc::new(Live {
            id,
            peer,
            identity,
            since,
            last_message: AtomicU64::new(since.0),
            agency: AtomicU64::new(agency),
            draw: OnceLock::new(),
            ended: AtomicBool::new(false),
            wake: Box::new(wake),
        });
        connections.present.insert(id, Arc::clone(&live));
        Attendance { presence: Arc::clone(self), live }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        // Nothing can panic between the first and the last change.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attendance {
    pub(crate) fn identity(&self) -> &Identity {
        &self.live.identity
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.live.peer
    }

    /// Messages were received.
    pub(crate) fn heard(&self) {
        self.live.last_message.store(self.presence.clock.now().0, Ordering::Relaxed);
    }

    /// One of them was for this agency.
    pub(crate) fn spoke_for(&self, agency: AgencyId) {
        self.live.agency.store(agency.0.into(), Ordering::Relaxed);
    }

    /// It takes part in this draw. It stays with the first that it is told.
    pub(crate) fn takes_part_in(&self, draw: &Arc<Draw>) {
        self.live.draw.get_or_init(|| Arc::clone(draw));
    }

    /// Whether it is to end, and take no more requests.
    pub(crate) fn is_ended(&self) -> bool {
        self.live.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.presence.connections().present.remove(&self.live.id);
    }
}

impl Live {
    fn agency(&self) -> Option<AgencyId> {
        u32::try_from(self.agency.load(Ordering::Relaxed)).ok().map(AgencyId)
    }

    fn now(&self) -> Connected {
        Connected {
            id: self.id,
            peer: self.peer,
            identity: self.identity.clone(),
            agency: self.agency(),
            draw: self.draw.get().map(|draw| draw.terms.name.clone()),
            since: self.since,
            last_message: Timestamp(self.last_message.load(Ordering::Relaxed)),
        }
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        // What wakes makes the store visible to the one woken.
        (self.wake)();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use pki::{Authority, Subject};
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, UnixTime};

    use super::*;

    /// Every look at it is a millisecond later.
    #[derive(Default)]
    struct Counting(AtomicU64);

    impl Clock for Counting {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    fn presence() -> Arc<Presence> {
        Presence::new(Arc::new(Counting::default()))
    }

    fn peer() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 4000))
    }

    /// What a new certificate for an agency vouches for, and which one it is.
    fn certified(agency: u32) -> (Identity, CertificateId) {
        let folder = tempfile::tempdir().unwrap();
        let now = UnixTime::now();
        let authority = Authority::create(folder.path(), "test", 1, None, now).unwrap();
        authority.issue(&Subject::Agency(agency), 1, false, now).unwrap();
        let file = folder.path().join(format!("agency-{agency}.crt"));
        let certificate = CertificateDer::from_pem_file(file).unwrap();
        let certificate = CertificateId::of(&certificate).unwrap();
        let agency = AgencyId(agency);
        (Identity::Certified { agency, certificate: certificate.clone() }, certificate)
    }

    #[test]
    fn connections_are_listed_by_agency_for_as_long_as_they_are_there() {
        let presence = presence();
        let silent = presence.enter(peer(), Identity::Claimed, || {});
        let second = presence.enter(peer(), certified(2).0, || {});
        let first = presence.enter(peer(), Identity::Claimed, || {});
        first.spoke_for(AgencyId(1));
        first.heard();
        let listed = |presence: &Presence| -> Vec<_> {
            presence.snapshot().into_iter().map(|it| (it.id, it.agency.map(|it| it.0))).collect()
        };
        assert_eq!(listed(&presence), [(1, None), (3, Some(1)), (2, Some(2))]);
        let of_first = &presence.snapshot()[1];
        assert_eq!((of_first.since, of_first.last_message), (Timestamp(2), Timestamp(3)));
        assert_eq!(of_first.identity, Identity::Claimed);
        drop(second);
        assert_eq!(listed(&presence), [(1, None), (3, Some(1))]);
        drop((silent, first));
        assert_eq!(listed(&presence), []);
    }

    #[test]
    fn an_agency_is_certified_if_all_its_connections_are() {
        let presence = presence();
        let certified = presence.enter(peer(), certified(2).0, || {});
        let _silent = presence.enter(peer(), Identity::Claimed, || {});
        let of_second = || presence.by_agency()[&AgencyId(2)];
        assert_eq!((of_second().connections, of_second().certified), (1, true));
        let claimed = presence.enter(peer(), Identity::Claimed, || {});
        claimed.spoke_for(AgencyId(2));
        certified.heard();
        assert_eq!(
            presence.by_agency().into_iter().collect::<Vec<_>>(),
            [(
                AgencyId(2),
                OfAgency { connections: 2, certified: false, last_message: Timestamp(3) }
            )]
        );
        assert_eq!((presence.count(AgencyId(2)), presence.count(AgencyId(1))), (2, 0));
    }

    #[test]
    fn all_connections_of_an_agency_are_ended_and_no_others() {
        let presence = presence();
        let woken = Arc::new(AtomicUsize::new(0));
        let enter = |agency| {
            let woken = Arc::clone(&woken);
            let wake = move || {
                woken.fetch_add(1, Ordering::Relaxed);
            };
            let attendance = presence.enter(peer(), Identity::Claimed, wake);
            attendance.spoke_for(AgencyId(agency));
            attendance
        };
        let connections = [enter(1), enter(2), enter(1)];
        assert_eq!(presence.disconnect(AgencyId(1)), 2);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        assert_eq!(connections.each_ref().map(Attendance::is_ended), [true, false, true]);
        assert_eq!(presence.disconnect(AgencyId(3)), 0);
    }

    #[test]
    fn connections_by_a_revoked_certificate_are_ended_and_no_others() {
        let presence = presence();
        let (identity, revoked) = certified(1);
        let (renewed, _) = certified(1);
        let connections = [identity.clone(), renewed, identity, Identity::Claimed]
            .map(|identity| presence.enter(peer(), identity, || {}));
        assert_eq!(presence.disconnect_certified_by(&HashSet::from([revoked])), 2);
        let ended = connections.each_ref().map(Attendance::is_ended);
        assert_eq!(ended, [true, false, true, false]);
    }
}
