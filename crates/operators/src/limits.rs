//! Every limit of operators, by name.

use std::time::Duration;

/// Longest name of an operator, in bytes.
pub const NAME_LEN_MAX: usize = 32;
/// Shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password, in bytes: what is hashed is bounded.
pub const PASSWORD_LEN_MAX: usize = 256;
/// Longest label of a token, in bytes.
pub const LABEL_LEN_MAX: usize = 64;
/// Longest life of a token, in days.
pub const TOKEN_DAYS_MAX: u32 = 366;
/// Most operators, the disabled ones included.
pub const OPERATORS_MAX: usize = 1_000;
/// Most tokens of one operator that are neither revoked nor expired.
pub const TOKENS_PER_OPERATOR_MAX: usize = 20;
/// Longest file of operators that is read, in bytes.
pub const FILE_LEN_MAX: u64 = 16 << 20;

/// Memory that one password hashing takes, in KiB: OWASP's first recommendation for argon2id.
pub const ARGON2_MEMORY_KIB: u32 = 19_456;
/// Its number of passes.
pub const ARGON2_PASSES: u32 = 2;
/// Its lanes.
pub const ARGON2_LANES: u32 = 1;

/// How long a session lasts without a request.
pub const SESSION_IDLE_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// How long a session lasts at most.
pub const SESSION_TIME_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions of one operator at once. One more ends the oldest.
pub const SESSIONS_PER_OPERATOR_MAX: usize = 8;

/// Attempts to log in under one name from one address at once, before each costs
/// [`ATTEMPT_OF_PAIR_TIME`].
pub const ATTEMPTS_OF_PAIR_MAX: u32 = 5;
/// How long after such an attempt one more is allowed.
pub const ATTEMPT_OF_PAIR_TIME: Duration = Duration::from_secs(30);
/// Attempts to log in from one address at once, before each costs [`ATTEMPT_OF_ADDRESS_TIME`].
pub const ATTEMPTS_OF_ADDRESS_MAX: u32 = 20;
/// How long after such an attempt one more is allowed.
pub const ATTEMPT_OF_ADDRESS_TIME: Duration = Duration::from_secs(6);
/// Attempts to log in under one name from all addresses at once, before each costs
/// [`ATTEMPT_OF_NAME_TIME`]: what ten addresses may under it.
pub const ATTEMPTS_OF_NAME_MAX: u32 = 10 * ATTEMPTS_OF_PAIR_MAX;
/// How long after such an attempt one more is allowed.
pub const ATTEMPT_OF_NAME_TIME: Duration = Duration::from_secs(3);
/// Names, addresses, and pairs of them, whose attempts are remembered: so many of each. With more,
/// nobody new may try until one of them is forgotten.
pub const ATTEMPTS_REMEMBERED_MAX: usize = 10_000;
