//! Every limit of the central, by name, with its default.
//!
//! Bytes and counts are whole; durations are measured with tokio's clock. The limits of the
//! protocol itself are `wire`'s, those of a bet and a batch are `lottery`'s.

use std::time::Duration;

use thiserror::Error;
use wire::SessionLimits;

/// Winners in parts are added to a connection's outgoing bytes only below this many, so that what
/// they take does not depend on how many winners there are.
pub(crate) const WINNERS_OUTGOING_LOW: usize = 32 * 1024;

/// How much of what an agency still sends is read at a time, to be dropped, once its connection
/// ends.
pub(crate) const DISCARD_LEN: usize = 4 * 1024;

/// What a request is counted for besides the bytes of its bets: in [`Limits::in_flight_bytes_max`],
/// and in a turn.
pub(crate) const REQUEST_OVERHEAD_LEN: usize = 256;

/// The shortest and the longest pause after accepting a connection failed. It doubles in between.
pub(crate) const ACCEPT_RETRY_TIME_MIN: Duration = Duration::from_millis(50);
/// See [`ACCEPT_RETRY_TIME_MIN`].
pub(crate) const ACCEPT_RETRY_TIME_MAX: Duration = Duration::from_secs(1);

/// Bytes of requests that a connection's task handles before others have their turn: a batch of the
/// field's longest, or some small ones. That takes less than a tenth of a millisecond.
pub(crate) const TURN_LEN_MAX: usize = 8 * 1024;

/// What the system keeps of one connection, each way, besides what this process does: a default
/// window of the longest messages. More would only be memory, and work done in advance for agencies
/// that do not read. Linux takes twice as much, for its own use.
pub(crate) const SOCKET_LEN_MAX: usize = 128 * 1024;

/// Bytes that are deciphered at a time, when TLS is spoken: no more than TLS keeps by itself.
pub(crate) const TLS_READ_LEN_MAX: usize = 16 * 1024;

/// Bytes that are enciphered ahead of what the socket takes: a record of TLS.
pub(crate) const TLS_WRITE_LEN_MAX: usize = 16 * 1024;

/// Bytes read, to be dropped, of a connection whose TLS or certificate is refused: what an agency
/// sends before it reads that it is.
pub(crate) const TLS_REFUSED_LEN_MAX: usize = 128 * 1024;

/// While connections with certificates are there, the clock is looked at so often for the next one
/// that expires: it may be set, and the machine may have slept.
pub(crate) const EXPIRY_LOOK_TIME_MAX: Duration = Duration::from_secs(60);

/// Connections that the system may have ready to be accepted. Beyond it, it answers nobody, who
/// then ask again after a second, and later each time: in a flood, agencies would hardly come in.
pub const ACCEPT_QUEUE_MAX: u32 = 1024;

/// Connections over a limit that linger at once, so that the network delivers the reason; others
/// are closed at once, and may lose it. Each takes a descriptor besides `connections_max`, for
/// [`Limits::linger_time_max`] at most.
pub const TURNED_AWAY_MAX: usize = 64;
/// How many of them may be from one address: a flood leaves the others a chance.
pub(crate) const TURNED_AWAY_PER_ADDRESS_MAX: usize = 8;

/// The refusals of connections over the limit, and of logging in too often, are logged at most once
/// in this time.
pub(crate) const PACED_LOG_TIME_MIN: Duration = Duration::from_secs(1);

/// Lines that one connection of an agency may log of what was refused on it, and as many of what
/// was repeated. The others are counted.
pub(crate) const CONNECTION_LOG_LINES_MAX: u64 = 16;

/// Agencies that named no draw and whose draw a connection remembers.
pub(crate) const DRAWS_FOUND_MAX: usize = 64;
/// Bytes of draws' names in one refusal: it fits an ERROR together with what to do.
pub(crate) const DRAW_NAMES_LEN_MAX: usize = 240;

