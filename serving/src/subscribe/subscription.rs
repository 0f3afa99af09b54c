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
use rows::{Cell, RowFilter, View};

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
