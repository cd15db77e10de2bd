//! Every bound of the domain, by name.

/// Longest first or last name, in bytes of UTF-8.
pub const NAME_LEN_MAX: usize = 100;
/// Longest document, in bytes.
pub const DOCUMENT_LEN_MAX: usize = 15;
/// Longest name of a draw, in bytes of UTF-8.
pub const DRAW_NAME_LEN_MAX: usize = 64;
/// Longest name of an operator, an agency or a place, in bytes of UTF-8.
pub const LABEL_LEN_MAX: usize = 64;
/// Longest reason for an act, in bytes of UTF-8.
pub const REASON_LEN_MAX: usize = 500;
/// Most agencies in one draw.
pub const AGENCIES_MAX: u64 = 100_000;
/// Most contiguous ranges a set of agencies may be made of.
pub const AGENCY_RANGES_MAX: usize = 1024;
/// Most batches of one agency in one draw: with the field's 93 bets in each, 93 million bets. The
/// rules keep some bytes of each, empty ones too, so that a repeat is known.
pub const AGENCY_BATCHES_MAX: usize = 1_000_000;
/// Most draws of operators that are not made yet: announced, open or closed. Far above what a
/// lottery has at once; who announces in a loop stops here, since it takes two people to make one.
pub const DRAWS_UNMADE_MAX: usize = 256;
/// Most draws of one ledger: 20 a day for 13 years. Each is kept in memory, some hundred bytes and
/// 8 for each range of its agencies.
pub const DRAWS_MAX: usize = 100_000;
/// Most agencies in the register: as many as one draw may have. Each takes some 200 bytes.
pub const REGISTERED_MAX: usize = 100_000;
/// Smallest number a bet may be placed on, unless the draw says otherwise.
pub const NUMBER_MIN_DEFAULT: u32 = 0;
/// Largest number a bet may be placed on, unless the draw says otherwise.
pub const NUMBER_MAX_DEFAULT: u32 = 9_999;
/// Most faults named when a batch is refused; the others are counted only.
pub const FAULTS_MAX: usize = 1024;
/// Most bytes of bets in one batch. A frame of the agencies' protocol carries at most 65,535.
pub const BATCH_TEXT_LEN_MAX: usize = 65_535;
/// Most rows that a reader takes from the published view at a time: whoever publishes waits for no
/// more than the copying of so many.
pub const VIEW_PAGE_MAX: usize = 1_000;
