//! The views, one file each: schema, key, order, cells, and how rows are taken from the output of an operator.
//!
//! Views know the outputs of operators, but neither the engine nor HTTP. To add a view: a file here, and a line in
//! `view_list.rs`.

mod alert_events;
mod alerts;
mod bars;
mod candles;
pub(crate) mod cells;
mod conflicts;
mod control;
mod dead_letters;
mod drift;
mod edges;
mod events;
mod fees;
mod fill_faults;
mod fills;
mod gap_events;
mod gaps;
mod health;
mod incidents;
mod indicators;
pub mod kinds;
mod outliers;
mod portfolios;
mod positions;
mod revisions;
mod risk;
mod signals;
mod sinks;
mod sources;
mod too_late;
mod trades;
mod unmatched;

pub use alert_events::AlertEventLog;
pub use alerts::AlertsView;
pub use candles::CandlesView;
pub use conflicts::ConflictLog;
pub use control::{ControlKind, ControlLog, ControlRow};
pub use dead_letters::{DeadLetterLog, DeadLetterRow};
pub use drift::DriftView;
pub use edges::EdgesView;
pub use events::EventLog;
pub use fees::FeesView;
pub use fill_faults::FillFaultLog;
pub use fills::{FILL_KINDS, FillLog};
pub use gap_events::GapEventLog;
pub use gaps::GapsView;
pub use health::{HEALTH, HealthRow};
pub use incidents::{IncidentLog, IncidentRow};
pub use indicators::IndicatorsView;
pub use outliers::OutlierLog;
pub use portfolios::PortfoliosView;
pub use positions::PositionsView;
pub use revisions::RevisionLog;
pub use risk::RiskView;
pub use signals::SignalsView;
pub use sinks::{SINKS, SinkRow};
pub use sources::{SOURCES, SourceRow};
pub use too_late::TooLateLog;
pub use trades::{ShardEvents, TradeLog};
pub use unmatched::UnmatchedLog;
