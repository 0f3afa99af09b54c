//! Subscription requests.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use crate::Context;
use crate::filter::{self, FIELDS, FILTERS, FilterQuery};
use crate::format::{NUMBERS_AS_STRINGS, Shown};
use crate::parameter::{
    CountParameter, CountRange, ParameterType, RouteParameter, WordParameter, Words, joined, total,
};
use crate::problem::Problem;
use crate::query::Query;
use crate::resume::folded;
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
    /// The token of a client that has rows already.
    pub(crate) resume: Option<String>,
    /// So many messages with rows may be sent before the client allows more; none: any number.
    pub(crate) credit: Option<u64>,
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
    /// See [`SubscriptionKey::hash`].
    query: u32,
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
        .or(&["views"])
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

/// Where to go on.
pub(crate) const RESUME: RouteParameter = RouteParameter::query(
    "resume",
    ParameterType::ResumeToken,
    "the `resume` of the newest message that the client has of the same view, filter and fields: it begins with what was \
     missed since then",
)
.or(&["since", "last_event_id"]);

/// The parameters of a subscription, over any transport.
pub(crate) const SUBSCRIPTION: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] = &[FILTERS, &[VIEW], OPTIONS];
/// Those besides filters and the view.
pub(crate) const OPTIONS: &[RouteParameter] = &[
    SNAPSHOT.declared,
    ENCODING.declared,
    CONFLATE_MS.declared,
    LOG_ROWS.declared,
    NUMBERS_AS_STRINGS.declared,
    FIELDS,
    RESUME,
];

impl SubscriptionRequest {
    /// Parses a request for `view`.
    pub(crate) fn read(
        context: &Context,
        view: &'static View,
        pairs: &[(String, String)],
    ) -> Result<SubscriptionRequest, Problem> {
        let filters = FilterQuery::new(pairs, SUBSCRIPTION, view);
        SubscriptionRequest::read_of(context, view, filters, |_| ()).map(|(request, ())| request)
    }

    /// The same of a route that declares more than [`OPTIONS`] and filters; `more` reads that.
    pub(crate) fn read_of<T>(
        context: &Context,
        view: &'static View,
        filters: FilterQuery<'_>,
        more: impl FnOnce(&mut Query<'_>) -> T,
    ) -> Result<(SubscriptionRequest, T), Problem> {
        let FilterQuery { mut query, columns } = filters;
        let filter = filter::row_filter(&mut query, context, view, columns);
        let snapshot = query.word(&SNAPSHOT);
        let encoding = query.word(&ENCODING);
        let conflate_ms = query.count(&CONFLATE_MS);
        let log_rows = query.count(&LOG_ROWS);
        let numbers_as_strings = query.word(&NUMBERS_AS_STRINGS);
        let hidden = filter::hidden(&mut query, view);
        let resume = query.parsed(&RESUME, |text| Ok(text.to_owned()));
        let more = more(&mut query);
        query.finish()?;
        let filter = filter?;
        let query = query_hash(view, &filter, &hidden);
        let filter = Arc::new(filter);
        let key = SubscriptionKey { view, filter, hidden, encoding, numbers_as_strings, query };
        let request = SubscriptionRequest {
            key: Arc::new(key),
            snapshot,
            conflate: Duration::from_millis(conflate_ms as u64),
            log_rows,
            resume,
            credit: None,
        };
        Ok((request, more))
    }
}

/// A hash of what is asked for, so of which rows a client has; in which order filters list values does not matter.
fn query_hash(view: &View, filter: &RowFilter, hidden: &[&'static str]) -> u32 {
    let mut filter = filter.clone();
    filter.instruments.as_mut().into_iter().for_each(|all| all.sort_unstable());
    filter.portfolios.as_mut().into_iter().for_each(|all| all.sort_unstable());
    filter.timeframes.as_mut().into_iter().for_each(|all| all.sort_unstable());
    filter.texts.iter_mut().for_each(|(_, texts)| texts.sort_unstable());
    filter.texts.sort_unstable();
    filter.comparisons.sort_by_key(|one| (one.column, one.comparator));
    let mut hasher = Xxh3::new();
    (view.name, filter, hidden).hash(&mut hasher);
    folded(hasher.finish())
}

impl SubscriptionKey {
    /// A hash of view, filter and columns: a client may go on with a token that was given for an equal one. How changes
    /// and numbers are written does not matter.
    pub(crate) fn hash(&self) -> u32 {
        self.query
    }

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
            query: 0,
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
