//! Walks batches of a keyed view: rows at a frontier, and changes between two.
//!
//! Keys are ordered by up to three dimensions. A walk skips from one place that may be filter to the next,
//! so it costs what it finds and one seek per gap, not what lies between.

use std::collections::VecDeque;
use std::sync::Arc;

use differential_dataflow::trace::cursor::{CursorList, cursor_list};
use differential_dataflow::trace::{BatchReader, Cursor, Navigable};
use market::Commit;

use super::keyed::{Batch, Keyed, Place, rows_of};
use crate::readers::{Allowance, Exceeded};
use crate::views::{
    Cell, Change, Dimension, Frontier, KeyRange, Labels, Page, RowFilter, Scan, Snapshot,
    SnapshotPart, View,
};

/// A row as read: its key, and the rest.
pub(super) type Found<V> = (<V as Keyed>::Key, <V as Keyed>::Value);

/// The rows of `batches` at `frontier` that a scan asks for.
pub(super) fn read<V: Keyed>(
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    scan: &Scan,
    labels: &Labels,
    allowance: &mut Allowance<'_>,
) -> Result<Page, Exceeded> {
    let mut kept = Kept::new(scan);
    if let Some(commit) = frontier.commit {
        let mut walk = Walk::<V>::new(batches, &scan.filter, None);
        walk.rows_at(commit, allowance, |key, value| {
            rows::<V>(&key, value, labels)
                .filter(|cells| scan.filter.fits(scan.view, cells))
                .all(|cells| kept.keep(cells))
        })?;
    }
    let (rows, more) = kept.finish();
    Ok(Page { frontier, rows, more })
}

/// The keys and values of `batches` at `frontier` that a scan asks for, and whether its limit left any
/// out. Only what keys are ordered by is looked at.
pub(super) fn found<V: Keyed>(
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    scan: &Scan,
    allowance: &mut Allowance<'_>,
) -> Result<(Vec<Found<V>>, bool), Exceeded> {
    let mut kept = Kept::new(scan);
    if let Some(commit) = frontier.commit {
        let mut walk = Walk::<V>::new(batches, &scan.filter, None);
        walk.rows_at(commit, allowance, |key, value| kept.keep((key, value.clone())))?;
    }
    Ok(kept.finish())
}

/// The net change of the filter rows after the first commit of `span` up to its second.
pub(super) fn changes<V: Keyed>(
    batches: Vec<Batch<V>>,
    (view, filter): (&View, &RowFilter),
    (after, through): (Option<Commit>, Commit),
    labels: &Labels,
    allowance: &mut Allowance<'_>,
) -> Result<Vec<Change>, Exceeded> {
    let inside = |time: u64| after.is_none_or(|after| time > after.0) && time <= through.0;
    let mut changes = Vec::new();
    let mut walk = Walk::<V>::new(batches, filter, None);
    walk.each(allowance, |key, values| {
        let moved = values.iter().map(|(value, times)| {
            let times = times.iter().filter(|(time, _)| inside(*time));
            (value, times.map(|(_, diff)| diff).sum::<i64>())
        });
        let moved: Vec<(&V::Value, i64)> = moved.filter(|(_, diff)| *diff != 0).collect();
        for part in 0..moved.iter().map(|(value, _)| V::parts(value)).max().unwrap_or(0) {
            let own = changes.len();
            for (value, diff) in moved_in::<V>(&moved, part) {
                let cells = row::<V>(&key, value, part, labels);
                if filter.fits(view, &cells) {
                    changes.push(Change { cells, diff });
                }
            }
            changes[own..].sort_by_key(|change| change.diff); // of a row, what goes comes first
        }
        true
    })?;
    Ok(changes)
}

/// By how much there is more or less of each row that is this part of some of these values.
fn moved_in<'a, V: Keyed>(moved: &[(&'a V::Value, i64)], part: usize) -> Vec<(&'a V::Value, i64)> {
    let mut rows: Vec<(&V::Value, i64)> = Vec::with_capacity(2);
    let there = moved.iter().filter(|(value, _)| part < V::parts(value) && V::has(value, part));
    for (value, diff) in there {
        match rows.iter_mut().find(|(known, _)| V::same(known, value, part)) {
            Some((_, known)) => *known += diff,
            None => rows.push((value, *diff)),
        }
    }
    rows.retain(|(_, diff)| *diff != 0);
    rows
}

