//! The views: their list, the columns of their rows, and the interface that reads them.
//!
//! Uses neither the engine nor HTTP: `publish/` implements [`ViewReader`], `serving` calls it.
//! To add a view: a row type in a file here, and a line in [`VIEWS`].

mod alerts;
mod events;
mod gaps;
mod health;
mod incidents;
mod indicators;
mod portfolios;
mod signals;
mod sinks;
mod sources;
mod trades;

use rows::{CandleRow, Row, View, ViewKind, ViewList};

pub use alerts::AlertRow;
pub use events::{ConflictRow, DeadLetterRow, OutlierRow, RevisionRow, TooLateRow, UnmatchedRow};
pub use gaps::GapRow;
pub use health::HealthRow;
pub use incidents::IncidentRow;
pub use indicators::IndicatorRow;
pub use portfolios::{DriftRow, EdgeRow, FillFaultRow, PortfolioRow, PositionRow, RiskRow};
pub use signals::SignalRow;
pub use sinks::SinkRow;
pub use sources::SourceRow;
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
        columns: ConflictRow::COLUMNS,
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
        columns: OutlierRow::COLUMNS,
        doc: "trades and corrections whose price is far away from recent prices; they count all the same",
        history: false,
        recorded: true,
    },
    View {
        name: "revisions",
        kind: ViewKind::Log,
        columns: RevisionRow::COLUMNS,
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
        columns: TooLateRow::COLUMNS,
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
        columns: UnmatchedRow::COLUMNS,
        doc: "corrections and cancels whose trade was unknown when they came",
        history: false,
        recorded: true,
    },
];

/// Views that were renamed: the former name, which is accepted for one more version, and the present one.
const RENAMED: &[(&str, &str)] = &[("providers", "sources")];

/// All views, by name.
pub const VIEW_LIST: ViewList = ViewList { views: VIEWS, renamed: RENAMED };

/// The present name of a view whose former name this is.
pub fn renamed(name: &str) -> Option<&'static str> {
    VIEW_LIST.renamed(name)
}

/// The view of this name, or of this [former](renamed) name.
pub fn view(name: &str) -> Option<&'static View> {
    VIEW_LIST.named(name)
}
