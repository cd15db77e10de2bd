//! The connections of agencies, for operators and for ending them.
//!
//! Invariants:
//! - a connection is listed from [`Presence::enter`] until its [`PresenceGuard`] is dropped;
//! - a message costs relaxed atomics of its own connection, and no lock unless its agency differs
//!   from the one before. Readers see values as of shortly before;
//! - ending an agency's connections asks them to end in order: each delivers what it owes, and
//!   takes no more requests from then on;
//! - a connection ends when its certificate expires, or when the files read at SIGHUP no longer
//!   admit it. One task sleeps until the earliest expiry;
//! - with a shared store, the connections at other centrals are known as those last told them. One
//!   does not count if its agency has connected elsewhere since: its central died, or tells it soon.
//!
//! Deliberately absent: sockets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engine::Clock;
use lottery::{AgencyId, Timestamp};
use parking_lot::Mutex;
use pki::{CentralConfig, PeerCertificate};
use rustls::pki_types::UnixTime;
use tokio::sync::{Notify, watch};

use super::Draw;
use super::nodes::{Connected, Node, Nodes};
use crate::limits::EXPIRY_LOOK_TIME_MAX;

/// The newest configuration of TLS.
pub type Configs = watch::Receiver<Arc<CentralConfig>>;

/// How the agency of a connection is identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// By its own claim, in plain text.
    Claimed,
    /// By a certificate over TLS: it may speak for this agency only.
    Certified {
        /// The agency in the certificate.
        agency: AgencyId,
        /// The certificate.
        certificate: PeerCertificate,
    },
}

/// A snapshot of the connections of one agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfAgency {
    /// How many there are.
    pub connections: usize,
    /// Whether all of them have a certificate.
    pub certified: bool,
    /// When the last whole message arrived on any of them.
    pub last_message: Timestamp,
    /// The number of the other central that the newest of them is at, if it is not at this one.
    pub elsewhere: Option<u32>,
}

/// A connection, and the number of its central; none without a shared store.
pub type At = (Option<u32>, Connected);

/// See the module's documentation.
pub struct Presence {
    clock: Arc<dyn Clock>,
    connections: Mutex<Connections>,
    /// Second of Unix time of the next expiry of a certificate, or an earlier one; or [`NEVER`].
    next_end: AtomicU64,
    /// Notified when the next expiry became earlier.
    ends_earlier: Notify,
    certificates: OnceLock<Configs>,
    /// The centrals that share the store, once they were seen.
    nodes: Mutex<Option<Arc<Nodes>>>,
}

#[derive(Default)]
struct Connections {
    entered: u64,
    present: BTreeMap<u64, Arc<Live>>,
    /// When agencies that are gone were last heard. Only with a certificate or in a draw of theirs:
    /// anybody can claim to be any agency.
    left: BTreeMap<AgencyId, Timestamp>,
}

