//! A cursor over the keys of a keyed view that a filter selects.
//!
//! Keys are ordered by up to three dimensions. A scan seeks from one matching prefix to the next. It costs as much as
//! its result and one seek per gap; it does not visit the keys in between.

use differential_dataflow::trace::cursor::{CursorList, cursor_list};
use differential_dataflow::trace::{BatchReader, Cursor, Navigable};
use market::Commit;

use super::batches::Batch;
use super::limited_rows::Needed;
use crate::views::kinds::{KeyPrefix, KeyedView};
use rows::readers::{Allowance, Exceeded};
use rows::{Dimension, KeyRange, RowFilter};

/// The commits at which a row changed, with the change of its count.
pub(super) type Times = Vec<(u64, i64)>;

/// A scan over the matching keys, in order.
pub(super) struct CursorScan<V: KeyedView> {
    cursor: CursorList<<Batch<V> as Navigable>::Cursor>,
    storage: Vec<Batch<V>>,
    /// What it selects, by dimension of the key.
    pub(super) ranges: [KeyRange; 3],
}

impl<V: KeyedView> CursorScan<V> {
    /// A scan from the beginning, or from behind a key.
    pub(super) fn new(
        batches: Vec<Batch<V>>,
        filter: &RowFilter,
        behind: Option<V::Key>,
    ) -> CursorScan<V> {
        let batches: Vec<_> = batches.into_iter().filter(|batch| !batch.is_empty()).collect();
        let (mut cursor, storage) = cursor_list(batches);
        if let Some(behind) = behind {
            cursor.seek_key(&storage, &behind);
            if cursor.get_key(&storage) == Some(&behind) {
                cursor.step_key(&storage);
            }
        }
        let dimension = |at: usize| {
            V::ORDER.get(at).map_or(KeyRange::ANY, |by: &Dimension| filter.key_range(*by))
        };
        CursorScan { cursor, storage, ranges: [dimension(0), dimension(1), dimension(2)] }
    }

    /// Goes to the first key whose prefix is this one or later, forwards or backwards.
    pub(super) fn seek(&mut self, prefix: KeyPrefix) -> Option<V::Key> {
        let CursorScan { cursor, storage, .. } = self;
        cursor.rewind_keys(storage);
        cursor.seek_key(storage, &V::lowest(prefix));
        cursor.get_key(storage).copied()
    }

