//! A simulated network: connections as pairs of byte pipes.
//!
//! Behavior:
//! - bytes arrive in order and unchanged, or not at all;
//! - data is split anywhere and delayed;
//! - a cut loses the data in transit from some point on, and each side notices it at its own time;
//! - a side that has not noticed may keep sending, and data it sent before the cut may arrive after
//!   the other side has opened a new connection.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;

use crate::faults::Faults;
use crate::limits::{DELAY_TIME, HALF_OPEN_TIME, SLOW_BYTES, STALE_TIME};

/// The id of a connection, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link(pub(crate) u64);

/// One side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Agency,
    Central,
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Bytes(usize),
    /// No data is available now.
    Nothing,
    /// The other side has closed the connection; no more data will come.
    Ended,
    /// The connection is lost.
    Broken,
}

/// The state of the network; see the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Network {
    links: BTreeMap<Link, Wires>,
    next: u64,
    /// Connections that have not reached the central yet, and when they will.
    arriving: Vec<(u64, Link)>,
    /// The newest connection accepted by the central.
    newest: Option<Link>,
}

#[derive(Debug)]
struct Wires {
    agency: u32,
    /// Maximum number of bytes per read.
    speed: usize,
    to_agency: Pipe,
    to_central: Pipe,
}

/// One direction of a connection, with what its reader knows of the connection.
#[derive(Debug, Default)]
struct Pipe {
    on_their_way: VecDeque<(u64, Vec<u8>)>,
    arrived: VecDeque<u8>,
    /// Whether the sender has closed: nothing follows the data in transit.
    closed: bool,
    /// The reader gets an error from this tick on.
    broken_from: Option<u64>,
    /// Whether the reader has closed.
    left: bool,
}

impl Network {
    /// Connects an agency to the central, which may be down.
    pub(crate) fn connect(
        &mut self,
        rng: &mut Rng,
        now: u64,
        (agency, up): (u32, bool),
        faults: &mut Faults,
    ) -> Link {
        let link = Link(self.next);
        self.next += 1;
        let (to_agency, to_central) = (Pipe::default(), Pipe::default());
        let slow = rng.u8(..12) == 0;
        faults.slow_connections += u64::from(slow);
        let speed = if slow { rng.usize(SLOW_BYTES) } else { usize::MAX };
        self.links.insert(link, Wires { agency, speed, to_agency, to_central });
        if up {
            self.arriving.push((now + rng.u64(DELAY_TIME), link));
        } else {
            self.lose(rng, now, link, &mut Faults::default());
            self.close(link, End::Central);
        }
        link
    }

    /// Returns the connections that reach the central now.
    pub(crate) fn accept(&mut self, now: u64, faults: &mut Faults) -> Vec<Link> {
        let (seen, arriving) = self.arriving.iter().partition(|(at, _)| *at <= now);
        self.arriving = arriving;
        let seen: Vec<(u64, Link)> = seen;
        for (_, link) in &seen {
            faults.overtakings += u64::from(self.newest.is_some_and(|newest| *link < newest));
            self.newest = self.newest.max(Some(*link));
        }
        seen.into_iter().map(|(_, link)| link).collect()
    }

    /// Sends bytes, split into pieces.
    pub(crate) fn send(
        &mut self,
        rng: &mut Rng,
        now: u64,
        (link, from): (Link, End),
        mut bytes: &[u8],
        faults: &mut Faults,
    ) {
        let Some(pipe) = self.pipe_from(link, from) else { return };
        if pipe.broken_from.is_some() || pipe.left {
            return;
        }
        let mut pieces = 0;
        while !bytes.is_empty() {
            let whole = rng.u8(..4) > 0;
            let len = if whole { bytes.len() } else { rng.usize(1..=bytes.len()) };
            let (piece, rest) = bytes.split_at(len);
            let delay = if rng.bool() { 1 } else { rng.u64(DELAY_TIME) };
            faults.delays += u64::from(delay > 1);
            let before = pipe.on_their_way.back().map_or(0, |(at, _)| *at);
            pipe.on_their_way.push_back((before.max(now + delay), piece.to_vec()));
            pieces += 1;
            bytes = rest;
        }
        faults.splits += u64::from(pieces > 1);
    }

