//! What can be read: the list of views, the shape of their rows, and the one way to read them.
//!
//! Knows neither the engine nor HTTP: `publish/` implements [`ViewReader`], `serve/` calls it.
//! To add a view: a row type in a file here, and a line in [`VIEWS`].

mod alerts;
mod candles;
mod events;
mod gaps;
mod health;
mod incidents;
mod indicators;
mod portfolios;
mod providers;
mod reader;
mod row;
mod row_filter;
mod signals;
mod sinks;
mod text;
mod trades;

use std::fmt;
use std::sync::Arc;

use market::{Conflict, Outlier, Revision, TooLate, Unmatched};

pub use alerts::AlertRow;
pub use candles::CandleRow;
pub use events::DeadLetterRow;
pub use gaps::GapRow;
pub use health::HealthRow;
pub use incidents::IncidentRow;
pub use indicators::IndicatorRow;
pub use portfolios::{DriftRow, EdgeRow, FillFaultRow, PortfolioRow, PositionRow, RiskRow};
pub use providers::ProviderRow;
pub use reader::{
    AsOf, CandlePage, Change, Changes, Frontier, Page, ReadError, Reading, Scan, Snapshot,
    SnapshotPart, ViewReader,
};
pub use row::{Cell, Column, Row, key, value};
pub use row_filter::{Dimension, KeyRange, OPEN_TIME, RowFilter};
pub use signals::SignalRow;
pub use sinks::SinkRow;
pub use text::{cell_json, cell_text, plain_text, row_json, write_csv_header, write_csv_row};
pub use trades::TradeRow;

/// Everything that can be read, by name.
pub const VIEWS: &[View] = &[
    View {
        name: "alerts",
        kind: ViewKind::Keyed,
        columns: AlertRow::COLUMNS,
        doc: "rules that came to hold at a bar: raised, and withdrawn when a restatement ended that",
        history: true,
        recorded: true,
    },
    View {
        name: "candles",
        kind: ViewKind::Keyed,
        columns: CandleRow::COLUMNS,
        doc: "OHLCV bars of every timeframe: base bars per commit, larger ones per round",
        history: true,
        recorded: true,
    },
    View {
        name: "conflicts",
        kind: ViewKind::Log,
        columns: Conflict::COLUMNS,
        doc: "copies of a trade that do not agree with the one that counts",
        history: false,
        recorded: true,
    },
    View {
        name: "dead_letters",
        kind: ViewKind::Log,
        columns: DeadLetterRow::COLUMNS,
        doc: "input that could not become a record, and why",
        history: false,
        recorded: true,
    },
    View {
        name: "drift",
        kind: ViewKind::Keyed,
        columns: DriftRow::COLUMNS,
        doc: "weights of positions, how far they are from their targets, and the trades that close that",
        history: false,
        recorded: true,
    },
    View {
        name: "edges",
        kind: ViewKind::Keyed,
        columns: EdgeRow::COLUMNS,
        doc: "fair values, posted or computed, beside the mark",
        history: false,
        recorded: true,
    },
    View {
        name: "fill_faults",
        kind: ViewKind::Log,
        columns: FillFaultRow::COLUMNS,
        doc: "fills that do not agree with each other, and corrections of unknown ones",
        history: false,
        recorded: true,
    },
    View {
        name: "gaps",
        kind: ViewKind::Keyed,
        columns: GapRow::COLUMNS,
        doc: "missing trades: holes in ids that a venue gives out without holes, now",
        history: false,
        recorded: true,
    },
    View {
        name: "health",
        kind: ViewKind::Keyed,
        columns: HealthRow::COLUMNS,
        doc: "how the process is: the checks of `/health`, per round",
        history: false,
        recorded: false,
    },
    View {
        name: "incidents",
        kind: ViewKind::Log,
        columns: IncidentRow::COLUMNS,
        doc: "what happened to connections of sources: lost, reached again, rows that cannot be read any more",
        history: false,
        recorded: false,
    },
    View {
        name: "indicators",
        kind: ViewKind::Keyed,
        columns: IndicatorRow::COLUMNS,
        doc: "indicators of every timeframe, per round, restated whenever their bars are",
        history: false,
        recorded: true,
    },
    View {
        name: "providers",
        kind: ViewKind::Keyed,
        columns: ProviderRow::COLUMNS,
        doc: "how each source is: what it does, how much it has brought and how far it is, per round",
        history: false,
        recorded: false,
    },
    View {
        name: "portfolios",
        kind: ViewKind::Keyed,
        columns: PortfolioRow::COLUMNS,
        doc: "value, exposure and profit of portfolios in their base currency, per round",
        history: true,
        recorded: true,
    },
    View {
        name: "positions",
        kind: ViewKind::Keyed,
        columns: PositionRow::COLUMNS,
        doc: "what portfolios hold, what it cost and what it is worth, per round",
        history: true,
        recorded: true,
    },
    View {
        name: "outliers",
        kind: ViewKind::Log,
        columns: Outlier::COLUMNS,
        doc: "trades and corrections whose price is far away from recent prices; they count all the same",
        history: false,
        recorded: true,
    },
    View {
        name: "revisions",
        kind: ViewKind::Log,
        columns: Revision::COLUMNS,
        doc: "every change of a bar that was final, with before, after and cause",
        history: false,
        recorded: true,
    },
    View {
        name: "risk",
        kind: ViewKind::Keyed,
        columns: RiskRow::COLUMNS,
        doc: "risk of portfolios and of their positions, revalued over closed bars",
        history: false,
        recorded: true,
    },
    View {
        name: "signals",
        kind: ViewKind::Keyed,
        columns: SignalRow::COLUMNS,
        doc: "where each rule stands at each instrument and timeframe, per round",
        history: false,
        recorded: true,
    },
    View {
        name: "sinks",
        kind: ViewKind::Keyed,
        columns: SinkRow::COLUMNS,
        doc: "how far each sink has been given each of its views, and how that goes, per round",
        history: false,
        recorded: false,
    },
    View {
        name: "too_late",
        kind: ViewKind::Log,
        columns: TooLate::COLUMNS,
        doc: "trades older than `reject_after` allows",
        history: false,
        recorded: true,
    },
    View {
        name: "trades",
        kind: ViewKind::Log,
        columns: TradeRow::COLUMNS,
        doc: "the tape: trades, corrections and cancels as they were accepted, without copies of trades",
        history: false,
        recorded: true,
    },
    View {
        name: "unmatched",
        kind: ViewKind::Log,
        columns: Unmatched::COLUMNS,
        doc: "corrections and cancels whose trade was unknown when they came",
        history: false,
        recorded: true,
    },
];