/// Draws that the metrics tell of: the newest.
pub(crate) const METRICS_DRAWS_MAX: usize = 20;
/// How often a board is looked at anew.
pub(crate) const BOARD_LOOK_TIME: Duration = Duration::from_secs(1);
/// How many looks the line of the intake shows.
pub(crate) const BOARD_HISTORY_LEN: usize = 120;
/// Published draws that are on the board, the newest.
pub(crate) const BOARD_OVER_DRAWS_MAX: usize = 20;
/// Draws that a board has a tab of, the newest.
pub(crate) const BOARD_TABS_MAX: usize = 8;
/// Agencies that one page of a board shows.
pub(crate) const BOARD_AGENCIES_MAX: usize = 500;
/// An agency that has begun and is not heard for so long is silent, in milliseconds.
pub(crate) const SILENCE_MS: u64 = 60_000;
/// With less room on its disk somebody should look after the ledger, in bytes.
pub(crate) const DISK_FREE_LEN_LOW: u64 = 2 << 30;
/// Most events that the console's trail shows.
pub(crate) const TRAIL_SHOWN_MAX: usize = 300;
/// Draws, or agencies, that one page of a list of them shows.
pub(crate) const ITEMS_SHOWN_MAX: usize = 200;
/// Agencies with winners that the page of a draw shows; the others have a page.
pub(crate) const DRAW_AGENCIES_MAX: usize = 50;
/// Agencies that one page of winners shows.
pub(crate) const WINNERS_AGENCIES_MAX: usize = 500;
/// Winners of an agency that are shown beside their count.
pub(crate) const WINNERS_FIRST: usize = 8;
/// Winners that one page of an agency shows.
pub(crate) const AGENCY_WINNERS_MAX: usize = 1_000;
/// Most winners that a draw's record lists; of more it tells how many each agency has.
pub(crate) const RECORD_WINNERS_MAX: u64 = 5_000;
/// Most agencies that a draw's record lists.
pub(crate) const RECORD_AGENCIES_MAX: usize = 5_000;
/// Longest head of an HTTP request, in bytes.
pub(crate) const HTTP_HEAD_LEN_MAX: usize = 16 * 1024;
/// Most header fields of an HTTP request.
pub(crate) const HTTP_FIELDS_MAX: usize = 64;
/// Longest body of an HTTP request, in bytes.
pub(crate) const HTTP_BODY_LEN_MAX: usize = 64 * 1024;
/// How long a shutdown waits for who is sent an answer to take it.
pub(crate) const HTTP_TAKING_TIME_MAX: Duration = Duration::from_millis(500);
/// A board that is sent nothing for so long is sent a comment, so that whoever is between knows
/// that it lives.
pub(crate) const BOARD_KEEPALIVE_TIME: Duration = Duration::from_secs(5);
/// Passwords that are hashed at once: each takes a processor for some 20 ms, and 19 MiB.
pub(crate) const HASHINGS_MAX: usize = 1;
/// Requests that read much of the ledger at once; others wait.
pub(crate) const READINGS_MAX: usize = 1;
/// Exports at once, each as slow as who takes it; others are refused.
pub(crate) const EXPORTS_MAX: usize = 2;
/// Bets that one search looks at, before it answers with what it found and where to go on.
pub(crate) const SEARCHED_BETS_MAX: u64 = 2_000_000;
/// What an export is sent in parts of.
pub(crate) const EXPORT_PART_LEN: usize = 64 * 1024;
/// Parts of an export that wait to be sent.
pub(crate) const EXPORT_PARTS_MAX: usize = 16;
/// Bytes of an export that are to be taken in a second, on the whole.
pub(crate) const EXPORT_PACE_MIN: u64 = 100 * 1024;
/// How often it is looked whether who takes an export still may.
pub(crate) const EXPORT_LOOK_TIME: Duration = Duration::from_secs(1);
/// Most items in one page of an answer, and how many there are when nothing was said.
pub(crate) const PAGE_ITEMS_MAX: u32 = 500;
/// See [`PAGE_ITEMS_MAX`].
pub(crate) const PAGE_ITEMS_DEFAULT: u32 = 100;

/// How long after a store without room for it the making of a draw, or an act of the clock, is
/// tried again.
pub(crate) const DRAW_RETRY_TIME: Duration = Duration::from_secs(1);
/// How often the store is asked whether it can go on, whoever else asks it for anything: a folder
/// that is lost is to be noticed within two seconds.
pub(crate) const STORE_CHECK_TIME: Duration = Duration::from_secs(1);
/// The longest that the clock sleeps while a draw is to be opened or closed: it may be set, and the
/// machine may sleep. Bets are refused from the close on all the same.
pub(crate) const CLOCK_SLEEP_TIME_MAX: Duration = Duration::from_secs(1);

