//! The views: their list, the columns of their rows, and the interface that reads them.
//!
//! Uses neither the engine nor HTTP: `publish/` implements [`ViewReader`], `serve/` calls it.
//! To add a view: a row type in a file here, and a line in [`VIEWS`].

mod alerts;
mod candles;
mod events;
mod gaps;
mod health;
mod incidents;
mod indicators;
mod portfolios;
mod reader;
mod row;
mod row_filter;
mod signals;
mod sinks;
mod sources;
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
pub use reader::{
    AsOf, CandlePage, Change, Changes, Frontier, Page, ReadError, ReadFuture, Scan, Snapshot,
    SnapshotPart, ViewReader,
};
pub use row::{Cell, Column, Row, key, value};
pub use row_filter::{Dimension, KeyRange, OPEN_TIME, RowFilter};
pub use signals::SignalRow;
pub use sinks::SinkRow;
pub use sources::SourceRow;
pub use text::{cell_json, cell_text, plain_text, row_json, write_csv_header, write_csv_row};
pub use trades::TradeRow;

/// All views.
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
        doc: "the checks of `/health`, per round",
        history: false,
        recorded: false,
    },
    View {
        name: "incidents",
        kind: ViewKind::Log,
        columns: IncidentRow::COLUMNS,
        doc: "events of connections of sources: disconnected, connected again, rows that cannot be read any more",
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
        doc: "the state of each rule at each instrument and timeframe, per round",
        history: false,
        recorded: true,
    },
    View {
        name: "sinks",
        kind: ViewKind::Keyed,
        columns: SinkRow::COLUMNS,
        doc: "the progress and state of each delivery of a view to a sink, per round",
        history: false,
        recorded: false,
    },
    View {
        name: "sources",
        kind: ViewKind::Keyed,
        columns: SourceRow::COLUMNS,
        doc: "the status of each source: state, rows read, watermark and lag, per round",
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
        doc: "accepted trades, corrections and cancels, without copies of trades",
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

/// Names for the numbers in rows, fixed when a job is configured.
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
    /// The indicator and output in a slot of a bar; slots are in the order of indicators and their outputs.
    pub fn number(&self, slot: usize) -> Option<(&str, &'static str)> {
        let outputs = self.indicators.iter().flat_map(|(indicator, outputs)| {
            outputs.iter().map(move |output| (indicator.as_str(), *output))
        });
        outputs.into_iter().nth(slot)
    }
}

/// Names the partitions of a source by number, including those that appear while it is read.
#[derive(Clone)]
pub struct PartitionNames(Arc<dyn Fn(u32) -> String + Send + Sync>);

impl PartitionNames {
    /// `name` must always return the same name for a number.
    pub fn new(name: impl Fn(u32) -> String + Send + Sync + 'static) -> PartitionNames {
        PartitionNames(Arc::new(name))
    }

    /// A source with one partition of this name.
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
    /// A description of its rows.
    pub doc: &'static str,
    /// Whether it can be read as of an earlier commit.
    pub history: bool,
    /// Whether its rows are a function of the commits in a recording, so that a replay reproduces them. Else they
    /// describe the process: they have no digest and are not written as files.
    pub recorded: bool,
}

/// How the rows of a view behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewKind {
    /// One row per key, restated in place.
    Keyed,
    /// Rows are only appended; the oldest are dropped when the log reaches its bound in bytes.
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

/// Views that were renamed: the former name, which is accepted for one more version, and the present one.
const RENAMED: &[(&str, &str)] = &[("providers", "sources")];

/// The present name of a view whose former name this is.
pub fn renamed(name: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(former, _)| *former == name).map(|(_, present)| *present)
}

/// The view of this name, or of this [former](renamed) name.
pub fn view(name: &str) -> Option<&'static View> {
    let name = renamed(name).unwrap_or(name);
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
