//! Every limit of the agency, as a named constant.

use std::time::Duration;

/// Maximum length of a row in bytes, without its line end. A canonical bet takes less than 250.
pub const ROW_LEN_MAX: usize = 4 * 1024;
/// Size of one read from the file, in bytes.
pub const READ_LEN: usize = 64 * 1024;
/// Size of the decoding buffer for files that are not in UTF-8, in bytes.
pub const DECODED_LEN: usize = 64 * 1024;
/// Maximum number of invalid rows that are listed; the rest are only counted.
pub const FAULTS_MAX: usize = 1_000;
/// Default for the maximum number of bets in a batch.
pub const BATCH_BETS_MAX: u32 = wire::limits::BATCH_BETS;
/// Default for the maximum number of batches sent and not yet acknowledged.
pub const WINDOW: u16 = wire::limits::WINDOW;
/// Maximum length of a whole BETS message in bytes; the central's WELCOME may lower it.
pub const FRAME_LEN_MAX: u32 = wire::limits::FRAME_LEN_MAX;
/// Maximum size of the winners in bytes, including the commas between them.
pub const WINNERS_LEN_MAX: usize = 50_000_000;

/// Maximum number of bytes encrypted ahead of the socket: one TLS record.
pub const TLS_WRITE_LEN_MAX: usize = 16 * 1024;

/// Timeout for connecting, and then for the TLS handshake.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Timeout for a reply that is due. Waiting for winners has no timeout.
pub const REPLY_TIME_MAX: Duration = Duration::from_secs(30);
/// Idle time before the first TCP keepalive probe.
pub const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
/// Interval between TCP keepalive probes.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Default for how long to try a central that has never answered.
pub const CONNECT_TIME_MAX_DEFAULT: Duration = Duration::from_secs(60);
/// Maximum pause before asking again for a draw that is not open yet.
pub const OPENING_ASK_TIME_MAX: Duration = Duration::from_secs(15);
/// How long a run may go without progress before it gives up. Waiting for the draw does not count.
pub const STALL_TIME_MAX: Duration = Duration::from_secs(600);
/// First pause before reconnecting, after every central was lost; it doubles each time.
pub const RETRY_TIME_MIN: Duration = Duration::from_millis(100);
/// Maximum pause before reconnecting.
pub const RETRY_TIME_MAX: Duration = Duration::from_secs(5);
/// Pause before asking again for winners on a connection that reported none yet.
pub const ASK_AGAIN_TIME: Duration = Duration::from_millis(200);

// Relations between the limits.
const _: () = {
    assert!(ROW_LEN_MAX <= READ_LEN);
    assert!(RETRY_TIME_MIN.as_millis() < RETRY_TIME_MAX.as_millis());
    assert!(CONNECT_TIME_MAX.as_millis() < CONNECT_TIME_MAX_DEFAULT.as_millis());
    assert!(CONNECT_TIME_MAX_DEFAULT.as_millis() <= STALL_TIME_MAX.as_millis());
    assert!(REPLY_TIME_MAX.as_millis() < STALL_TIME_MAX.as_millis());
    assert!(FRAME_LEN_MAX <= wire::limits::MESSAGE_LEN_MAX && WINDOW <= wire::limits::WINDOW_MAX);
};
