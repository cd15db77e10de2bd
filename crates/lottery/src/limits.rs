//! The limits of the domain.

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
/// Most batches of one agency in one draw: at the original 93 bets each, 93 million bets. The state
/// holds some bytes of each, even empty ones, to recognise repeats.
pub const AGENCY_BATCHES_MAX: usize = 1_000_000;
/// Most draws of operators that are not made yet. Far above a lottery's needs; stops a program that
/// announces in a loop, since making a draw takes two people.
pub const DRAWS_UNMADE_MAX: usize = 256;
/// Most acts on one draw. A life without mistakes has six.
pub const DRAW_ACTS_MAX: usize = 256;
/// Most draws of one ledger: 20 a day for 13 years. Each takes 4 to 5 kB of memory with five agencies,
/// and 8 bytes for each range of agencies.
pub const DRAWS_MAX: usize = 100_000;
/// Most registered agencies: as many as in one draw. Each takes some 200 bytes.
pub const REGISTERED_MAX: usize = 100_000;
/// Most changes of operators on the command line that are remembered, to store none of them twice:
/// as many as may wait to be stored.
pub const COMMAND_LINE_CHANGES_MAX: usize = 1_000;
/// Smallest number to bet on, unless the draw's terms differ.
pub const NUMBER_MIN_DEFAULT: u32 = 0;
/// Largest number to bet on, unless the draw's terms differ.
pub const NUMBER_MAX_DEFAULT: u32 = 9_999;
/// Most faults listed when a batch is refused; the rest are only counted.
pub const FAULTS_MAX: usize = 1024;
/// Most bytes of bets in one batch: what a frame of the agencies' protocol holds.
pub const BATCH_TEXT_LEN_MAX: usize = 65_535;
/// Most rows that a reader copies from the view at once, which bounds how long a publisher waits.
pub const VIEW_PAGE_MAX: usize = 1_000;

// Relations between the limits.
const _: () = {
    assert!(DRAWS_UNMADE_MAX <= DRAWS_MAX && AGENCIES_MAX <= REGISTERED_MAX as u64);
    // A digest of a draw counts batches, and draws are numbered, in 32 bits.
    assert!(AGENCY_BATCHES_MAX <= u32::MAX as usize);
    assert!(DRAWS_MAX <= u32::MAX as usize);
    // Each bet of a batch has a position in 16 bits.
    assert!(BATCH_TEXT_LEN_MAX <= u16::MAX as usize);
};
