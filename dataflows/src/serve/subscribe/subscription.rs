//! What a client requests to follow.

use std::sync::Arc;
use std::time::Duration;

use crate::serve::Context;
use crate::serve::filter::{self, FilterQuery};
use crate::serve::format::Shown;
use crate::serve::problem::Problem;
use crate::serve::query::Known;
use crate::views::{Cell, RowFilter, View};

/// A view, which of its rows, and how they are told.
#[derive(Clone)]
pub(crate) struct SubscriptionRequest {
    pub(crate) key: Arc<SubscriptionKey>,
    /// Whether it begins with all rows that there are.
    pub(crate) snapshot: bool,
    /// At least this long between two updates.
    pub(crate) conflate: Duration,
    /// Of logs, at most so many rows in a snapshot: the latest.
    pub(crate) log_rows: usize,
}

/// What two clients must agree in so that they can be told the same.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SubscriptionKey {
    pub(crate) view: &'static View,
    pub(crate) filter: Arc<RowFilter>,
    /// The columns that are left out.
    hidden: Vec<&'static str>,
    pub(crate) encoding: Encoding,
    numbers_as_strings: bool,
}

/// How changes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// The rows as they are now, and the keys of those that are gone.
    Upsert,
    /// Each row that went or came, with −1 or 1.
    Diff,
}

/// What may be asked besides filters.
pub(crate) const PARAMETERS: Known = &[
    &["view"],
    &["snapshot"],
    &["encoding"],
    &["conflate_ms"],
    &["limit"],
    &["numbers"],
    &["fields"],
];

/// At most this long may updates be held back.
const CONFLATE_MS_MAX: usize = 60_000;
/// Rows of a log's snapshot, unless asked otherwise, and at most.
const LOG_ROWS: (usize, usize) = (1_000, 100_000);

impl SubscriptionRequest {
    /// Reads a request for `view`.
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
        let rest = self.view.columns.iter().filter(|column| !column.key);
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
