//! Lists in parts: so many items, and where the next part begins.
//!
//! A cursor tells nothing to who holds it, and may be kept: it names the last item given, so that
//! items that come or go meanwhile are neither missed nor told twice.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::limits::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};
use crate::web::problem::Problem;

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// The `next` of the previous page; omitted for the first page.
    cursor: Option<String>,
    /// Most items per page, 1 to 500; 100 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T: ToSchema> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl PageParams {
    pub(crate) fn new(cursor: Option<String>, limit: Option<u32>) -> Self {
        Self { cursor, limit }
    }

    /// How many items at most.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(PAGE_ITEMS_DEFAULT);
        if !(1..=PAGE_ITEMS_MAX).contains(&limit) {
            let detail = format!("limit is 1 to {PAGE_ITEMS_MAX}, not {limit}");
            return Err(Problem::bad_request(detail));
        }
        Ok(limit as usize)
    }

    /// The key of the last item of the part before.
    pub(crate) fn after<K: FromStr>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let key = read_cursor(cursor).and_then(|text| text.parse().ok());
        let wrong = || Problem::bad_request("the cursor is invalid");
        key.map(Some).ok_or_else(wrong)
    }
}

impl<T: ToSchema> Page<T> {
    /// These items; the next part begins after this key, if there is one.
    pub(crate) fn ending(items: Vec<T>, last: Option<&str>) -> Self {
        Self { items, next: last.map(cursor_of) }
    }

    /// The items after the cursor's, of all in ascending order of their keys.
    pub(crate) fn of<K: FromStr + ToString + Ord>(
        all: impl Iterator<Item = (K, T)>,
        params: &PageParams,
    ) -> Result<Self, Problem> {
        let (limit, after) = (params.limit()?, params.after::<K>()?);
        let is_next = |key: &K| after.as_ref().is_none_or(|after| key > after);
        let mut rest = all.filter(|(key, _)| is_next(key));
        let items: Vec<_> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let next = items.last().filter(|_| more).map(|(key, _)| cursor_of(&key.to_string()));
        Ok(Self { items: items.into_iter().map(|(_, item)| item).collect(), next })
    }
}

/// What a list goes on with behind the item of this key.
pub(crate) fn cursor_of(key: &str) -> String {
    key.bytes().fold(String::from("c"), |cursor, byte| format!("{cursor}{byte:02x}"))
}

fn read_cursor(cursor: &str) -> Option<String> {
    let digits = cursor.strip_prefix('c')?.as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    String::from_utf8(pairs.iter().map(byte).collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(count: u32, cursor: Option<String>, limit: Option<u32>) -> Page<u32> {
        let params = PageParams { cursor, limit };
        Page::of((0..count).map(|it| (it, it)), &params).unwrap()
    }

    #[test]
    fn all_items_are_in_one_part_each() {
        for (count, limit) in [(0, 1), (1, 1), (5, 2), (6, 2), (7, 500), (250, 100)] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = page(count, cursor, Some(limit));
                assert!(page.items.len() <= limit as usize);
                seen.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert!(seen.into_iter().eq(0..count), "{count} by {limit}");
        }
        assert_eq!(page(1000, None, None).items.len(), 100);
    }

    #[test]
    fn limits_and_cursors_from_elsewhere_are_refused() {
        for limit in [0, 501, u32::MAX] {
            assert!(PageParams { cursor: None, limit: Some(limit) }.limit().is_err(), "{limit}");
        }
        for cursor in ["", "c", "5", "c5", "czz", "c+1", "cff", "c2d31", "c373Ñ"] {
            let params = PageParams { cursor: Some(cursor.to_owned()), limit: None };
            assert!(params.after::<u32>().is_err(), "{cursor}");
        }
    }
}