/// A connection's entry; removed when dropped.
pub struct PresenceGuard {
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
    /// When that agency last sent a message.
    spoke_at: AtomicU64,
    draw: OnceLock<Arc<Draw>>,
    ended: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// Not the number of an agency: those have 32 bits.
const NO_AGENCY: u64 = u64::MAX;
/// Not a second of Unix time.
const NEVER: u64 = u64::MAX;

impl Presence {
    /// Without connections.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            connections: Mutex::default(),
            next_end: AtomicU64::new(NEVER),
            ends_earlier: Notify::new(),
            certificates: OnceLock::new(),
            nodes: Mutex::default(),
        })
    }

    /// Returns every connection here, by agency (those without one first), then from old to new.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Connected> {
        let present: Vec<_> = self.connections.lock().present.values().map(Arc::clone).collect();
        let mut connected: Vec<_> = present.iter().map(|live| live.now()).collect();
        connected.sort_by_key(|it| (it.agency, it.id));
        connected
    }

    /// Returns every connection at any central.
    #[must_use]
    pub fn everywhere(&self) -> Vec<At> {
        let nodes = self.nodes();
        let this = nodes.as_ref().and_then(|nodes| nodes.this());
        let mut all: Vec<At> = self.snapshot().into_iter().map(|it| (this, it)).collect();
        let Some(nodes) = nodes else { return all };
        let others =
            nodes.others().flat_map(|node| node.connected.iter().map(move |it| (node, it)));
        let newest = newest(&all, others.clone());
        let counts = |(node, one): &(&Node, &Connected)| {
            let newest = one.agency.and_then(|agency| newest.get(&agency));
            newest.is_none_or(|(since, at)| *at == Some(node.id) || *since <= node.heard_at)
        };
        all.extend(others.filter(counts).map(|(node, it)| (Some(node.id), it.clone())));
        all
    }

    /// Returns the agencies that are connected to any central.
    #[must_use]
    pub fn by_agency(&self) -> BTreeMap<AgencyId, OfAgency> {
        let mut agencies: BTreeMap<_, (OfAgency, Timestamp)> = BTreeMap::new();
        let this = self.nodes().and_then(|nodes| nodes.this());
        for (node, one) in self.everywhere() {
            let Some(agency) = one.agency else { continue };
            let elsewhere = node.filter(|_| node != this);
            let last_message = one.last_message;
            let none = OfAgency { connections: 0, certified: true, last_message, elsewhere };
            let (of_agency, newest) = agencies.entry(agency).or_insert((none, one.since));
            of_agency.connections += 1;
            of_agency.certified &= one.certified;
            of_agency.last_message = of_agency.last_message.max(last_message);
            if one.since > *newest {
                (of_agency.elsewhere, *newest) = (elsewhere, one.since);
            }
        }
        agencies.into_iter().map(|(agency, (of_agency, _))| (agency, of_agency)).collect()
    }

    /// Returns when agencies that are gone were last heard.
    pub fn last_seen(&self) -> BTreeMap<AgencyId, Timestamp> {
        self.connections.lock().left.clone()
    }

    /// Returns the number of an agency's connections at any central.
    #[must_use]
    pub fn count(&self, agency: AgencyId) -> usize {
        self.everywhere().iter().filter(|(_, one)| one.agency == Some(agency)).count()
    }

    /// The centrals that share the store, once they were seen.
    #[must_use]
    pub fn nodes(&self) -> Option<Arc<Nodes>> {
        self.nodes.lock().clone()
    }

    /// Notes the centrals that share the store, or why they can't be seen.
    pub fn see(&self, seen: Result<Vec<Node>, String>) {
        let seen_at = self.clock.now();
        let nodes = match seen {
            Ok(all) => {
                self.hear_at_others(&all);
                Nodes { all, seen_at, unseen: None }
            }
            Err(why) => {
                let before = self.nodes().map(Arc::unwrap_or_clone);
                let never = || Nodes { all: Vec::new(), seen_at, unseen: None };
                Nodes { unseen: Some(why), ..before.unwrap_or_else(never) }
            }
        };
        *self.nodes.lock() = Some(Arc::new(nodes));
    }

    /// Remembers when agencies were heard at other centrals.
    fn hear_at_others(&self, nodes: &[Node]) {
        let mut connections = self.connections.lock();
        for one in nodes.iter().flat_map(|node| &node.connected) {
            // As here, a mere claim is not remembered.
            if let Some(agency) = one.agency.filter(|_| one.vouched) {
                connections.leaves(agency, one.last_message);
            }
        }
    }

    /// Ends every connection of an agency here, in order, and returns their number.
    pub fn disconnect(&self, agency: AgencyId) -> usize {
        self.end(|live| live.agency() == Some(agency))
    }

    /// The current configuration of TLS, if it is used.
    pub fn certificates(&self) -> Option<Arc<CentralConfig>> {
        self.certificates.get().map(|configs| Arc::clone(&configs.borrow()))
    }

    /// Ends connections whose certificate expires or is no longer admitted, while polled.
    pub async fn watch_certificates(self: &Arc<Self>, mut configs: Configs) -> Infallible {
        let _ = self.certificates.set(configs.clone());
        loop {
            let expired = tokio::select! {
                () = changed(&mut configs) => false,
                () = self.ends_earlier.notified() => continue,
                () = self.next_ended() => true,
            };
            let config = Arc::clone(&configs.borrow_and_update());
            let presence = Arc::clone(self);
            // Verifying many signatures takes its time.
            let judged = move || {
                if expired { presence.end_expired(&config) } else { presence.end_refused(&config) }
            };
            // It fails only at the runtime's end.
            let _ = tokio::task::spawn_blocking(judged).await;
        }
    }

    /// Returns when the clock is past the next expiry.
    async fn next_ended(&self) {
        let end = self.next_end.load(Ordering::Relaxed);
        if end == NEVER {
            pending::<()>().await;
        }
        // The clock may be set, and the machine may sleep: it is read again now and then.
        while let Some(left) = (end + 1).checked_sub(self.now().as_secs()).filter(|left| *left > 0)
        {
            tokio::time::sleep(Duration::from_secs(left).min(EXPIRY_LOOK_TIME_MAX)).await;
        }
    }

    /// Ends the connections that a new configuration does not admit.
    fn end_refused(&self, config: &CentralConfig) {
        let ended = self.end_unfit(config, |_| true);
        if ended > 0 {
            tracing::warn!(action = "end_revoked", result = "success", connections = ended);
        }
    }

    /// Ends the connections whose certificate expired, and finds the next expiry.
    fn end_expired(&self, config: &CentralConfig) {
        // A connection that enters after this notes its own expiry.
        self.next_end.store(NEVER, Ordering::Relaxed);
        let now = self.now();
        let ended = self.end_unfit(config, |certificate| {
            self.expect_end(certificate, now);
            certificate.has_ended(now)
        });
        if ended > 0 {
            tracing::warn!(action = "end_expired", result = "success", connections = ended);
        }
    }

    /// Ends those of the selected connections that a configuration does not admit now.
    fn end_unfit(
        &self,
        config: &CentralConfig,
        is_asked_for: impl Fn(&PeerCertificate) -> bool,
    ) -> usize {
        let now = self.now();
        self.end(|live| match &live.identity {
            Identity::Certified { certificate, .. } => {
                is_asked_for(certificate)
                    && !live.ended.load(Ordering::Relaxed)
                    && !live.is_admitted(config, now)
            }
            Identity::Claimed => false,
        })
    }

    /// Notes when a certificate expires, and returns whether it is the first to.
    fn expect_end(&self, certificate: &PeerCertificate, now: UnixTime) -> bool {
        let end = certificate.next_end(now).map_or(NEVER, |end| end.as_secs());
        end < self.next_end.fetch_min(end, Ordering::Relaxed)
    }

    fn now(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_millis(self.clock.now().0))
    }

    fn end(&self, is_meant: impl Fn(&Live) -> bool) -> usize {
        let present: Vec<_> = self.connections.lock().present.values().map(Arc::clone).collect();
        present.iter().filter(|live| is_meant(live)).map(|live| live.end()).count()
    }

    /// Adds a connection. `wake` must have it check [`PresenceGuard::is_ended`], and be short.
    pub fn enter(
        self: &Arc<Self>,
        peer: SocketAddr,
        identity: Identity,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> PresenceGuard {
        let since = self.clock.now();
        let agency = match &identity {
            Identity::Claimed => NO_AGENCY,
            Identity::Certified { agency, .. } => agency.0.into(),
        };
        let mut connections = self.connections.lock();
        connections.entered += 1;
        let id = connections.entered;
        let live = Arc::new(Live {
            id,
            peer,
            identity,
            since,
            last_message: AtomicU64::new(since.0),
            agency: AtomicU64::new(agency),
            spoke_at: AtomicU64::new(since.0),
            draw: OnceLock::new(),
            ended: AtomicBool::new(false),
            wake: Box::new(wake),
        });
        connections.present.insert(id, Arc::clone(&live));
        drop(connections);
        if let Identity::Certified { certificate, .. } = &live.identity {
            // A certificate that expired during the handshake is due at once.
            if self.expect_end(certificate, UnixTime::since_unix_epoch(Duration::ZERO)) {
                self.ends_earlier.notify_one();
            }
        }
        PresenceGuard { presence: Arc::clone(self), live }
    }
}