    /// The first matching key whose prefix is this one or later.
    pub(super) fn first(
        &mut self,
        prefix: KeyPrefix,
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<V::Key>, Exceeded> {
        let mut next = self.seek(prefix);
        while let Some(key) = next {
            allowance.take(1)?;
            match match_prefix(&self.ranges, V::prefix(&key)) {
                PrefixMatch::In => return Ok(Some(key)),
                PrefixMatch::Past => return Ok(None),
                PrefixMatch::SkipTo(prefix) => {
                    next = self.seek(prefix);
                    if next == Some(key) {
                        self.cursor.step_key(&self.storage); // a skip always moves on
                        next = self.cursor.get_key(&self.storage).copied();
                    }
                }
            }
        }
        Ok(None)
    }

    /// Calls `each` with every matching key and its values that is needed, which it returns.
    pub(super) fn each<N: Into<Needed>>(
        &mut self,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(V::Key, &[(V::Value, Times)]) -> N,
    ) -> Result<(), Exceeded> {
        let CursorScan { cursor, storage, ranges } = self;
        let mut values: Vec<(V::Value, Times)> = Vec::new();
        while let Some(key) = cursor.get_key(storage).copied() {
            allowance.take(1)?;
            match match_prefix(ranges, V::prefix(&key)) {
                PrefixMatch::Past => break,
                PrefixMatch::SkipTo(next) => {
                    cursor.seek_key(storage, &V::lowest(next));
                    if cursor.get_key(storage) == Some(&key) {
                        cursor.step_key(storage); // a skip always moves on
                    }
                    continue;
                }
                PrefixMatch::In => {}
            }
            values.clear();
            while let Some(value) = cursor.get_val(storage) {
                let mut times = Times::new();
                cursor.map_times(storage, |time, diff| times.push((*time, *diff)));
                values.push((value.clone(), times));
                cursor.step_val(storage);
            }
            match each(key, &values).into() {
                Needed::All => {}
                Needed::Times(least, most) => {
                    if let Some(at) = time_dimension::<V>() {
                        ranges[at].narrow(least, most);
                    }
                }
                Needed::Nothing => break,
            }
            cursor.step_key(storage);
        }
        Ok(())
    }

    /// Calls `each` with every matching value that exists at `commit` and is needed, which it returns.
    pub(super) fn rows_at<N: Into<Needed>>(
        &mut self,
        commit: Commit,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(V::Key, &V::Value) -> N,
    ) -> Result<(), Exceeded> {
        self.each(allowance, |key, values| {
            let there = values.iter().filter(|(_, times)| {
                times.iter().filter(|(time, _)| *time <= commit.0).map(|(_, d)| d).sum::<i64>() > 0
            });
            let mut needed = Needed::All;
            for (value, _) in there {
                needed = each(key, value).into();
                if needed == Needed::Nothing {
                    break;
                }
            }
            needed
        })
    }
}

/// The result of comparing a prefix with the ranges of a scan.
#[derive(Debug, PartialEq, Eq)]
enum PrefixMatch {
    In,
    SkipTo(KeyPrefix),
    Past,
}

fn match_prefix(ranges: &[KeyRange; 3], prefix: KeyPrefix) -> PrefixMatch {
    for at in 0..prefix.len() {
        match ranges[at].next(prefix[at]) {
            Some(next) if next == prefix[at] => {}
            Some(next) => return lowest_with(ranges, prefix, at, next),
            None => return next_after(ranges, prefix, at),
        }
    }
    PrefixMatch::In
}

/// The next matching prefix when dimension `at` has no value left: a dimension before it must increase.
fn next_after(ranges: &[KeyRange; 3], prefix: KeyPrefix, at: usize) -> PrefixMatch {
    for before in (0..at).rev() {
        let next = prefix[before].checked_add(1).and_then(|next| ranges[before].next(next));
        if let Some(next) = next {
            return lowest_with(ranges, prefix, before, next);
        }
    }
    PrefixMatch::Past
}

/// The lowest matching prefix that equals `prefix` before dimension `at` and has `value` there.
fn lowest_with(ranges: &[KeyRange; 3], prefix: KeyPrefix, at: usize, value: u64) -> PrefixMatch {
    let mut next = prefix;
    next[at] = value;
    for behind in at + 1..next.len() {
        match ranges[behind].next(0) {
            Some(least) => next[behind] = least,
            None => return PrefixMatch::Past, // no prefix matches at all
        }
    }
    PrefixMatch::SkipTo(next)
}

/// Which dimension of keys is a time.
pub(super) fn time_dimension<V: KeyedView>() -> Option<usize> {
    V::ORDER.iter().position(|by| *by == Dimension::OpenTime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some(ordinals: &[u64]) -> KeyRange {
        KeyRange::OneOf(ordinals.to_vec())
    }

    #[test]
    fn a_scan_skips_to_the_next_matching_prefix() {
        let ranges = [some(&[2, 5]), KeyRange::ANY, KeyRange::Between(10, 20)];
        for (prefix, want) in [
            ([0, 9, 9], PrefixMatch::SkipTo([2, 0, 10])),
            ([2, 0, 10], PrefixMatch::In),
            ([2, 3, 21], PrefixMatch::SkipTo([2, 4, 10])),
            ([2, u64::MAX, 21], PrefixMatch::SkipTo([5, 0, 10])),
            ([5, u64::MAX, 21], PrefixMatch::Past),
            ([6, 0, 0], PrefixMatch::Past),
        ] {
            assert_eq!(match_prefix(&ranges, prefix), want, "{prefix:?}");
        }
        assert_eq!(
            match_prefix(&[some(&[7]), some(&[]), KeyRange::ANY], [0, 0, 0]),
            PrefixMatch::Past
        );
    }

    fn key_range() -> impl Strategy<Value = KeyRange> {
        prop_oneof![
            (0..4_u64, 0..4_u64).prop_map(|(least, most)| KeyRange::Between(least, most)),
            proptest::collection::btree_set(0..4_u64, 0..3)
                .prop_map(|ordinals| KeyRange::OneOf(ordinals.into_iter().collect())),
        ]
    }

    proptest! {
        /// From any prefix, the skip leads to the least matching prefix that is not before it.
        #[test]
        fn skips_leave_nothing_out(a in key_range(), b in key_range(), c in key_range(), from in 0..64_u64) {
            let prefix = |n: u64| [n / 16, n / 4 % 4, n % 4];
            let ranges = [a, b, c];
            let fits = |prefix: KeyPrefix| {
                prefix.iter().zip(&ranges).all(|(part, ranges)| ranges.next(*part) == Some(*part))
            };
            let want = (from..64).map(prefix).find(|prefix| fits(*prefix));
            let mut at = prefix(from);
            let found = loop {
                match match_prefix(&ranges, at) {
                    PrefixMatch::In => break Some(at),
                    PrefixMatch::SkipTo(next) => {
                        prop_assert!(next > at);
                        at = next;
                    }
                    PrefixMatch::Past => break None,
                }
            };
            // The test visits 64 prefixes; a skip may find a matching prefix behind them.
            prop_assert_eq!(found.filter(|prefix| prefix.iter().all(|part| *part < 4)), want);
        }
    }
}
