//! Every limit of the operators' server, by name, with its default.

use std::time::Duration;

use central::limits::in_proportion;

/// See [`ACCEPT_RETRY_TIME_MIN`].
pub(crate) const ACCEPT_RETRY_TIME_MAX: Duration = Duration::from_secs(1);

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

/// Most events that the console's audit log shows.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_fewer_connections_each_limit_shrinks_in_proportion() {
        let http = HttpLimits::default().with_connections_max(64);
        assert_eq!((http.connections_max, http.requests_max, http.boards_max), (64, 25, 25));
        let least = HttpLimits::default().with_connections_max(4);
        assert!(least.connections_max > least.requests_max + least.boards_max);
    }
}
