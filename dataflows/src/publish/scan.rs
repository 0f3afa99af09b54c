//! Scans batches of a keyed view: rows at a frontier, and changes between two.
//!
//! Keys are ordered by up to three dimensions. A scan seeks from one matching prefix to the next. It costs as much as
//! its result and one seek per gap; it does not visit the keys in between.

use std::collections::VecDeque;
use std::sync::Arc;

use differential_dataflow::trace::cursor::{CursorList, cursor_list};
use differential_dataflow::trace::{BatchReader, Cursor, Navigable};
use market::Commit;

use super::batches::Batch;
use super::limited_rows::{LimitedRows, Needed};
use super::series;
use crate::views::kinds::{KeyPrefix, KeyedView, rows_of};
use rows::readers::{Allowance, Exceeded};
use rows::{
    Cell, Change, Dimension, Frontier, KeyRange, Labels, Page, RowFilter, Scan, Snapshot,
    SnapshotPart, View,
};

/// A key with its value.
pub(super) type KeyedEntry<V> = (<V as KeyedView>::Key, <V as KeyedView>::Value);

/// The rows of `batches` at `frontier` that match a scan.
pub(super) fn read<V: KeyedView>(
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    scan: &Scan,
    labels: &Labels,
    allowance: &mut Allowance<'_>,
) -> Result<Page, Exceeded> {
    if series::is_of_latest::<V>(scan) {
        let own = |key: V::Key, value: &V::Value, into: &mut VecDeque<Vec<Cell>>| {
            into.extend(
                rows::<V>(&key, value, labels).filter(|row| scan.filter.fits(scan.view, row)),
            );
        };
        let (rows, more) = series::latest::<V, _>(batches, frontier, scan, allowance, own)?;
        return Ok(Page { frontier, rows, more });
    }
    let (mut limited, time) = limited::<V, _>(scan);
    if let Some(commit) = frontier.commit {
        let mut cursor_scan = CursorScan::<V>::new(batches, &scan.filter, None);
        cursor_scan.rows_at(commit, allowance, |key, value| {
            let mut needed = Needed::All;
            for cells in rows::<V>(&key, value, labels) {
                if scan.filter.fits(scan.view, &cells) {
                    needed = limited.push(time(&key), cells);
                }
                if needed == Needed::Nothing {
                    break;
                }
            }
            needed
        })?;
    }
    let (rows, more) = limited.finish();
    Ok(Page { frontier, rows, more })
}

/// The keys and values of `batches` at `frontier` that match a scan, and whether its limit left any out. Only the
/// dimensions of the key are filtered.
pub(super) fn entries<V: KeyedView>(
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    scan: &Scan,
    allowance: &mut Allowance<'_>,
) -> Result<(Vec<KeyedEntry<V>>, bool), Exceeded> {
    if series::is_of_latest::<V>(scan) {
        let own = |key: V::Key, value: &V::Value, into: &mut VecDeque<KeyedEntry<V>>| {
            into.push_back((key, value.clone()));
        };
        return series::latest::<V, _>(batches, frontier, scan, allowance, own);
    }
    let (mut limited, time) = limited::<V, _>(scan);
    if let Some(commit) = frontier.commit {
        let mut cursor_scan = CursorScan::<V>::new(batches, &scan.filter, None);
        cursor_scan.rows_at(commit, allowance, |key, value| {
            limited.push(time(&key), (key, value.clone()))
        })?;
    }
    Ok(limited.finish())
}

/// The rows that a scan keeps, none yet, and the time of a key; 0 where keys have none.
fn limited<V: KeyedView, R>(scan: &Scan) -> (LimitedRows<R>, impl Fn(&V::Key) -> u64) {
    let at = time_dimension::<V>();
    let time = move |key: &V::Key| at.map_or(0, |at| V::prefix(key)[at]);
    (LimitedRows::new(scan, at.is_some()), time)
}

/// Which dimension of keys is a time.
fn time_dimension<V: KeyedView>() -> Option<usize> {
    V::ORDER.iter().position(|by| *by == Dimension::OpenTime)
}

