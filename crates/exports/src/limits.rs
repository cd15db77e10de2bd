//! The limits of exports.

/// Bets in a Parquet row group. A group is buffered in memory, about 8 MB; readers skip or
/// parallelise by group.
pub const ROW_GROUP_BETS_MAX: usize = 65_536;
