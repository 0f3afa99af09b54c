//! Subscription requests.

use std::sync::Arc;
use std::time::Duration;

use crate::Context;
use crate::filter::{self, FIELDS, FILTERS, FilterQuery};
use crate::format::{NUMBERS_AS_STRINGS, Shown};
use crate::parameter::{
    CountParameter, CountRange, ParameterType, RouteParameter, WordParameter, Words, joined, total,
};
use crate::problem::Problem;
use rows::{Cell, Change, Changes, RowFilter, View};

/// A view, a filter, and the options of a subscription.
#[derive(Clone)]
pub(crate) struct SubscriptionRequest {
    pub(crate) key: Arc<SubscriptionKey>,
    /// Whether it begins with a snapshot.
    pub(crate) snapshot: bool,
    /// The shortest time between two updates.
    pub(crate) conflate: Duration,
    /// The most rows of a log's snapshot: the latest.
    pub(crate) log_rows: usize,
}

/// Subscribers with equal keys get equal updates: view, filter and encoding.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SubscriptionKey {
    pub(crate) view: &'static View,
    pub(crate) filter: Arc<RowFilter>,
    /// The columns that are left out.
    hidden: Vec<&'static str>,
    pub(crate) encoding: Encoding,
    numbers_as_strings: bool,
}

/// The encoding of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// New or replaced rows, and the keys of deleted rows.
    Upsert,
    /// Each deleted and inserted row, with −1 or 1.
    Diff,
}

/// The view to follow.
pub(crate) const VIEW: RouteParameter =
    RouteParameter::query("view", ParameterType::Name("a view"), "the views to follow")
        .several()
        .required();
const SNAPSHOT: WordParameter<bool> = WordParameter::new(
    "snapshot",
    Words::new(&["true", "false"], &[true, false]),
    "true",
    "whether it begins with a snapshot, or with the changes from now on",
);
const ENCODING: WordParameter<Encoding> = WordParameter::new(
    "encoding",
    Words::new(&["upsert", "diff"], &[Encoding::Upsert, Encoding::Diff]),
    "upsert",
    "whether an update has new rows and deleted keys, or rows with −1 and 1",
);
const CONFLATE_MS: CountParameter = CountParameter::milliseconds(
    "conflate_ms",
    CountRange { least: 0, most: 60_000, default: 0 },
    "the shortest time between two updates",
);
const LOG_ROWS: CountParameter = CountParameter::count(
    "limit",
    CountRange { least: 0, most: 100_000, default: 1_000 },
    "the most rows of the snapshot of a log: the newest",
);

/// The parameters of a subscription, over any transport.
pub(crate) const SUBSCRIPTION: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] = &[
    FILTERS,
    &[
        VIEW,
        SNAPSHOT.declared,
        ENCODING.declared,
        CONFLATE_MS.declared,
        LOG_ROWS.declared,
        NUMBERS_AS_STRINGS.declared,
        FIELDS,
    ],
];

impl SubscriptionRequest {
    /// Parses a request for `view`.
    pub(crate) fn read(
        context: &Context,
        view: &'static View,
        pairs: &[(String, String)],
    ) -> Result<SubscriptionRequest, Problem> {
        let FilterQuery { mut query, texts } = FilterQuery::new(pairs, SUBSCRIPTION, view);
        let filter = filter::row_filter(&mut query, context, view, texts);
        let snapshot = query.word(&SNAPSHOT);
        let encoding = query.word(&ENCODING);
        let conflate_ms = query.count(&CONFLATE_MS);
        let log_rows = query.count(&LOG_ROWS);
        let numbers_as_strings = query.word(&NUMBERS_AS_STRINGS);
        let hidden = filter::hidden(&mut query, view);
        query.finish()?;
        let key = SubscriptionKey {
            view,
            filter: Arc::new(filter?),
            hidden,
            encoding,
            numbers_as_strings,
        };
        Ok(SubscriptionRequest {
            key: Arc::new(key),
            snapshot,
            conflate: Duration::from_millis(conflate_ms as u64),
            log_rows,
        })
    }
}

impl SubscriptionKey {
    /// Appends a row as JSON.
    pub(crate) fn row(&self, context: &Context, cells: &[Cell], out: &mut String) {
        self.shown(context, &self.hidden).cells(cells, out);
    }

    /// The changes of what is shown: a row that is replaced by one which shows alike has not changed.
    pub(crate) fn shown_changes(&self, mut changes: Changes) -> Changes {
        if self.hidden.is_empty() {
            return changes;
        }
        let mut shown: Vec<Change> = Vec::with_capacity(changes.changes.len());
        for change in changes.changes {
            match shown.last() {
                Some(gone) if gone.diff < 0 && change.diff > 0 && self.are_alike(gone, &change) => {
                    shown.pop();
                }
                _ => shown.push(change),
            }
        }
        changes.changes = shown;
        changes
    }

    /// Whether two rows of one key show alike.
    fn are_alike(&self, one: &Change, other: &Change) -> bool {
        let cells = one.cells.iter().zip(other.cells.iter());
        let mut columns = self.view.columns.iter().zip(cells);
        columns.all(|(column, (one, other))| {
            one == other || !column.is_key && self.hidden.contains(&column.name)
        })
    }

    /// Appends the key of a row as JSON.
    pub(crate) fn row_key(&self, context: &Context, cells: &[Cell], out: &mut String) {
        let rest = self.view.columns.iter().filter(|column| !column.is_key);
        let rest: Vec<&str> = rest.map(|column| column.name).collect();
        self.shown(context, &rest).cells(cells, out);
    }

    fn shown<'a>(&self, context: &'a Context, hidden: &'a [&'static str]) -> Shown<'a> {
        Shown {
            columns: self.view.columns,
            hidden,
            catalog: &context.catalog,
            numbers_as_strings: self.numbers_as_strings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Commit, EventTime};
    use rows::{Column, ColumnType, Frontier, ViewKind, key, value};

    const COLUMNS: &[Column] = &[
        key("name", ColumnType::Unsigned, ""),
        value("seen", ColumnType::Unsigned, ""),
        value("hidden", ColumnType::Unsigned, ""),
    ];
    static VIEW: View = View {
        name: "v",
        kind: ViewKind::Keyed,
        columns: COLUMNS,
        doc: "",
        history: false,
        recorded: true,
    };

    #[test]
    fn a_row_that_shows_as_before_has_not_changed() {
        let key = |hidden: &[&'static str]| SubscriptionKey {
            view: &VIEW,
            filter: Arc::default(),
            hidden: hidden.to_vec(),
            encoding: Encoding::Upsert,
            numbers_as_strings: false,
        };
        let change = |row: [u64; 3], diff| Change { cells: row.map(Cell::Unsigned).to_vec(), diff };
        let changes = vec![
            change([1, 1, 1], -1),
            change([1, 1, 2], 1),
            change([2, 1, 1], -1),
            change([2, 2, 1], 1),
            change([3, 1, 1], -1),
            change([4, 1, 1], 1),
        ];
        let frontier = Frontier { commit: Some(Commit(1)), at: EventTime(0) };
        let shown = |hidden: &[&'static str]| {
            let changes = Changes { frontier, changes: changes.clone() };
            key(hidden).shown_changes(changes).changes
        };
        assert_eq!(shown(&[]), changes);
        assert_eq!(shown(&["hidden"]), changes[2..]);
        assert_eq!(shown(&["seen", "hidden"]), changes[4..], "another key is another row");
        assert_eq!(shown(&["name", "seen", "hidden"]), changes[4..], "also where it is not shown");
    }
}
