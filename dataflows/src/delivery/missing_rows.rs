//! Rows of earlier runs that a sink still holds, and that this run does not have.
//!
//! A run that begins anew reads from its horizon on. What went from its input while no run was there, such as a bar
//! whose only trade was cancelled, never was in its views: so no change deletes it from a sink. Once all sources have
//! caught up, the views hold all that their input makes, from the time on from which it was read. What a sink holds of
//! that time, and the view does not, is to go.

use std::collections::HashSet;
use std::sync::Arc;

use market::{Catalog, EventTime, TimeUnit};
use rows::{Cell, ColumnType, ReadError, RowFilter, Snapshot, View, ViewReader};

use super::encode::key_text;
use super::handler::{CompleteView, PART_DELTAS};

/// The time from which on nothing is missing, once each source of the table `sources` has caught up.
pub(super) async fn whole_from(
    reader: &dyn ViewReader,
    sources: &'static View,
) -> Result<Option<EventTime>, ReadError> {
    let columns = sources.column("caught_up").zip(sources.column("read_from"));
    let Some((caught_up, read_from)) = columns else { return Ok(None) };
    let snapshot = reader.snapshot(sources, Arc::new(RowFilter::default()), usize::MAX).await?;
    let mut whole_from = EventTime::NEVER;
    let mut is_empty = true; // as it is before the first round
    for row in rows_of(snapshot) {
        is_empty = false;
        if row[caught_up] != Cell::Word("yes") {
            return Ok(None);
        }
        if let Cell::Time(time) = row[read_from] {
            whole_from = whole_from.max(time);
        }
    }
    Ok(Some(whole_from).filter(|_| !is_empty))
}

/// Of the keys that a sink holds, those that the view would have and has not, sorted.
pub(super) fn missing(view: &CompleteView, held: Vec<String>, catalog: &Catalog) -> Vec<String> {
    let mut missing: HashSet<String> =
        held.into_iter().filter(|key| is_covered(view.view, key, view.whole_from)).collect();
    for row in rows_of(Arc::clone(&view.snapshot)) {
        missing.remove(&key_text(view.view, &row, catalog));
    }
    let mut missing: Vec<String> = missing.into_iter().collect();
    missing.sort_unstable();
    missing
}

/// Whether a row of this key would be in the view: it is of a time from which on everything was read. A key without
/// a time is only covered if everything was read from its beginning.
fn is_covered(view: &View, key: &str, whole_from: EventTime) -> bool {
    if whole_from == EventTime::NEVER {
        return true;
    }
    let keys: Vec<_> = view.columns.iter().filter(|column| column.is_key).collect();
    let behind = keys.iter().rev().position(|column| column.column_type == ColumnType::Time);
    // Counted from the end: names of instruments, before it, may hold the separator.
    let text = behind.and_then(|behind| key.split('|').nth_back(behind));
    let time = text.and_then(|text| EventTime::parse(text, TimeUnit::Rfc3339).ok());
    time.is_some_and(|time| time >= whole_from)
}

fn rows_of(snapshot: Arc<dyn Snapshot>) -> impl Iterator<Item = Vec<Cell>> {
    let mut rest = Some(snapshot);
    let parts = std::iter::from_fn(move || {
        let (rows, more) = rest.take()?.next(PART_DELTAS);
        rest = more;
        Some(rows)
    });
    parts.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JOBS;

    #[test]
    fn only_rows_of_the_time_that_was_read_whole_may_be_missing() {
        let view = |name| JOBS[0].views.named(name).unwrap();
        let from = EventTime::parse("2026-01-05T10:00:00Z", TimeUnit::Rfc3339).unwrap();
        let candles = |key| is_covered(view("candles"), key, from);
        assert!(
            candles("x:A|1m|2026-01-05T10:00:00Z") && candles(r"x:\|A|1m|2026-01-05T11:00:00Z")
        );
        assert!(!candles("x:A|1m|2026-01-05T09:59:00Z") && !candles("x:A|1m|?"));
        let indicators = |key| is_covered(view("indicators"), key, from);
        assert!(indicators("x:A|1m|2026-01-05T10:00:00Z|sma5|sma"));
        assert!(!indicators("x:A|1m|2026-01-05T09:00:00Z|sma5|sma"));
        let position = "all|x:A";
        assert!(!is_covered(view("positions"), position, from), "it may come of earlier fills");
        assert!(is_covered(view("positions"), position, EventTime::NEVER));
    }
}