    /// Reads what has arrived, perhaps not all of it.
    pub(crate) fn read(
        &mut self,
        rng: &mut Rng,
        now: u64,
        (link, by): (Link, End),
        space: &mut [u8],
    ) -> Read {
        let speed = self.links.get(&link).map_or(0, |wires| wires.speed);
        let Some(pipe) = self.pipe_to(link, by) else { return Read::Broken };
        while pipe.on_their_way.front().is_some_and(|(at, _)| *at <= now) {
            let (_, bytes) = pipe.on_their_way.pop_front().expect("there is a first piece");
            pipe.arrived.extend(bytes);
        }
        if pipe.broken_from.is_some_and(|from| from <= now) {
            return Read::Broken;
        }
        if pipe.arrived.is_empty() {
            let ended = pipe.closed && pipe.on_their_way.is_empty();
            return if ended { Read::Ended } else { Read::Nothing };
        }
        let most = pipe.arrived.len().min(space.len()).min(speed);
        let len = if rng.u8(..4) > 0 { most } else { rng.usize(1..=most) };
        for (to, byte) in space.iter_mut().zip(pipe.arrived.drain(..len)) {
            *to = byte;
        }
        Read::Bytes(len)
    }

    /// Closes one side in order: the data it sent still arrives.
    pub(crate) fn close(&mut self, link: Link, by: End) {
        if let Some(pipe) = self.pipe_from(link, by) {
            pipe.closed = true;
        }
        if let Some(pipe) = self.pipe_to(link, by) {
            pipe.left = true;
        }
        if self.links.get(&link).is_some_and(|w| w.to_agency.left && w.to_central.left) {
            self.links.remove(&link);
        }
    }

    /// Cuts each connection with probability 1/`rate`.
    pub(crate) fn cut_some(&mut self, rng: &mut Rng, now: u64, rate: u64, faults: &mut Faults) {
        let links: Vec<Link> = self.links.keys().copied().collect();
        for link in links {
            if rng.u64(..rate) == 0 && !self.links[&link].is_lost() {
                self.lose(rng, now, link, faults);
                faults.cuts += 1;
            }
        }
    }

    /// Loses all connections, because the central is gone.
    pub(crate) fn lose_all(&mut self, rng: &mut Rng, now: u64, faults: &mut Faults) {
        let links: Vec<Link> = self.links.keys().copied().collect();
        for link in links {
            self.lose(rng, now, link, faults);
            self.close(link, End::Central);
        }
        self.arriving.clear();
    }

    /// Loses all connections of an agency, because it is gone.
    pub(crate) fn lose_agency(
        &mut self,
        rng: &mut Rng,
        now: u64,
        agency: u32,
        faults: &mut Faults,
    ) {
        let of = |wires: &Wires| wires.agency == agency && !wires.to_agency.left;
        let links = self.links.iter().filter(|(_, wires)| of(wires));
        let links: Vec<Link> = links.map(|(link, _)| *link).collect();
        for link in links {
            self.lose(rng, now, link, faults);
            self.close(link, End::Agency);
        }
    }

    fn lose(&mut self, rng: &mut Rng, now: u64, link: Link, faults: &mut Faults) {
        let Some(wires) = self.links.get_mut(&link) else { return };
        let mut lost = false;
        let mut told = Vec::new();
        let pipes = [(&mut wires.to_agency, DELAY_TIME), (&mut wires.to_central, STALE_TIME)];
        for (pipe, time) in pipes {
            let kept = rng.usize(0..=pipe.on_their_way.len());
            lost |= kept < pipe.on_their_way.len();
            pipe.on_their_way.truncate(kept);
            let told_at = now + rng.u64(time);
            told.push(told_at);
            pipe.broken_from = Some(pipe.broken_from.map_or(told_at, |at| at.min(told_at)));
        }
        faults.bytes_lost += u64::from(lost);
        faults.half_open += u64::from(told[0].abs_diff(told[1]) > HALF_OPEN_TIME);
    }

    fn pipe_from(&mut self, link: Link, from: End) -> Option<&mut Pipe> {
        self.links.get_mut(&link).map(|wires| match from {
            End::Agency => &mut wires.to_central,
            End::Central => &mut wires.to_agency,
        })
    }

    fn pipe_to(&mut self, link: Link, to: End) -> Option<&mut Pipe> {
        self.links.get_mut(&link).map(|wires| match to {
            End::Agency => &mut wires.to_agency,
            End::Central => &mut wires.to_central,
        })
    }
}

impl Wires {
    fn is_lost(&self) -> bool {
        self.to_agency.broken_from.is_some() || self.to_central.broken_from.is_some()
    }
}
