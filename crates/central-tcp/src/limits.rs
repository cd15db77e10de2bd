//! Every limit of the agencies' server, by name, with its default.
//!
//! Bytes and counts are whole; durations are measured with tokio's clock. The limits of the
//! protocol itself are `wire`'s, those of a bet and a batch are `lottery`'s.

use std::time::Duration;

use central::limits::in_proportion;
use thiserror::Error;
use wire::SessionLimits;

/// Outgoing bytes of a connection below which more winners are added.
pub(crate) const WINNERS_OUTGOING_LOW: usize = 32 * 1024;

/// Bytes read and dropped at a time from a connection that is closed.
pub(crate) const DISCARD_LEN: usize = 4 * 1024;

/// What a request counts for besides its bets, in [`Limits::in_flight_bytes_max`] and [`YIELD_LEN`].
pub(crate) const REQUEST_OVERHEAD_LEN: usize = 256;

/// Shortest pause after a failure to accept. It doubles up to [`ACCEPT_RETRY_TIME_MAX`].
pub(crate) const ACCEPT_RETRY_TIME_MIN: Duration = Duration::from_millis(50);

/// See [`ACCEPT_RETRY_TIME_MIN`].
pub(crate) const ACCEPT_RETRY_TIME_MAX: Duration = Duration::from_secs(1);

/// Bytes of requests after which a connection's task yields: one of the longest original batches,
/// less than a tenth of a millisecond.
pub(crate) const YIELD_LEN: usize = 8 * 1024;

/// The system's buffers of one connection, each way: a default window of the longest messages. Linux
/// doubles it.
pub(crate) const SOCKET_LEN_MAX: usize = 128 * 1024;

/// Bytes received at a time with TLS.
pub(crate) const TLS_READ_LEN_MAX: usize = 16 * 1024;

/// Bytes encrypted ahead of the socket: a record of TLS.
pub(crate) const TLS_WRITE_LEN_MAX: usize = 16 * 1024;

/// Most bytes read and dropped of a connection whose handshake failed, so that it reads the alert.
pub(crate) const TLS_REFUSED_LEN_MAX: usize = 128 * 1024;

/// Connections that wait to be accepted. The system drops more, and they retry after a second or
/// later: in a flood agencies would hardly connect.
pub const ACCEPT_QUEUE_MAX: u32 = 1024;

/// Most rejected connections that linger, so that the network delivers the reason; others may lose
/// it. Each takes a descriptor besides `connections_max`, for [`Limits::linger_time_max`] at most.
pub const REJECTED_MAX: usize = 64;

/// How many of them may be of one address.
pub(crate) const REJECTED_PER_ADDRESS_MAX: usize = 8;

/// Most log lines of one connection about refused requests, and about repeated ones. Others are
/// counted.
pub(crate) const CONNECTION_LOG_LINES_MAX: u64 = 16;

/// Most agencies without HELLO whose draw a connection stores.
pub(crate) const DRAWS_FOUND_MAX: usize = 64;

/// The limits of agencies' connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest message of an agency, in bytes, with its header.
    pub frame_len_max: u32,
    /// Most unanswered requests of one connection. At the limit it is not read.
    pub window: u16,
    /// Most connections. One more is refused as `busy`.
    pub connections_max: usize,
    /// Most connections of one address: IPv4, or the first 64 bits of IPv6.
    pub connections_per_address_max: usize,
    /// Longest TLS handshake.
    pub handshake_time_max: Duration,
    /// How long an agency may take for a message once it began to send it.
    pub frame_time_max: Duration,
    /// How long an agency may take none of the replies that wait for it.
    pub write_time_max: Duration,
    /// Most bytes of batches between reading and answer, over all connections. Further batches wait.
    pub in_flight_bytes_max: usize,
    /// How long a connection that the central ends waits for the agency to close, so that the network
    /// does not drop the last reply.
    pub linger_time_max: Duration,
    /// Silence before the first keepalive probe.
    pub keepalive_idle_time: Duration,
    /// Time between probes.
    pub keepalive_interval: Duration,
    /// Unanswered probes after which the connection is dropped.
    pub keepalive_probes: u32,
}

/// A limit within which no agency can be served.
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
    #[error("the time for the TLS handshake must not be zero")]
    HandshakeTime,
    /// No message that arrives in two pieces could be taken.
    #[error("the time for a message to arrive must not be zero")]
    FrameTime,
    /// No reply that waits for the agency could be sent.
    #[error("the time for an agency to read its replies must not be zero")]
    WriteTime,
}

impl Limits {
    /// Checks that agencies can be served.
    ///
    /// # Errors
    /// The first limit within which none can.
    pub fn check(&self) -> Result<(), LimitsError> {
        self.session().map(drop)
    }

    /// Lowers the number of connections; the limit of one address shrinks in proportion.
    #[must_use]
    pub fn with_connections_max(self, connections_max: usize) -> Self {
        let connections_max = connections_max.min(self.connections_max);
        let of_address = in_proportion(
            self.connections_per_address_max,
            (connections_max, self.connections_max),
        );
        Self { connections_max, connections_per_address_max: of_address, ..self }
    }

    /// Returns the limits of a connection's session.
    ///
    /// # Errors
    /// See [`check`](Self::check).
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
            // A quarter: far more than the agencies behind one router, and no host takes all.
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

// Relations between the limits, and between the protocol's and the domain's.
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
    fn limits_without_any_connection_are_refused() {
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
