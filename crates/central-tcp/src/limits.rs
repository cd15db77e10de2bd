//! Every limit of the agencies' server, by name, with its default.
//!
//! Bytes and counts are whole; durations are measured with tokio's clock. The limits of the
//! protocol itself are `wire`'s, those of a bet and a batch are `lottery`'s.

use std::time::Duration;

use central::limits::in_proportion;
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
pub(crate) const YIELD_LEN: usize = 8 * 1024;

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

/// Connections that the system may have ready to be accepted. Beyond it, it answers nobody, who
/// then ask again after a second, and later each time: in a flood, agencies would hardly come in.
pub const ACCEPT_QUEUE_MAX: u32 = 1024;

/// Connections over a limit that linger at once, so that the network delivers the reason; others
/// are closed at once, and may lose it. Each takes a descriptor besides `connections_max`, for
/// [`Limits::linger_time_max`] at most.
pub const REJECTED_MAX: usize = 64;

/// How many of them may be from one address: a flood leaves the others a chance.
pub(crate) const REJECTED_PER_ADDRESS_MAX: usize = 8;

/// Lines that one connection of an agency may log of what was refused on it, and as many of what
/// was repeated. The others are counted.
pub(crate) const CONNECTION_LOG_LINES_MAX: u64 = 16;

/// Agencies that named no draw and whose draw a connection remembers.
pub(crate) const DRAWS_FOUND_MAX: usize = 64;

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
            linger_time_max: Duration::from_secs(2),
            keepalive_idle_time: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(10),
            keepalive_probes: 3,
        }
    }
}

// How the limits stand to each other, and the protocol's to the domain's.
const _: () = {
    assert!(ACCEPT_RETRY_TIME_MIN.as_millis() < ACCEPT_RETRY_TIME_MAX.as_millis());
    assert!(REJECTED_PER_ADDRESS_MAX < REJECTED_MAX);
    assert!(REQUEST_OVERHEAD_LEN < YIELD_LEN && DISCARD_LEN <= TLS_REFUSED_LEN_MAX);
    // The system takes a default window of the longest messages.
    let window_len = wire::limits::WINDOW as usize * wire::limits::FRAME_LEN_MAX as usize;
    assert!(window_len <= SOCKET_LEN_MAX);
    // Winners go on before what is outgoing stops the session.
    assert!(WINNERS_OUTGOING_LOW < wire::limits::OUTGOING_LEN_MAX);
    assert!(lottery::limits::DRAW_NAME_LEN_MAX == wire::limits::DRAW_NAME_LEN_MAX);
    assert!(lottery::limits::FAULTS_MAX == wire::limits::FAULTS_MAX);
    assert!(lottery::limits::BATCH_TEXT_LEN_MAX <= wire::limits::PAYLOAD_LEN_MAX as usize);
};

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
