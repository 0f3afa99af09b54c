//! The rows of the newest bars.

use super::batches::Batch;
use super::cursor_scan::CursorScan;
use super::scan::{self, rows};
use super::series::{Windows, behind, has_series};
use crate::views::kinds::KeyedView;
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Frontier, Labels, Page, Scan};

/// Of each series that a scan selects, the rows of the newest bar that has any; of views without series all rows.
pub(super) fn read<V: KeyedView>(
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    scan: &Scan,
    labels: &Labels,
    allowance: &mut Allowance<'_>,
) -> Result<Page, Exceeded> {
    let scan = &Scan { latest_first: false, ..scan.clone() };
    if !has_series::<V>() {
        return scan::read::<V>(batches, frontier, scan, labels, allowance);
    }
    let mut all: Vec<Vec<Cell>> = Vec::new();
    let Some(commit) = frontier.commit else {
        return Ok(Page { frontier, rows: all, more: false });
    };
    let mut cursor_scan = CursorScan::<V>::new(batches, &scan.filter, None);
    let ranges = cursor_scan.ranges.clone();
    let mut from = Some([0; 3]);
    while all.len() <= scan.limit
        && let Some(prefix) = from
    {
        cursor_scan.ranges.clone_from(&ranges);
        let Some(first) = cursor_scan.first(prefix, allowance)? else { break };
        let [instrument, timeframe, _] = V::prefix(&first);
        let series = [instrument, timeframe];
        let mut windows = Windows::new(series, &ranges[2], frontier.at, 0);
        let (mut newest, mut time): (Vec<Vec<Cell>>, u64) = (Vec::new(), 0);
        let mut is_left = true;
        while newest.is_empty() && is_left {
            is_left = windows.next(&mut cursor_scan, commit, allowance, |key, value| {
                let own = rows::<V>(&key, value, labels);
                for row in own.filter(|row| scan.filter.fits(scan.view, row)) {
                    let at = V::prefix(&key)[2];
                    if at != std::mem::replace(&mut time, at) {
                        newest.clear();
                    }
                    newest.push(row);
                }
            })?;
        }
        all.append(&mut newest);
        from = behind(series);
    }
    let more = all.len() > scan.limit;
    all.truncate(scan.limit);
    Ok(Page { frontier, rows: all, more })
}