/// What a central grants to its agencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message of an agency, in bytes, its header included.
    pub frame_len_max: u32,
    /// Requests of one connection that may be unanswered. Over it the connection is not read.
    pub window: u16,
    /// Connections at once. One more is told `busy` and closed.
    pub connections_max: usize,
    /// Those from one address: IPv4, or the first 64 bits of IPv6. One more is told `busy` too.
    pub connections_per_address_max: usize,
    /// How long an agency may take to agree on TLS, where it is spoken.
    pub handshake_time_max: Duration,
    /// How long an agency may take for a message once it began to send it.
    pub frame_time_max: Duration,
    /// How long an agency may take none of the replies that wait for it.
    pub write_time_max: Duration,
    /// Bytes of batches between their reading and the store's answer, over all connections. Over
    /// it batches wait their turn, unsubmitted.
    pub in_flight_bytes_max: usize,
    /// How long a shutdown waits for commits and for agencies to take their replies.
    pub shutdown_time_max: Duration,
    /// How long a connection that the central ends waits for the agency to close its side, so
    /// that the network does not drop the last reply.
    pub linger_time_max: Duration,
    /// Silence after which the system asks whether the agency's host is still there.
    pub keepalive_idle_time: Duration,
    /// Time between such questions.
    pub keepalive_interval: Duration,
    /// How many of them remain unanswered before the connection is given up.
    pub keepalive_probes: u32,
}

/// What a central grants to its operators and to programs, over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at once: more than requests and boards together, so that one that has neither
    /// can always give way to one more.
    pub connections_max: usize,
    /// Requests under way at once, boards, health and metrics not among them.
    pub requests_max: usize,
    /// Those of one client: an IPv4 address, or the first 64 bits of an IPv6 one.
    pub requests_per_client_max: usize,
    /// Boards that are watched at once.
    pub boards_max: usize,
    /// Those of one client.
    pub boards_per_client_max: usize,
    /// How long a connection may take to send the head of a request, and may be idle.
    pub head_time_max: Duration,
    /// How long a request may take, its body included, until its answer begins.
    pub request_time_max: Duration,
    /// How long what was sent may wait to be taken.
    pub write_time_max: Duration,
    /// How far an export may be behind the least pace at which it is to be taken.
    pub export_wait_max: Duration,
}

impl HttpLimits {
    /// These, with no more connections than so many; requests, boards and clients keep their part
    /// of them.
    #[must_use]
    pub fn with_connections_max(self, connections_max: usize) -> Self {
        let connections_max = connections_max.min(self.connections_max);
        let part = |limit| in_proportion(limit, (connections_max, self.connections_max));
        Self {
            connections_max,
            requests_max: part(self.requests_max),
            requests_per_client_max: part(self.requests_per_client_max),
            boards_max: part(self.boards_max),
            boards_per_client_max: part(self.boards_per_client_max),
            ..self
        }
    }
}

/// What is left of a limit when another shrinks: one at least.
fn in_proportion(limit: usize, (now, before): (usize, usize)) -> usize {
    let left = limit as u128 * now as u128 / before.max(1) as u128;
    usize::try_from(left).unwrap_or(limit).max(1)
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 640,
            requests_max: 256,
            requests_per_client_max: 64,
            boards_max: 256,
            boards_per_client_max: 64,
            head_time_max: Duration::from_secs(15),
            request_time_max: Duration::from_secs(30),
            write_time_max: Duration::from_secs(30),
            export_wait_max: Duration::from_secs(30),
        }
    }
}

/// A limit that the central cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitsError {
    /// One of the protocol's.
    #[error(transparent)]
    Protocol(#[from] wire::limits::LimitsError),
    /// No connection could be taken.
    #[error("at least one connection must be allowed")]
    Connections,
    /// No connection could be taken from anywhere.
    #[error("at least one connection from each address must be allowed")]
    ConnectionsPerAddress,
    /// No batch could be taken.
    #[error("at least one byte of batches must be allowed in flight")]
    InFlightBytes,
    /// No connection with TLS could be taken.
    #[error("an agency must be allowed some time to agree on TLS")]
    HandshakeTime,
    /// No message that arrives in two pieces could be taken.
    #[error("a message must be allowed some time to arrive whole")]
    FrameTime,
    /// No reply that waits for the agency could be sent.
    #[error("an agency must be allowed some time to take its replies")]
    WriteTime,
}