/// The rows that a value stands for.
fn rows<V: Keyed>(
    key: &V::Key,
    value: &V::Value,
    labels: &Labels,
) -> impl Iterator<Item = Vec<Cell>> {
    rows_of::<V>(value).map(move |part| row::<V>(key, value, part, labels))
}

fn row<V: Keyed>(key: &V::Key, value: &V::Value, part: usize, labels: &Labels) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(16);
    V::cells(key, value, part, labels, &mut cells);
    cells
}

/// The rows of a view at a frontier that are behind a key. Holds the batches, which never change.
pub(super) struct Rest<V: Keyed> {
    whole: Arc<Whole<V>>,
    /// Only rows with a larger key.
    behind: Option<V::Key>,
}

/// What all parts of a snapshot have in common.
struct Whole<V: Keyed> {
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    view: &'static View,
    filter: Arc<RowFilter>,
    labels: Labels,
}

impl<V: Keyed> Rest<V> {
    /// All rows.
    pub(super) fn new(
        batches: Vec<Batch<V>>,
        frontier: Frontier,
        view: &'static View,
        filter: Arc<RowFilter>,
        labels: Labels,
    ) -> Rest<V> {
        let whole = Whole { batches, frontier, view, filter, labels };
        Rest { whole: Arc::new(whole), behind: None }
    }
}