/// The net change of the filtered rows, after the first commit of the span up to the second one.
pub(super) fn changes<V: KeyedView>(
    batches: Vec<Batch<V>>,
    (view, filter): (&View, &RowFilter),
    (after, through): (Option<Commit>, Commit),
    labels: &Labels,
    allowance: &mut Allowance<'_>,
) -> Result<Vec<Change>, Exceeded> {
    let inside = |time: u64| after.is_none_or(|after| time > after.0) && time <= through.0;
    let mut changes = Vec::new();
    let mut cursor_scan = CursorScan::<V>::new(batches, filter, None);
    cursor_scan.each(allowance, |key, values| {
        let moved = values.iter().map(|(value, times)| {
            let times = times.iter().filter(|(time, _)| inside(*time));
            (value, times.map(|(_, diff)| diff).sum::<i64>())
        });
        let moved: Vec<(&V::Value, i64)> = moved.filter(|(_, diff)| *diff != 0).collect();
        for part in 0..moved.iter().map(|(value, _)| V::rows_per_entry(value)).max().unwrap_or(0) {
            let own = changes.len();
            for (value, diff) in moved_in::<V>(&moved, part) {
                let cells = row::<V>(&key, value, part, labels);
                if filter.fits(view, &cells) {
                    changes.push(Change { cells, diff });
                }
            }
            changes[own..].sort_by_key(|change| change.diff); // the old version of a row comes first
        }
        true
    })?;
    Ok(changes)
}

/// The net count of each distinct row in this slot of some values.
fn moved_in<'a, V: KeyedView>(
    moved: &[(&'a V::Value, i64)],
    part: usize,
) -> Vec<(&'a V::Value, i64)> {
    let mut rows: Vec<(&V::Value, i64)> = Vec::with_capacity(2);
    let there =
        moved.iter().filter(|(value, _)| part < V::rows_per_entry(value) && V::has(value, part));
    for (value, diff) in there {
        match rows.iter_mut().find(|(known, _)| V::same(known, value, part)) {
            Some((_, known)) => *known += diff,
            None => rows.push((value, *diff)),
        }
    }
    rows.retain(|(_, diff)| *diff != 0);
    rows
}

/// The rows of a value.
pub(super) fn rows<V: KeyedView>(
    key: &V::Key,
    value: &V::Value,
    labels: &Labels,
) -> impl Iterator<Item = Vec<Cell>> {
    rows_of::<V>(value).map(move |part| row::<V>(key, value, part, labels))
}

fn row<V: KeyedView>(key: &V::Key, value: &V::Value, part: usize, labels: &Labels) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(16);
    V::cells(key, value, part, labels, &mut cells);
    V::VIEW.debug_check(&cells);
    cells
}

/// A snapshot of a view at a frontier, from behind a key on. It holds the batches, which never change.
pub(super) struct KeyedSnapshot<V: KeyedView> {
    source: Arc<SnapshotSource<V>>,
    /// The snapshot continues behind this key.
    behind: Option<V::Key>,
}

/// The state that all parts of a snapshot share.
struct SnapshotSource<V: KeyedView> {
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    view: &'static View,
    filter: Arc<RowFilter>,
    labels: Labels,
}

impl<V: KeyedView> KeyedSnapshot<V> {
    /// A snapshot of all rows.
    pub(super) fn new(
        batches: Vec<Batch<V>>,
        frontier: Frontier,
        view: &'static View,
        filter: Arc<RowFilter>,
        labels: Labels,
    ) -> KeyedSnapshot<V> {
        let source = SnapshotSource { batches, frontier, view, filter, labels };
        KeyedSnapshot { source: Arc::new(source), behind: None }
    }
}

impl<V: KeyedView> Snapshot for KeyedSnapshot<V>
where
    Batch<V>: Send + Sync,
{
    fn frontier(&self) -> Frontier {
        self.source.frontier
    }

    fn next(&self, at_least: usize) -> SnapshotPart {
        let SnapshotSource { batches, frontier, view, filter, labels } = &*self.source;
        let Some(commit) = frontier.commit else { return (Vec::new(), None) };
        let (mut part, mut more, mut read_to) = (Vec::new(), false, self.behind);
        let mut cursor_scan = CursorScan::<V>::new(batches.clone(), filter, self.behind);
        let all = &mut Allowance::unlimited();
        let _ = cursor_scan.rows_at(commit, all, |key, value| {
            let mut own = rows::<V>(&key, value, labels).filter(|row| filter.fits(view, row));
            if part.len() >= at_least
                && let Some(_) = own.next()
            {
                more = true;
                return false;
            }
            part.extend(own);
            read_to = Some(key);
            true
        });
        let rest = || KeyedSnapshot::<V> { source: Arc::clone(&self.source), behind: read_to };
        (part, more.then(|| Arc::new(rest()) as Arc<dyn Snapshot>))
    }
}

/// The commits at which a row changed, with the change of its count.
type Times = Vec<(u64, i64)>;

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
    fn each<N: Into<Needed>>(
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
