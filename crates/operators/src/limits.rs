//! The limits of operators.

use std::time::Duration;

/// Longest name of an operator, in bytes.
pub const NAME_LEN_MAX: usize = 32;
/// Shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password, in bytes, which bounds what is hashed.
pub const PASSWORD_LEN_MAX: usize = 256;
/// Longest label of a token, in bytes.
pub const LABEL_LEN_MAX: usize = 64;
/// Longest life of a token, in days.
pub const TOKEN_DAYS_MAX: u32 = 366;
/// Most operators, disabled ones included.
pub const OPERATORS_MAX: usize = 1_000;
/// Most live tokens of one operator.
pub const TOKENS_PER_OPERATOR_MAX: usize = 20;
/// Longest operators' file, in bytes.
pub const FILE_LEN_MAX: u64 = 16 << 20;

/// Memory of one password hash, in KiB: OWASP's first recommendation for argon2id.
pub const ARGON2_MEMORY_KIB: u32 = 19_456;
/// Passes of one password hash.
pub const ARGON2_PASSES: u32 = 2;
/// Lanes of one password hash.
pub const ARGON2_LANES: u32 = 1;

/// Longest time that a session may be idle.
pub const SESSION_IDLE_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// Longest duration of a session.
pub const SESSION_TIME_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// Most sessions of one operator. Another one ends the least recently used.
pub const SESSIONS_PER_OPERATOR_MAX: usize = 8;

/// Login attempts for one name from one address in a burst; after that, one per
/// [`ATTEMPT_OF_PAIR_TIME`].
pub const ATTEMPTS_OF_PAIR_MAX: u32 = 5;
/// Time between further attempts.
pub const ATTEMPT_OF_PAIR_TIME: Duration = Duration::from_secs(30);
/// Login attempts from one address in a burst; after that, one per [`ATTEMPT_OF_ADDRESS_TIME`].
pub const ATTEMPTS_OF_ADDRESS_MAX: u32 = 20;
/// Time between further attempts.
pub const ATTEMPT_OF_ADDRESS_TIME: Duration = Duration::from_secs(6);
/// Login attempts for one name from all addresses in a burst; after that, one per
/// [`ATTEMPT_OF_NAME_TIME`]. As much as ten addresses may.
pub const ATTEMPTS_OF_NAME_MAX: u32 = 10 * ATTEMPTS_OF_PAIR_MAX;
/// Time between further attempts.
pub const ATTEMPT_OF_NAME_TIME: Duration = Duration::from_secs(3);
/// Failed logins of one operator that are recorded in a burst, each on its own; after that, one
/// record per [`FAILURE_RECORDED_TIME`] tells how many there were.
pub const FAILURES_RECORDED_MAX: u32 = 10;
/// Time between further records.
pub const FAILURE_RECORDED_TIME: Duration = Duration::from_secs(10 * 60);
/// Most names, addresses and pairs tracked, each. When full, new ones must wait until one expires.
pub const ATTEMPTS_REMEMBERED_MAX: usize = 10_000;

// Relations between the limits.
const _: () = {
    // Names and labels of tokens are labels of acts.
    assert!(NAME_LEN_MAX <= lottery::limits::LABEL_LEN_MAX);
    assert!(LABEL_LEN_MAX <= lottery::limits::LABEL_LEN_MAX);
    assert!(PASSWORD_CHARS_MIN <= PASSWORD_LEN_MAX);
    assert!(SESSION_IDLE_TIME_MAX.as_secs() <= SESSION_TIME_MAX.as_secs());
    assert!(ATTEMPTS_OF_PAIR_MAX <= ATTEMPTS_OF_ADDRESS_MAX);
    assert!(ATTEMPTS_OF_ADDRESS_MAX <= ATTEMPTS_OF_NAME_MAX);
};