/// Returns when and where each agency made its newest connection.
fn newest<'a>(
    here: &[At],
    others: impl Iterator<Item = (&'a Node, &'a Connected)>,
) -> BTreeMap<AgencyId, (Timestamp, Option<u32>)> {
    let here = here.iter().map(|(node, it)| (*node, it));
    let mut newest = BTreeMap::new();
    for (node, it) in here.chain(others.map(|(node, it)| (Some(node.id), it))) {
        let Some(agency) = it.agency else { continue };
        let known = newest.entry(agency).or_insert((it.since, node));
        if it.since > known.0 {
            *known = (it.since, node);
        }
    }
    newest
}

/// Returns when there is a newer configuration.
async fn changed(configs: &mut Configs) {
    if configs.changed().await.is_err() {
        // No other will come.
        pending::<()>().await;
    }
}

impl PresenceGuard {
    /// How its agency is identified.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.live.identity
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.live.peer
    }

    /// Notes that messages were received.
    pub fn heard(&self) {
        self.live.last_message.store(self.presence.clock.now().0, Ordering::Relaxed);
    }

    /// Notes that one of them was for an agency.
    pub fn spoke_for(&self, agency: AgencyId) {
        let live = &self.live;
        let before = live.agency.swap(agency.0.into(), Ordering::Relaxed);
        let heard = live.last_message.load(Ordering::Relaxed);
        let spoke_at = Timestamp(live.spoke_at.swap(heard, Ordering::Relaxed));
        let before = u32::try_from(before).ok().map(AgencyId);
        if let Some(before) = before.filter(|it| *it != agency && live.vouches_for(*it)) {
            self.presence.connections.lock().leaves(before, spoke_at);
        }
    }

    /// Notes its draw; only the first counts.
    pub fn takes_part_in(&self, draw: &Arc<Draw>) {
        self.live.draw.get_or_init(|| Arc::clone(draw));
    }

    /// Ends it if a configuration does not admit it.
    pub fn judge(&self, config: &CentralConfig) {
        if !self.live.is_admitted(config, self.presence.now()) {
            self.live.end();
        }
    }

    /// Whether it is to end and take no more requests.
    pub fn is_ended(&self) -> bool {
        self.live.ended.load(Ordering::Relaxed)
    }
}

