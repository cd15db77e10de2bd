//! Pagination of long lists; pages are counted from 1.

use std::ops::Range;

use serde::Deserialize;

use super::language::Locale;

/// The page of a list that is asked for.
#[derive(Deserialize)]
pub(super) struct PageQuery {
    /// Counted from 1.
    pub(super) page: Option<usize>,
}

/// Describes the page of a list that is shown, if there are several.
pub(super) struct Pagination {
    pub(super) text: String,
    /// The paths of the previous and next pages.
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
}

impl Pagination {
    /// Returns the range of items on a page, and the pagination if there are several pages. A
    /// page's path is `path` followed by its number.
    pub(super) fn of(
        count: usize,
        page: Option<usize>,
        items_max: usize,
        path: &str,
        l: Locale,
    ) -> (Range<usize>, Option<Self>) {
        let pages = count.div_ceil(items_max).max(1);
        let page = page.unwrap_or(1).clamp(1, pages);
        let items = (page - 1) * items_max..count.min(page * items_max);
        let (first, last) = (l.n(items.start as u64 + 1), l.n(items.end as u64));
        let (to, of, count) = (l.t("a", "to"), l.t("de", "of"), l.n(count as u64));
        let part = (pages > 1).then(|| Self {
            text: format!("{first} {to} {last} {of} {count}"),
            previous: (page > 1).then(|| format!("{path}{}", page - 1)),
            next: (page < pages).then(|| format!("{path}{}", page + 1)),
        });
        (items, part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::language::tests::spanish;

    #[test]
    fn every_item_is_in_one_part_and_every_part_is_reached() {
        for (count, pages) in [(0, 1), (1, 1), (10, 1), (11, 2), (20, 2), (21, 3)] {
            let mut seen = Vec::new();
            for page in 1..=pages {
                let (items, part) = Pagination::of(count, Some(page), 10, "/?page=", spanish());
                seen.extend(items);
                let paths = part.map(|it| (it.previous, it.next));
                let at = |page: usize| Some(format!("/?page={page}"));
                let around = (at(page - 1).filter(|_| page > 1), at(page + 1));
                let around = (around.0, around.1.filter(|_| page < pages));
                assert_eq!(paths, Some(around).filter(|_| pages > 1), "{page} of {count}");
            }
            assert!(seen.into_iter().eq(0..count), "{count}");
        }
        for page in [None, Some(0), Some(1)] {
            assert_eq!(Pagination::of(21, page, 10, "", spanish()).0, 0..10);
        }
        let (items, part) = Pagination::of(1_234, Some(usize::MAX), 500, "", spanish());
        assert_eq!(
            (items, part.unwrap().text),
            (1_000..1_234, "1.001 a 1.234 de 1.234".to_owned())
        );
    }
}