/// What numbers in rows stand for, fixed when a job is configured.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// The names of rules, by number.
    pub rules: Vec<String>,
    /// The names of sources and of their partitions, by number.
    pub sources: Vec<(String, PartitionNames)>,
    /// The labels of indicators and the names of their outputs, by number.
    pub indicators: Vec<(String, &'static [&'static str])>,
}

impl Labels {
    /// The indicator and the output whose number is in this slot of a bar's: outputs in the order of indicators.
    pub fn number(&self, slot: usize) -> Option<(&str, &'static str)> {
        let outputs = self.indicators.iter().flat_map(|(indicator, outputs)| {
            outputs.iter().map(move |output| (indicator.as_str(), *output))
        });
        outputs.into_iter().nth(slot)
    }
}

/// Names a source's partitions by number: also those that it gains while it is read.
#[derive(Clone)]
pub struct PartitionNames(Arc<dyn Fn(u32) -> String + Send + Sync>);

impl PartitionNames {
    /// As `name` tells, always the same for a number.
    pub fn new(name: impl Fn(u32) -> String + Send + Sync + 'static) -> PartitionNames {
        PartitionNames(Arc::new(name))
    }

    /// One partition of this name.
    pub fn one(name: &'static str) -> PartitionNames {
        PartitionNames::new(move |_| name.to_owned())
    }

    /// The name of partition number `partition`.
    pub fn of(&self, partition: u32) -> String {
        (self.0)(partition)
    }
}

impl fmt::Debug for PartitionNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionNames({}, …)", self.of(0))
    }
}

/// A named output.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Its name in paths, files and configuration.
    pub name: &'static str,
    /// How its rows behave.
    pub kind: ViewKind,
    /// Its columns.
    pub columns: &'static [Column],
    /// What it holds.
    pub doc: &'static str,
    /// Whether it can be read as it was.
    pub history: bool,
    /// Whether its rows are a function of the commits that a recording holds, so that a replay gives them
    /// again; else they tell of the process, have no digest and are not written as files.
    pub recorded: bool,
}

/// How the rows of a view behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl View {
    /// Whether two rows agree in all key columns.
    pub fn same_key(&self, a: &[Cell], b: &[Cell]) -> bool {
        self.columns.iter().zip(a.iter().zip(b)).all(|(column, (a, b))| !column.key || a == b)
    }

    /// The number of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}