impl Drop for PresenceGuard {
    fn drop(&mut self) {
        let mut connections = self.presence.connections.lock();
        connections.present.remove(&self.live.id);
        let Some(agency) = self.live.known_agency() else { return };
        let heard = Timestamp(self.live.last_message.load(Ordering::Relaxed));
        connections.leaves(agency, heard);
    }
}

impl Connections {
    fn leaves(&mut self, agency: AgencyId, heard: Timestamp) {
        let last = self.left.entry(agency).or_insert(heard);
        *last = heard.max(*last);
    }
}

impl Live {
    fn agency(&self) -> Option<AgencyId> {
        u32::try_from(self.agency.load(Ordering::Relaxed)).ok().map(AgencyId)
    }

    /// Its agency, if that is more than a claim.
    fn known_agency(&self) -> Option<AgencyId> {
        self.agency().filter(|agency| self.vouches_for(*agency))
    }

    /// Whether an agency is more than its claim.
    fn vouches_for(&self, agency: AgencyId) -> bool {
        let certified = matches!(self.identity, Identity::Certified { .. });
        let takes_part = |draw: &Arc<Draw>| draw.terms.agencies.contains(agency);
        certified || self.draw.get().is_some_and(takes_part)
    }

    /// Whether a configuration admits it. Logs why not.
    fn is_admitted(&self, config: &CentralConfig, now: UnixTime) -> bool {
        let Identity::Certified { agency, certificate } = &self.identity else { return true };
        let Err(fault) = config.admits(certificate, now) else { return true };
        tracing::warn!(
            action = "end_connection",
            result = "success",
            ip = %self.peer.ip(),
            agency = agency.0,
            error = %pki::describe(&fault),
        );
        false
    }

