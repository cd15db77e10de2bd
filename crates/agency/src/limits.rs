//! Every bound of the agency, by name.

use std::time::Duration;

/// Longest row of a file of bets, in bytes, its line end not counted. No canonical bet takes 250.
pub const ROW_LEN_MAX: usize = 4 * 1024;
/// How much of the file is read at once, in bytes.
pub const READ_LEN: usize = 64 * 1024;
/// How much text is decoded at once, of files that are not in UTF-8, in bytes.
pub const DECODED_LEN: usize = 64 * 1024;
/// Most rows at fault that are named; the others are counted only.
pub const FAULTS_MAX: usize = 1_000;
/// Default for the most bets in a batch.
pub const BATCH_BETS_MAX: u32 = wire::limits::BATCH_BETS;
/// Default for the most batches sent and not yet acknowledged.
pub const WINDOW: u16 = wire::limits::WINDOW;
/// Most bytes of a whole BETS message; less where the central's WELCOME says so.
pub const FRAME_LEN_MAX: u32 = wire::limits::FRAME_LEN_MAX;
/// Most bytes of winners, the commas between them included.
pub const WINNERS_LEN_MAX: usize = 50_000_000;

/// Bytes that are enciphered ahead of what the socket takes: a record of TLS.
pub const TLS_WRITE_LEN_MAX: usize = 16 * 1024;

/// Longest time to connect, and then to agree on TLS.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest time without a reply while one is due. Winners are waited for without limit.
pub const REPLY_TIME_MAX: Duration = Duration::from_secs(30);
/// Silence after which the system asks whether the central is still there.
pub const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
/// How long after that it asks again.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Default for the longest time that a central is tried which never answered.
pub const CONNECT_TIME_MAX_DEFAULT: Duration = Duration::from_secs(60);
/// Longest pause before a draw is asked for again that was not open yet.
pub const OPENING_ASK_TIME_MAX: Duration = Duration::from_secs(15);
/// Longest time without any progress before giving up. Waiting for the draw does not count.
pub const STALL_TIME_MAX: Duration = Duration::from_secs(600);
/// First pause before connecting again; it doubles each time.
pub const RETRY_TIME_MIN: Duration = Duration::from_millis(100);
/// Longest pause before connecting again.
pub const RETRY_TIME_MAX: Duration = Duration::from_secs(5);
/// Pause before asking for winners again on a connection that said there are none yet.
pub const ASK_AGAIN_TIME: Duration = Duration::from_millis(200);

// How the limits stand to each other.
const _: () = {
    assert!(ROW_LEN_MAX <= READ_LEN);
    assert!(RETRY_TIME_MIN.as_millis() < RETRY_TIME_MAX.as_millis());
    assert!(CONNECT_TIME_MAX.as_millis() < CONNECT_TIME_MAX_DEFAULT.as_millis());
    assert!(CONNECT_TIME_MAX_DEFAULT.as_millis() <= STALL_TIME_MAX.as_millis());
    assert!(REPLY_TIME_MAX.as_millis() < STALL_TIME_MAX.as_millis());
    assert!(FRAME_LEN_MAX <= wire::limits::MESSAGE_LEN_MAX && WINDOW <= wire::limits::WINDOW_MAX);
};
