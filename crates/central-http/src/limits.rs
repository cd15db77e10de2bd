//! Every limit of the HTTP server, by name, with its default.

use std::time::Duration;

use central::limits::{SHUTDOWN_TIME_MAX_DEFAULT, in_proportion};
use lottery::limits::VIEW_PAGE_MAX;

/// How long accepting pauses after an error.
pub(crate) const ACCEPT_RETRY_TIME_MAX: Duration = Duration::from_secs(1);

/// Number of draws in the metrics, the newest ones.
pub(crate) const METRICS_DRAWS_MAX: usize = 20;

/// How often the operators' file is looked at for changes made on the command line.
pub(crate) const COMMAND_LINE_LOOK_TIME: Duration = Duration::from_secs(2);

/// How often the board is refreshed.
pub(crate) const BOARD_LOOK_TIME: Duration = Duration::from_secs(1);

/// How often the number of bets of each open draw is sampled for its chart.
pub(crate) const INTAKE_SAMPLE_TIME: Duration = Duration::from_secs(10);

/// Maximum number of samples of a draw: an hour at full resolution. Above it, half of them stay.
pub(crate) const INTAKE_SAMPLES_MAX: usize = 360;

/// Maximum number of samples of a draw's agencies.
pub(crate) const INTAKE_AGENCY_SAMPLES_MAX: usize = 48;

/// Number of open draws whose agencies are sampled, the newest ones.
pub(crate) const INTAKE_AGENCY_DRAWS_MAX: usize = 8;

/// Maximum number of totals of agencies in the samples of a draw, 8 bytes each: above it, there are
/// fewer samples.
pub(crate) const INTAKE_CELLS_MAX: usize = 500_000;

/// Number of agencies whose bets over time are on the board, those with the most bets.
pub(crate) const BOARD_STRIPS_MAX: usize = 12;

/// Number of draws with samples, the newest ones: more than can be unmade and are on the board.
pub(crate) const INTAKE_DRAWS_MAX: usize = 300;

/// Number of published draws on the board, the newest ones.
pub(crate) const BOARD_OVER_DRAWS_MAX: usize = 20;

/// Number of draws with a tab on the board, the most urgent ones; open ones always have a tab.
pub(crate) const BOARD_TABS_MAX: usize = 8;

/// Agencies on one page of a board.
pub(crate) const BOARD_AGENCIES_MAX: usize = 100;

/// An agency that has begun and sends nothing for longer than this is silent, in milliseconds.
pub(crate) const SILENCE_MS: u64 = 60_000;

/// The board shows a warning when the ledger's disk has less free space than this, in bytes.
pub(crate) const DISK_FREE_LEN_LOW: u64 = 2 << 30;

/// Events on one page of the audit log.
pub(crate) const AUDIT_SHOWN_MAX: usize = 100;

/// Draws or agencies on one page of a list.
pub(crate) const ITEMS_SHOWN_MAX: usize = 200;

/// Maximum number of days on which draws are repeated at once.
pub(crate) const REPEATED_DAYS_MAX: usize = 31;

/// Maximum number of draws that are repeated at once.
pub(crate) const REPEATED_DRAWS_MAX: usize = 200;

/// Days with draws to choose from, the newest ones, to repeat them.
pub(crate) const REPEATABLE_DAYS_MAX: usize = 60;

/// Agencies with winners on the page of a draw; a separate page lists the others.
pub(crate) const DRAW_AGENCIES_MAX: usize = 50;

/// Agencies on one page of winners.
pub(crate) const WINNERS_AGENCIES_MAX: usize = 500;

/// Winners of an agency that are listed beside their count.
pub(crate) const WINNERS_FIRST: usize = 8;

/// Winners on one page of an agency.
pub(crate) const AGENCY_WINNERS_MAX: usize = 1_000;

/// Maximum number of winners that a draw's record lists; above it, the record only gives the count
/// of each agency.
pub(crate) const RECORD_WINNERS_MAX: u64 = 5_000;

/// Maximum number of agencies that a draw's record lists.
pub(crate) const RECORD_AGENCIES_MAX: usize = 5_000;

/// Maximum length of the head of an HTTP request, in bytes.
pub(crate) const HTTP_HEAD_LEN_MAX: usize = 16 * 1024;

/// Maximum number of header fields in an HTTP request.
pub(crate) const HTTP_FIELDS_MAX: usize = 64;

/// Maximum length of the body of an HTTP request, in bytes.
pub(crate) const HTTP_BODY_LEN_MAX: usize = 64 * 1024;

/// Maximum length of the path that a login returns to, with what was typed there, in bytes.
pub(crate) const BACK_LEN_MAX: usize = 6 * 1024;

/// How long a shutdown waits for clients to receive the answers being sent.
pub(crate) const HTTP_TAKING_TIME_MAX: Duration = Duration::from_millis(500);

/// A board that sends nothing for this long sends a comment, so that proxies in between keep the
/// connection open.
pub(crate) const BOARD_KEEPALIVE_TIME: Duration = Duration::from_secs(5);