    fn now(&self) -> Connected {
        Connected {
            id: self.id,
            peer: self.peer,
            certified: matches!(self.identity, Identity::Certified { .. }),
            agency: self.agency(),
            vouched: self.known_agency().is_some(),
            draw: self.draw.get().map(|draw| draw.terms.name.clone()),
            since: self.since,
            last_message: Timestamp(self.last_message.load(Ordering::Relaxed)),
        }
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        // The wake-up makes the store visible to the connection's task.
        (self.wake)();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::slice::from_ref;
    use std::sync::atomic::AtomicUsize;

    use lottery::DrawName;
    use pki::{Authority, CentralFiles, Subject};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

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

    /// An authority and a central of its own, with what agencies show at its door.
    struct Certified {
        folder: tempfile::TempDir,
        authority: Authority,
    }

    /// A moment, in days from the making of the authority.
    fn day(days: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + days * 86_400))
    }

    impl Certified {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let authority = Authority::create(folder.path(), "test", 100, None, day(0)).unwrap();
            let central = Subject::Central(vec!["localhost".to_owned()]);
            authority.issue(&central, 100, false, day(0)).unwrap();
            Self { folder, authority }
        }

        /// What a new certificate for an agency vouches for.
        fn identity(&self, agency: u32, days: u32) -> Identity {
            self.authority.issue(&Subject::Agency(agency), days, true, day(0)).unwrap();
            let file = self.folder.path().join(format!("agency-{agency}.crt"));
            let (certificate, agency) =
                PeerCertificate::of(&[CertificateDer::from_pem_file(file).unwrap()]).unwrap();
            Identity::Certified { agency: AgencyId(agency), certificate }
        }

        /// The central with a file of authorities.
        fn config(&self, agencies_ca: &Path) -> Arc<CentralConfig> {
            let file = |name| self.folder.path().join(name);
            let files = CentralFiles {
                certificate: file("central.crt"),
                key: file("central.key"),
                agencies_ca: agencies_ca.join("ca.crt"),
                revoked: Some(agencies_ca.join("crl.pem")),
            };
            Arc::new(pki::central_config(&files, None, day(0)).unwrap())
        }
    }

    /// A clock that goes with the runtime's.
    struct Virtual(tokio::time::Instant);

    impl Clock for Virtual {
        fn now(&self) -> Timestamp {
            let since = day(0).as_secs() * 1000;
            Timestamp(since + u64::try_from(self.0.elapsed().as_millis()).unwrap())
        }
    }

    #[test]
    fn connections_are_listed_by_agency_for_as_long_as_they_are_there() {
        let presence = presence();
        let silent = presence.enter(peer(), Identity::Claimed, || {});
        let second = presence.enter(peer(), Certified::new().identity(2, 1), || {});
        let first = presence.enter(peer(), Identity::Claimed, || {});
        first.spoke_for(AgencyId(1));
        first.heard();
        let listed = |presence: &Presence| -> Vec<_> {
            presence.snapshot().into_iter().map(|it| (it.id, it.agency.map(|it| it.0))).collect()
        };
        assert_eq!(listed(&presence), [(1, None), (3, Some(1)), (2, Some(2))]);
        let of_first = &presence.snapshot()[1];
        assert_eq!((of_first.since, of_first.last_message), (Timestamp(2), Timestamp(3)));
        assert!(!of_first.certified);
        drop(second);
        assert_eq!(listed(&presence), [(1, None), (3, Some(1))]);
        drop((silent, first));
        assert_eq!(listed(&presence), []);
    }

    #[test]
    fn an_agency_that_shares_a_connection_is_remembered_when_another_speaks_after_it() {
        let presence = presence();
        let shared = presence.enter(peer(), Identity::Claimed, || {});
        let draw = Draw::for_agencies(3);
        // The clock goes on by one at each look; agency 9 takes no part, and merely claims to be.
        for agency in [1, 1, 2, 9, 3] {
            shared.heard();
            shared.spoke_for(AgencyId(agency));
            shared.takes_part_in(&draw);
        }
        let last_seen = || presence.last_seen().into_iter().map(|(it, at)| (it.0, at.0));
        let heard: Vec<_> = last_seen().collect();
        assert_eq!(heard, [(1, 2), (2, 3)]);
        drop(shared);
        assert_eq!(last_seen().collect::<Vec<_>>(), [(1, 2), (2, 3), (3, 5)]);
    }

    #[test]
    fn an_agency_is_certified_if_all_its_connections_are() {
        let presence = presence();
        let certified = presence.enter(peer(), Certified::new().identity(2, 1), || {});
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
                OfAgency {
                    connections: 2,
                    certified: false,
                    last_message: Timestamp(3),
                    elsewhere: None
                }
            )]
        );
        assert_eq!((presence.count(AgencyId(2)), presence.count(AgencyId(1))), (2, 0));
    }

    /// A central that was heard at a time, with a connection of an agency since another.
    fn node(id: u32, heard_at: u64, agency: u32, since: u64) -> Node {
        let (since, draw) = (Timestamp(since), DrawName::new("sorteo").unwrap());
        Node {
            id,
            name: format!("central-{id}"),
            is_this: id == 1,
            is_away: false,
            started_at: Timestamp(0),
            heard_at: Timestamp(heard_at),
            clock_ahead_ms: 0,
            host: String::new(),
            timeline: 1,
            connections: 1,
            connected: vec![Connected {
                id: 1,
                peer: peer(),
                certified: false,
                agency: Some(AgencyId(agency)),
                vouched: true,
                draw: Some(draw),
                since,
                last_message: since,
            }],
        }
    }

    #[test]
    fn an_agency_is_found_at_the_central_that_it_is_connected_to_last() {
        let presence = presence();
        let this = Node { connected: Vec::new(), ..node(1, 0, 9, 0) };
        let sees = |others: &[Node]| presence.see(Ok([from_ref(&this), others].concat()));
        let listed = || presence.by_agency().into_iter().map(|(it, of)| (it.0, of.connections));
        let at = |agency| presence.by_agency()[&AgencyId(agency)].elsewhere;
        assert_eq!(presence.nodes(), None);
        sees(&[node(2, 1_000, 7, 500), node(3, 1_000, 8, 500)]);
        assert_eq!((listed().collect::<Vec<_>>(), at(7)), (vec![(7, 1), (8, 1)], Some(2)));
        // It moved to another central, and the one before has not told since.
        sees(&[node(2, 1_000, 7, 500), node(3, 2_000, 7, 1_500)]);
        assert_eq!((listed().collect::<Vec<_>>(), at(7)), (vec![(7, 1)], Some(3)));
        // It is still there.
        sees(&[node(2, 2_500, 7, 500), node(3, 2_000, 7, 1_500)]);
        assert_eq!((listed().collect::<Vec<_>>(), at(7)), (vec![(7, 2)], Some(3)));
        // A connection is as good if its central's clock is ahead.
        sees(&[node(2, 1_000, 7, 1_400)]);
        assert_eq!(listed().collect::<Vec<_>>(), [(7, 1)]);
        let away = Node { is_away: true, ..node(2, 1_000, 7, 500) };
        sees(&[away]);
        assert_eq!(listed().count(), 0);
        assert_eq!(presence.last_seen()[&AgencyId(7)], Timestamp(1_500));
        assert_eq!(presence.count(AgencyId(7)), 0);
        let here = presence.enter(peer(), Identity::Claimed, || {});
        here.spoke_for(AgencyId(7));
        sees(&[node(2, 0, 7, 0)]);
        assert_eq!((listed().collect::<Vec<_>>(), at(7)), (vec![(7, 1)], None));
        assert_eq!(presence.everywhere()[0].0, Some(1));
    }

    #[test]
    fn what_was_seen_stays_marked_while_nothing_can_be_seen() {
        let presence = presence();
        presence.see(Err("away".to_owned()));
        let nodes = presence.nodes().unwrap();
        assert_eq!((nodes.all.len(), nodes.unseen.as_deref()), (0, Some("away")));
        presence.see(Ok(vec![node(1, 0, 9, 0), node(2, 1_000, 7, 500)]));
        let seen = presence.nodes().unwrap();
        presence.see(Err("away".to_owned()));
        let nodes = presence.nodes().unwrap();
        assert_eq!((nodes.seen_at, nodes.unseen.as_deref()), (seen.seen_at, Some("away")));
        assert_eq!(nodes.all, seen.all);
        assert_eq!(presence.count(AgencyId(7)), 1, "as it was then");
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
            let presence_guard = presence.enter(peer(), Identity::Claimed, wake);
            presence_guard.spoke_for(AgencyId(agency));
            presence_guard
        };
        let connections = [enter(1), enter(2), enter(1)];
        assert_eq!(presence.disconnect(AgencyId(1)), 2);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        assert_eq!(connections.each_ref().map(PresenceGuard::is_ended), [true, false, true]);
        assert_eq!(presence.disconnect(AgencyId(3)), 0);
    }

    #[test]
    fn connections_that_would_not_be_let_in_any_more_are_ended_and_no_others() {
        let (certified, other) = (Certified::new(), Certified::new());
        let revoked = certified.identity(1, 30);
        certified.authority.revoke_agency(1, day(0)).unwrap();
        let renewed = certified.identity(1, 30);
        let presence = Presence::new(Arc::new(Virtual(tokio::time::Instant::now())));
        let connections = [revoked.clone(), renewed, revoked, Identity::Claimed]
            .map(|identity| presence.enter(peer(), identity, || {}));
        let ended = || connections.each_ref().map(PresenceGuard::is_ended);
        presence.end_refused(&certified.config(certified.folder.path()));
        assert_eq!(ended(), [true, false, true, false]);
        presence.end_refused(&certified.config(other.folder.path()));
        assert_eq!(ended(), [true, true, true, false], "its authority was taken out");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_ended_when_its_certificate_expires_and_not_before() {
        let certified = Certified::new();
        let presence = Presence::new(Arc::new(Virtual(tokio::time::Instant::now())));
        let (sender, configs) = watch::channel(certified.config(certified.folder.path()));
        let watching = Arc::clone(&presence);
        tokio::spawn(async move { watching.watch_certificates(configs).await });
        let (woken, mut wakes) = tokio::sync::mpsc::unbounded_channel();
        let enter = |agency, days| {
            let (woken, watched) = (woken.clone(), Arc::clone(&presence));
            let wake = move || woken.send((agency, watched.now())).unwrap();
            presence.enter(peer(), certified.identity(agency, days), wake)
        };
        let _third = enter(3, 30);
        let _plain = presence.enter(peer(), Identity::Claimed, || {});
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let (_first, _second) = (enter(1, 1), enter(2, 2));
        for (agency, days) in [(1, 1), (2, 2), (3, 30)] {
            let (ended, at) = wakes.recv().await.unwrap();
            assert_eq!(ended, agency);
            let late = at.as_secs() - day(days).as_secs();
            assert!((1..=2).contains(&late), "{late}");
        }
        drop(sender);
        assert_eq!(presence.next_end.load(Ordering::Relaxed), NEVER);
    }
}
