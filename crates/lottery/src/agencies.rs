//! Agency numbers, and the set of agencies of a draw.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::limits::{AGENCIES_MAX, AGENCY_RANGES_MAX};

/// An agency's number, as sent on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgencyId(pub u32);

impl fmt::Display for AgencyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A non-empty set of at most [`AGENCIES_MAX`] agencies, stored as ascending, non-adjacent
/// inclusive ranges. Clones share storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Agencies {
    ranges: Arc<[(u32, u32)]>,
}

/// Why a set of agencies was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum AgenciesError {
    #[error("write agencies as numbers and ranges separated by commas, such as 1-5, 7")]
    Text,
    #[error("a draw needs at least one agency")]
    Empty,
    #[error("agency ranges must be ascending and must not overlap")]
    NotCanonical,
    #[error("a set of agencies has at most {AGENCY_RANGES_MAX} ranges")]
    TooManyRanges,
    #[error("a draw has at most {AGENCIES_MAX} agencies")]
    TooMany,
}

impl Agencies {
    /// Creates the set `1..=count`.
    ///
    /// # Errors
    /// When `count` is 0 or above [`AGENCIES_MAX`].
    pub fn first(count: u32) -> Result<Self, AgenciesError> {
        if count == 0 {
            return Err(AgenciesError::Empty);
        }
        Self::from_ranges(vec![(1, count)])
    }

    /// Creates a set from inclusive ranges in canonical form (see [`Agencies::ranges`]).
    ///
    /// # Errors
    /// When there are no ranges, too many, or they are not canonical.
    pub fn from_ranges(ranges: Vec<(u32, u32)>) -> Result<Self, AgenciesError> {
        if ranges.is_empty() {
            return Err(AgenciesError::Empty);
        }
        if ranges.len() > AGENCY_RANGES_MAX {
            return Err(AgenciesError::TooManyRanges);
        }
        let backwards = ranges.iter().any(|(first, last)| first > last);
        let touching =
            ranges.windows(2).any(|pair| u64::from(pair[0].1) + 1 >= u64::from(pair[1].0));
        if backwards || touching {
            return Err(AgenciesError::NotCanonical);
        }
        let agencies = Self { ranges: ranges.into() };
        if agencies.count() > AGENCIES_MAX {
            return Err(AgenciesError::TooMany);
        }
        Ok(agencies)
    }

    /// Returns the inclusive ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// Whether `agency` is in the set.
    #[must_use]
    pub fn contains(&self, agency: AgencyId) -> bool {
        let before = self.ranges.partition_point(|&(_, last)| last < agency.0);
        self.ranges.get(before).is_some_and(|&(first, _)| first <= agency.0)
    }

    /// Returns the number of agencies.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|&(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Iterates over the agencies in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = AgencyId> + '_ {
        self.iter_after(None)
    }

    /// Iterates over the agencies above `after` (all if `None`), ascending. Finds the start by
    /// binary search.
    pub fn iter_after(&self, after: Option<AgencyId>) -> impl Iterator<Item = AgencyId> + '_ {
        let passed = |last: u32| after.is_some_and(|after| last <= after.0);
        let rest = &self.ranges[self.ranges.partition_point(|&(_, last)| passed(last))..];
        let from = after.map_or(0, |after| after.0.saturating_add(1));
        rest.iter().flat_map(move |&(first, last)| (first.max(from)..=last).map(AgencyId))
    }
}

impl fmt::Display for Agencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (first, last)) in self.ranges.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Agencies {
    type Err = AgenciesError;

    /// Parses the format of [`Display`](fmt::Display), such as `1-5, 7`.
    fn from_str(text: &str) -> Result<Self, AgenciesError> {
        let number = |text: &str| text.trim().parse().map_err(|_| AgenciesError::Text);
        let ranges = text.split(',').map(|range| match range.split_once('-') {
            None => number(range).map(|only| (only, only)),
            Some((first, last)) => Ok((number(first)?, number(last)?)),
        });
        Self::from_ranges(ranges.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_set_parses_back() {
        for text in ["1", "1-5", "1-5, 7, 9-10"] {
            let read: Agencies = text.parse().unwrap();
            assert_eq!(read.to_string().parse(), Ok(read.clone()), "{text}");
        }
        let read: Agencies = " 1 - 5,7".parse().unwrap();
        assert_eq!(read.ranges(), [(1, 5), (7, 7)]);
        for text in ["", "a", "1-", "-1", "1--5", "1,,2", "4294967296", "1;2"] {
            assert_eq!(text.parse::<Agencies>(), Err(AgenciesError::Text), "{text}");
        }
        assert_eq!("5-1".parse::<Agencies>(), Err(AgenciesError::NotCanonical));
    }

    #[test]
    fn ranges_must_be_canonical() {
        let cases: [(&[(u32, u32)], Result<u64, AgenciesError>); 7] = [
            (&[], Err(AgenciesError::Empty)),
            (&[(2, 1)], Err(AgenciesError::NotCanonical)),
            (&[(1, 2), (3, 4)], Err(AgenciesError::NotCanonical)),
            (&[(3, 4), (1, 1)], Err(AgenciesError::NotCanonical)),
            (&[(1, 2), (4, 4)], Ok(3)),
            (&[(0, u32::MAX)], Err(AgenciesError::TooMany)),
            (&[(u32::MAX, u32::MAX)], Ok(1)),
        ];
        for (ranges, expected) in cases {
            let made = Agencies::from_ranges(ranges.to_vec()).map(|agencies| agencies.count());
            assert_eq!(made, expected, "{ranges:?}");
        }
    }

    #[test]
    fn iter_after_starts_above_the_given_agency() {
        let agencies: Agencies = "0, 2-4, 7, 4294967294-4294967295".parse().unwrap();
        for after in (0..10).chain(u32::MAX - 3..=u32::MAX).map(AgencyId) {
            let above = agencies.iter().filter(|it| *it > after);
            assert!(agencies.iter_after(Some(after)).eq(above), "{after}");
        }
    }

    #[test]
    fn a_set_contains_what_its_ranges_do() {
        let agencies: Agencies = "2-4, 7, 4294967295".parse().unwrap();
        let contained = |id: &u32| agencies.contains(AgencyId(*id));
        let near = (0..10).chain([u32::MAX - 1, u32::MAX]);
        assert_eq!(near.filter(contained).collect::<Vec<_>>(), [2, 3, 4, 7, u32::MAX]);
    }
}
