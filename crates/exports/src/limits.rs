//! Every limit of exports, by name.

/// Bets in a row group of Parquet: those are held in memory until the group is full, in about 8 MB.
/// Readers skip or share out work by groups.
pub const ROW_GROUP_BETS_MAX: usize = 65_536;
