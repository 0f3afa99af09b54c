//! What can be read: the list of views, the shape of their rows, and the one way to read them.
//!
//! Knows neither the engine nor HTTP: `publish/` implements [`ViewReader`], `serve/` calls it.
//! To add a view: a row type in a file here, and a line in [`VIEWS`].

mod alerts;
mod candles;
mod events;
mod indicators;
mod row;
mod text;

use std::future::Future;
use std::pin::Pin;

use market::{
    Candle, CandleKey, Commit, Conflict, EventTime, InstrumentId, Outlier, Revision, Timeframe,
    TooLate, Unmatched,
};

pub use alerts::AlertRow;
pub use candles::CandleRow;
pub use events::DeadLetterRow;
pub use indicators::IndicatorRow;
pub use row::{Cell, Column, Row, key, value};
pub use text::{cell_json, cell_text, write_csv_header, write_csv_row};

/// Everything that can be read, by name.
pub const VIEWS: &[View] = &[
    View {
        name: "alerts",
        kind: ViewKind::Keyed,
        columns: AlertRow::COLUMNS,
        doc: "rules that came to hold at a bar: raised, and withdrawn when a restatement ended that",
    },
    View {
        name: "candles",
        kind: ViewKind::Keyed,
        columns: CandleRow::COLUMNS,
        doc: "OHLCV bars of every timeframe: base bars per commit, larger ones per round",
    },
    View {
        name: "conflicts",
        kind: ViewKind::Log,
        columns: Conflict::COLUMNS,
        doc: "copies of a trade that do not agree with the one that counts",
    },
    View {
        name: "dead_letters",
        kind: ViewKind::Log,
        columns: DeadLetterRow::COLUMNS,
        doc: "input that could not become a record, and why",
    },
    View {
        name: "indicators",
        kind: ViewKind::Keyed,
        columns: IndicatorRow::COLUMNS,
        doc: "indicators of every timeframe, per round, restated whenever their bars are",
    },
    View {
        name: "outliers",
        kind: ViewKind::Log,
        columns: Outlier::COLUMNS,
        doc: "trades and corrections whose price is far away from recent prices; they count all the same",
    },
    View {
        name: "revisions",
        kind: ViewKind::Log,
        columns: Revision::COLUMNS,
        doc: "every change of a bar that was final, with before, after and cause",
    },
    View {
        name: "too_late",
        kind: ViewKind::Log,
        columns: TooLate::COLUMNS,
        doc: "trades older than `reject_after` allows",
    },
    View {
        name: "unmatched",
        kind: ViewKind::Log,
        columns: Unmatched::COLUMNS,
        doc: "corrections and cancels whose trade was unknown when they came",
    },
];

/// What numbers in rows stand for, fixed when a job is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The names of rules, by number.
    pub rules: Vec<String>,
    /// The labels of indicators and the names of their outputs, by number.
    pub indicators: Vec<(String, &'static [&'static str])>,
}

/// A named output.
#[derive(Debug, PartialEq, Eq)]
pub struct View {
    /// Its name in paths, files and configuration.
    pub name: &'static str,
    /// How its rows behave.
    pub kind: ViewKind,
    /// Its columns.
    pub columns: &'static [Column],
    /// What it holds.
    pub doc: &'static str,
}

/// How the rows of a view behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewKind {
    /// One row per key, restated in place.
    Keyed,
    /// Rows are only appended; the oldest go when the log reaches its bound in bytes.
    Log,
}

impl ViewKind {
    /// `keyed` or `log`.
    pub fn name(self) -> &'static str {
        match self {
            ViewKind::Keyed => "keyed",
            ViewKind::Log => "log",
        }
    }
}

/// The view of this name.
pub fn view(name: &str) -> Option<&'static View> {
    VIEWS.iter().find(|view| view.name == name)
}

/// Up to when an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frontier {
    /// The last commit that the answer reflects, and it reflects all of it; none before the first.
    pub commit: Option<Commit>,
    /// The system time of that commit.
    pub at: EventTime,
}

/// What to read of a view.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The view.
    pub view: &'static View,
    /// Only rows of this instrument; it also names the shard that is asked.
    pub instrument: Option<InstrumentId>,
    /// Only rows of this timeframe; for views that have one.
    pub timeframe: Option<Timeframe>,
    /// Only rows at or after this time: `open_time` of bars.
    pub from: Option<EventTime>,
    /// Only rows before this time.
    pub to: Option<EventTime>,
    /// Read from the latest row backwards, so that a limit keeps the latest rows.
    pub latest_first: bool,
    /// At most so many rows.
    pub limit: usize,
}

/// Rows as of one frontier.
#[derive(Clone, Debug)]
pub struct Page {
    /// Up to when they are complete.
    pub frontier: Frontier,
    /// The rows, in the order of the view's key (or latest first, if so asked); one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// Whether the limit left rows out.
    pub more: bool,
}

/// Bars as of one frontier: the rows of a [`Page`] of `candles`, for those who compute with them.
#[derive(Clone, Debug)]
pub struct CandlePage {
    /// Up to when they are complete.
    pub frontier: Frontier,
    /// The bars, in the order of their keys, or latest first.
    pub rows: Vec<(CandleKey, Candle)>,
    /// Whether the limit left bars out.
    pub more: bool,
}

/// Why a read could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The workers have stopped.
    #[error("the views are closed: the workers have stopped")]
    Closed,
}

/// Reads views at a frontier that is common to all shards.
///
/// Never waits for a worker and never holds one up.
pub trait ViewReader: Send + Sync {
    /// The frontier that a read would have now.
    fn frontier(&self) -> Frontier;

    /// Reads rows.
    fn scan(&self, scan: Scan) -> Reading<'_, Page>;

    /// Reads bars; the view of `scan` must be `candles`.
    fn candles(&self, scan: Scan) -> Reading<'_, CandlePage>;

    /// How many rows a view has now: current rows of keyed ones, rows ever appended of logs.
    fn count(&self, view: &'static View) -> u64;
}

/// The answer of a [`ViewReader`], to come.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, ReadError>> + Send + 'a>>;