impl<V: Keyed> Snapshot for Rest<V>
where
    Batch<V>: Send + Sync,
{
    fn frontier(&self) -> Frontier {
        self.whole.frontier
    }

    fn next(&self, at_least: usize) -> SnapshotPart {
        let Whole { batches, frontier, view, filter, labels } = &*self.whole;
        let Some(commit) = frontier.commit else { return (Vec::new(), None) };
        let (mut part, mut more, mut read_to) = (Vec::new(), false, self.behind);
        let mut walk = Walk::<V>::new(batches.clone(), filter, self.behind);
        let all = &mut Allowance::unlimited();
        let _ = walk.rows_at(commit, all, |key, value| {
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
        let rest = || Rest::<V> { whole: Arc::clone(&self.whole), behind: read_to };
        (part, more.then(|| Arc::new(rest()) as Arc<dyn Snapshot>))
    }
}

/// Rows up to a limit: the first ones, or the last ones, latest first.
struct Kept<R> {
    rows: VecDeque<R>,
    limit: usize,
    latest_first: bool,
    more: bool,
}

impl<R> Kept<R> {
    fn new(scan: &Scan) -> Kept<R> {
        let Scan { limit, latest_first, .. } = *scan;
        Kept { rows: VecDeque::new(), limit, latest_first, more: false }
    }

    /// Takes the next row in the order of keys; says whether another may be filter.
    fn keep(&mut self, row: R) -> bool {
        if self.rows.len() < self.limit {
            self.rows.push_back(row);
            return true;
        }
        self.more = true;
        if self.latest_first {
            self.rows.pop_front();
            self.rows.push_back(row);
        }
        self.latest_first
    }

    fn finish(self) -> (Vec<R>, bool) {
        let mut rows = Vec::from(self.rows);
        if self.latest_first {
            rows.reverse();
        }
        (rows, self.more)
    }
}

/// When a row changed, and by how much.
type Times = Vec<(u64, i64)>;

/// A walk over the keys that may be filter, in their order.
struct Walk<V: Keyed> {
    cursor: CursorList<<Batch<V> as Navigable>::Cursor>,
    storage: Vec<Batch<V>>,
    allowed: [KeyRange; 3],
}

impl<V: Keyed> Walk<V> {
    /// From the beginning, or behind a key.
    fn new(batches: Vec<Batch<V>>, filter: &RowFilter, behind: Option<V::Key>) -> Walk<V> {
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
        Walk { cursor, storage, allowed: [dimension(0), dimension(1), dimension(2)] }
    }

    /// Calls `each` with every key in a filter place and its values, until it says to stop.
    fn each(
        &mut self,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(V::Key, &[(V::Value, Times)]) -> bool,
    ) -> Result<(), Exceeded> {
        let Walk { cursor, storage, allowed } = self;
        let mut values: Vec<(V::Value, Times)> = Vec::new();
        while let Some(key) = cursor.get_key(storage).copied() {
            allowance.take(1)?;
            match judge(allowed, V::place(&key)) {
                Judged::Past => break,
                Judged::SkipTo(next) => {
                    cursor.seek_key(storage, &V::lowest(next));
                    if cursor.get_key(storage) == Some(&key) {
                        cursor.step_key(storage); // a skip always moves on
                    }
                    continue;
                }
                Judged::In => {}
            }
            values.clear();
            while let Some(value) = cursor.get_val(storage) {
                let mut times = Times::new();
                cursor.map_times(storage, |time, diff| times.push((*time, *diff)));
                values.push((value.clone(), times));
                cursor.step_val(storage);
            }
            if !each(key, &values) {
                break;
            }
            cursor.step_key(storage);
        }
        Ok(())
    }

    /// Calls `each` with every value in a filter place that is there at `commit`, until it says to stop.
    fn rows_at(
        &mut self,
        commit: Commit,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(V::Key, &V::Value) -> bool,
    ) -> Result<(), Exceeded> {
        self.each(allowance, |key, values| {
            let there = values.iter().filter(|(_, times)| {
                times.iter().filter(|(time, _)| *time <= commit.0).map(|(_, d)| d).sum::<i64>() > 0
            });
            there.into_iter().all(|(value, _)| each(key, value))
        })
    }
}

/// What a place means to a walk.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    In,
    SkipTo(Place),
    Past,
}

fn judge(allowed: &[KeyRange; 3], place: Place) -> Judged {
    for at in 0..place.len() {
        match allowed[at].next(place[at]) {
            Some(next) if next == place[at] => {}
            Some(next) => return lowest_with(allowed, place, at, next),
            None => return carried(allowed, place, at),
        }
    }
    Judged::In
}

/// Nothing more is allowed at `at`: the next place has a higher value before it.
fn carried(allowed: &[KeyRange; 3], place: Place, at: usize) -> Judged {
    for before in (0..at).rev() {
        let next = place[before].checked_add(1).and_then(|next| allowed[before].next(next));
        if let Some(next) = next {
            return lowest_with(allowed, place, before, next);
        }
    }
    Judged::Past
}

/// The lowest place that agrees with `place` before `at` and has `value` there.
fn lowest_with(allowed: &[KeyRange; 3], place: Place, at: usize, value: u64) -> Judged {
    let mut next = place;
    next[at] = value;
    for behind in at + 1..next.len() {
        match allowed[behind].next(0) {
            Some(least) => next[behind] = least,
            None => return Judged::Past, // nothing at all is filter
        }
    }
    Judged::SkipTo(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some(ordinals: &[u64]) -> KeyRange {
        KeyRange::OneOf(ordinals.to_vec())
    }

    #[test]
    fn a_walk_skips_to_what_may_be_wanted() {
        let allowed = [some(&[2, 5]), KeyRange::ANY, KeyRange::Between(10, 20)];
        for (place, want) in [
            ([0, 9, 9], Judged::SkipTo([2, 0, 10])),
            ([2, 0, 10], Judged::In),
            ([2, 3, 21], Judged::SkipTo([2, 4, 10])),
            ([2, u64::MAX, 21], Judged::SkipTo([5, 0, 10])),
            ([5, u64::MAX, 21], Judged::Past),
            ([6, 0, 0], Judged::Past),
        ] {
            assert_eq!(judge(&allowed, place), want, "{place:?}");
        }
        assert_eq!(judge(&[some(&[7]), some(&[]), KeyRange::ANY], [0, 0, 0]), Judged::Past);
    }

    fn key_range() -> impl Strategy<Value = KeyRange> {
        prop_oneof![
            (0..4_u64, 0..4_u64).prop_map(|(least, most)| KeyRange::Between(least, most)),
            proptest::collection::btree_set(0..4_u64, 0..3)
                .prop_map(|ordinals| KeyRange::OneOf(ordinals.into_iter().collect())),
        ]
    }

    proptest! {
        /// From any place, the skip leads to the least place that is allowed and not before it.
        #[test]
        fn skips_leave_nothing_out(a in key_range(), b in key_range(), c in key_range(), from in 0..64_u64) {
            let place = |n: u64| [n / 16, n / 4 % 4, n % 4];
            let allowed = [a, b, c];
            let fits = |place: Place| {
                place.iter().zip(&allowed).all(|(part, allowed)| allowed.next(*part) == Some(*part))
            };
            let want = (from..64).map(place).find(|place| fits(*place));
            let mut at = place(from);
            let found = loop {
                match judge(&allowed, at) {
                    Judged::In => break Some(at),
                    Judged::SkipTo(next) => {
                        prop_assert!(next > at);
                        at = next;
                    }
                    Judged::Past => break None,
                }
            };
            // Beyond the 64 places that are looked at, a skip may find what is allowed of larger ordinals.
            prop_assert_eq!(found.filter(|place| place.iter().all(|part| *part < 4)), want);
        }
    }
}
