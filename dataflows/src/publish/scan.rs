//! Scans batches of a keyed view: rows at a frontier, and changes between two.

use std::collections::VecDeque;
use std::sync::Arc;

use market::Commit;

use super::batches::Batch;
use super::cursor_scan::{CursorScan, time_dimension};
use super::limited_rows::{LimitedRows, Needed};
use super::series;
use crate::views::kinds::{KeyedView, rows_of};
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Change, Frontier, Labels, Page, RowFilter, Scan, Snapshot, SnapshotPart, View};

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
