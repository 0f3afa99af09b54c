//! Rows of earlier runs that a sink still holds, and that this run does not have.
//!
//! A run that begins anew reads from its horizon on. What went from its input while no run was there, such as a bar
//! whose only trade was cancelled, never was in its views: so no change deletes it from a sink. Once all sources have
//! caught up, the views hold all that their input makes, from the time on from which it was read. What a sink holds of
//! that time, and the view does not, is to go.

use std::collections::HashSet;
use std::sync::Arc;

use market::{Catalog, Commit, EventTime, TimeUnit};
use rows::{Cell, ColumnType, ReadError, RowFilter, Snapshot, View, ViewReader};

use super::encode::key_text;
use super::handler::PART_DELTAS;

/// What a run has, once all of its sources have caught up.
#[derive(Clone)]
pub struct CompleteView {
    /// The view.
    pub view: &'static View,
    /// The commit up to which it was delivered.
    pub commit: Commit,
    /// The system time of that commit.
    pub at: EventTime,
    /// From this time on nothing is missing.
    pub whole_from: EventTime,
    /// Its rows at `commit` or later.
    pub snapshot: Arc<dyn Snapshot>,
}

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

impl CompleteView {
    /// Of the keys that a sink holds, those that the view would have and has not, sorted.
    pub(super) fn missing(&self, held: Vec<String>, catalog: &Catalog) -> Vec<String> {
        let mut missing: HashSet<String> =
            held.into_iter().filter(|key| self.is_covered(key)).collect();
        for row in rows_of(Arc::clone(&self.snapshot)) {
            missing.remove(&key_text(self.view, &row, catalog));
        }
        let mut missing: Vec<String> = missing.into_iter().collect();
        missing.sort_unstable();
        missing
    }

    /// Whether a row of this key would be in the view: it is of a time from which on everything was read. A key without
    /// a time is only covered if everything was read from its beginning.
    fn is_covered(&self, key: &str) -> bool {
        if self.whole_from == EventTime::NEVER {
            return true;
        }
        let mut keys = self.view.columns.iter().filter(|column| column.is_key);
        let Some(number) = keys.position(|column| column.column_type == ColumnType::Time) else {
            return false;
        };
        let time = key.split('|').nth_back(self.key_columns() - 1 - number);
        let time = time.and_then(|text| EventTime::parse(text, TimeUnit::Rfc3339).ok());
        time.is_some_and(|time| time >= self.whole_from)
    }

    fn key_columns(&self) -> usize {
        self.view.columns.iter().filter(|column| column.is_key).count()
    }
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