/// Maximum number of concurrent password hashings: each takes some 20 ms of a processor, and 19
/// MiB.
pub(crate) const HASHINGS_MAX: usize = 1;

/// Maximum number of concurrent requests that read much of the ledger; others wait.
pub(crate) const READINGS_MAX: usize = 1;
/// Longest wait for the operators before they are reported as not ready.
pub(crate) const READINESS_TIME_MAX: Duration = Duration::from_secs(1);
/// Maximum number of acts under way, those that wait for a store that is away included.
pub(crate) const ACTS_MAX: usize = 64;

/// Maximum number of concurrent exports; others are rejected. Each lasts as long as its client
/// takes to receive it.
pub(crate) const EXPORTS_MAX: usize = 2;

/// Maximum number of concurrent copies of the ledger by standbys; others are rejected. One standby
/// has two for a while when its connection was lost. Each may hold one file of the ledger in memory.
pub(crate) const COPIES_MAX: usize = 4;

/// How long a copy of the ledger waits for more records before it ends, and is asked for again.
pub(crate) const COPY_WAIT_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a standby may take to ask again before it counts as gone.
pub(crate) const STANDBY_GONE_TIME: Duration = Duration::from_secs(10);

/// How often the operators are looked at for a standby that waits for a change.
pub(crate) const OPERATORS_LOOK_TIME: Duration = Duration::from_secs(1);

/// Maximum number of bets that one search examines before it answers with what it found and a
/// cursor.
pub(crate) const SEARCHED_BETS_MAX: u64 = 2_000_000;

/// Maximum number of events that one request for the audit log examines before it answers with what
/// it found and a cursor.
pub(crate) const AUDITED_EVENTS_MAX: u32 = 100_000;

/// Size of the parts in which an export is sent, in bytes.
pub(crate) const EXPORT_PART_LEN: usize = 64 * 1024;

/// Maximum number of parts of an export that wait to be sent.
pub(crate) const EXPORT_PARTS_MAX: usize = 16;

/// Minimum average rate at which a client must receive an export, in bytes a second.
pub(crate) const EXPORT_PACE_MIN: u64 = 100 * 1024;

/// How often the permission of an export's client is checked again.
pub(crate) const EXPORT_LOOK_TIME: Duration = Duration::from_secs(1);

/// Maximum number of items in one page of an answer.
pub(crate) const PAGE_ITEMS_MAX: u32 = 500;

/// Number of items in one page when the request does not say.
pub(crate) const PAGE_ITEMS_DEFAULT: u32 = 100;

/// Configurable limits of the HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Maximum number of connections. It exceeds requests and boards together, so that there is
    /// always an idle connection that can give way to a new one.
    pub connections_max: usize,
    /// Maximum number of concurrent requests, not counting boards, health and metrics.
    pub requests_max: usize,
    /// Maximum number of concurrent requests of one client: an IPv4 address, or the first 64 bits
    /// of an IPv6 address.
    pub requests_per_client_max: usize,
    /// Maximum number of boards that are watched at once.
    pub boards_max: usize,
    /// Maximum number of boards that one client watches at once.
    pub boards_per_client_max: usize,
    /// How long a connection may take to send the head of a request, and may be idle.
    pub head_time_max: Duration,
    /// How long a request may take, its body included, until its answer begins.
    pub request_time_max: Duration,
    /// How long a caller waits for the outcome of an act, before it is reported as not known: the
    /// store may be away for long.
    pub act_time_max: Duration,
    /// How long sent data may remain unacknowledged by the client.
    pub write_time_max: Duration,
    /// How far an export's client may fall behind the minimum rate.
    pub export_wait_max: Duration,
}

impl HttpLimits {
    /// Returns these limits with at most `connections_max` connections; the limits of requests and
    /// boards shrink in proportion.
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
            act_time_max: Duration::from_secs(8),
            write_time_max: Duration::from_secs(30),
            export_wait_max: Duration::from_secs(30),
        }
    }
}

// Relations between the limits, and to those of the view.
const _: () = {
    // One item more tells whether there is another page.
    assert!(PAGE_ITEMS_DEFAULT <= PAGE_ITEMS_MAX && (PAGE_ITEMS_MAX as usize) < VIEW_PAGE_MAX);
    assert!(ITEMS_SHOWN_MAX <= VIEW_PAGE_MAX && BOARD_AGENCIES_MAX <= VIEW_PAGE_MAX);
    // A draw's own page never shows more than the pages that list all.
    assert!(DRAW_AGENCIES_MAX <= WINNERS_AGENCIES_MAX && WINNERS_FIRST <= AGENCY_WINNERS_MAX);
    // hyper panics below.
    assert!(HTTP_HEAD_LEN_MAX >= 8 * 1024);
    assert!(BACK_LEN_MAX < HTTP_HEAD_LEN_MAX / 2);
    // The ticks of as many draws, such as `&tick-100000-2030-01-11=0`, and the rest of that form.
    assert!(BACK_LEN_MAX >= 25 * REPEATED_DRAWS_MAX + 256);
    assert!(HTTP_TAKING_TIME_MAX.as_millis() < SHUTDOWN_TIME_MAX_DEFAULT.as_millis());
};

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
