//! Subscription requests.

use std::sync::Arc;
use std::time::Duration;

use crate::Context;
use crate::filter::{self, FilterQuery};
use crate::format::Shown;
use crate::problem::Problem;
use crate::query::Known;
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

/// The parameters besides filters.
pub(crate) const PARAMETERS: Known = &[
    &["view"],
    &["snapshot"],
    &["encoding"],
    &["conflate_ms"],
    &["limit"],
    &["numbers"],
    &["fields"],
];

/// The longest conflation.
const CONFLATE_MS_MAX: usize = 60_000;
/// The default rows of a log's snapshot, and the most.
const LOG_ROWS: (usize, usize) = (1_000, 100_000);

impl SubscriptionRequest {
    /// Parses a request for `view`.
    pub(crate) fn read(
        context: &Context,
        view: &'static View,
        pairs: &[(String, String)],
    ) -> Result<SubscriptionRequest, Problem> {
        let FilterQuery { mut query, texts } = FilterQuery::new(pairs, PARAMETERS, view);
        let filter = filter::row_filter(&mut query, context, view, texts);
        let snapshot = query.word("snapshot", &[("true", true), ("false", false)]);
        let encodings = [("upsert", Encoding::Upsert), ("diff", Encoding::Diff)];
        let encoding = query.word("encoding", &encodings);
        let conflate_ms = query.count("conflate_ms", 0, CONFLATE_MS_MAX);
        let log_rows = query.count("limit", 0, LOG_ROWS.1);
        let numbers = query.word("numbers", &[("number", false), ("string", true)]);
        let hidden = filter::hidden(&mut query, view);
        query.finish()?;
        let key = SubscriptionKey {
            view,
            filter: Arc::new(filter?),
            hidden,
            encoding: encoding.unwrap_or(Encoding::Upsert),
            numbers_as_strings: numbers.unwrap_or(false),
        };
        Ok(SubscriptionRequest {
            key: Arc::new(key),
            snapshot: snapshot.unwrap_or(true),
            conflate: Duration::from_millis(conflate_ms.unwrap_or(0) as u64),
            log_rows: log_rows.unwrap_or(LOG_ROWS.0),
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