impl Limits {
    /// Whether the central can work with them.
    ///
    /// # Errors
    /// The first limit that it can't work with.
    pub fn check(&self) -> Result<(), LimitsError> {
        self.session().map(drop)
    }

    /// These, with no more connections than so many; one address keeps its part of them.
    #[must_use]
    pub fn with_connections_max(self, connections_max: usize) -> Self {
        let connections_max = connections_max.min(self.connections_max);
        let of_address = in_proportion(
            self.connections_per_address_max,
            (connections_max, self.connections_max),
        );
        Self { connections_max, connections_per_address_max: of_address, ..self }
    }

    /// The limits of one connection's session.
    ///
    /// # Errors
    /// When the central cannot work with one of the limits.
    pub(crate) fn session(&self) -> Result<SessionLimits, LimitsError> {
        if self.connections_max == 0 {
            return Err(LimitsError::Connections);
        }
        if self.connections_per_address_max == 0 {
            return Err(LimitsError::ConnectionsPerAddress);
        }
        if self.in_flight_bytes_max == 0 {
            return Err(LimitsError::InFlightBytes);
        }
        if self.handshake_time_max.is_zero() {
            return Err(LimitsError::HandshakeTime);
        }
        if self.frame_time_max.is_zero() {
            return Err(LimitsError::FrameTime);
        }
        if self.write_time_max.is_zero() {
            return Err(LimitsError::WriteTime);
        }
        Ok(SessionLimits::new(self.frame_len_max, self.window)?)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_len_max: wire::limits::FRAME_LEN_MAX,
            window: wire::limits::WINDOW,
            connections_max: 16_000,
            // A quarter: far more than the agencies behind one router, and one host alone can't
            // take all places.
            connections_per_address_max: 4_000,
            handshake_time_max: Duration::from_secs(10),
            frame_time_max: Duration::from_secs(30),
            write_time_max: Duration::from_secs(30),
            in_flight_bytes_max: 64 * 1024 * 1024,
            // Well within the 10 s after which others kill what they asked to end, with what
            // comes after it: the runtime's end, and the store's.
            shutdown_time_max: Duration::from_secs(4),
            linger_time_max: Duration::from_secs(2),
            keepalive_idle_time: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(10),
            keepalive_probes: 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_worked_with() {
        let session = Limits::default().session().unwrap();
        assert_eq!((session.frame_len_max(), session.window()), (8192, 16));
    }

    #[test]
    fn with_fewer_connections_each_has_the_same_part_of_them() {
        let limits = Limits::default().with_connections_max(800);
        assert_eq!((limits.connections_max, limits.connections_per_address_max), (800, 200));
        assert_eq!(limits.clone().with_connections_max(900), limits);
        let http = HttpLimits::default().with_connections_max(64);
        assert_eq!((http.connections_max, http.requests_max, http.boards_max), (64, 25, 25));
        let least = HttpLimits::default().with_connections_max(4);
        assert!(least.connections_max > least.requests_max + least.boards_max);
    }

    #[test]
    fn limits_that_would_serve_nobody_are_refused() {
        let refused = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.session().unwrap_err().to_string()
        };
        assert!(refused(|limits| limits.connections_max = 0).contains("connection"));
        assert!(refused(|limits| limits.connections_per_address_max = 0).contains("address"));
        assert!(refused(|limits| limits.in_flight_bytes_max = 0).contains("in flight"));
        assert!(refused(|limits| limits.handshake_time_max = Duration::ZERO).contains("TLS"));
        assert!(refused(|limits| limits.frame_time_max = Duration::ZERO).contains("message"));
        assert!(refused(|limits| limits.write_time_max = Duration::ZERO).contains("replies"));
        assert!(refused(|limits| limits.window = 0).contains("window"));
        assert!(refused(|limits| limits.frame_len_max = 10).contains("bytes"));
    }
}
