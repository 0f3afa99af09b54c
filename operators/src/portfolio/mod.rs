//! Portfolios: positions from fills, and what they are worth, weigh and risk. `docs/portfolios.md` defines
//! every number.
//!
//! Three cores and a little dataflow, all of which move at the ends of rounds only:
//!
//! * [`Fills`], by portfolio: the fold of surviving fills, and targets → [`PortfolioLine`]s;
//! * [`Quotes`], by instrument: marks, closes for risk, fair values → [`QuotesOut`];
//! * the valuation core, one per worker: both → positions, fees, portfolios, drift;
//! * [`valuation`]: wires them, joins risk from the open positions that the core emits → the changes of all tables
//!   ([`ValuationStreams`]).
//!
//! [`explain`] says what is behind a position, from the log of what [`Fills`] has accepted.
//!
//! **Save and restore**: the first two cores save their states and emit again what exists at the restored commit.
//! Valuation and risk keep nothing that these rows do not rebuild, at that commit, on any number of workers.
//!
//! **Cost**: a mark that moves costs its holders, and one pass over the lines of each portfolio that holds it. A bar of
//! the risk timeframe costs the risk of each portfolio that holds its instrument. What did not change costs
//! nothing but room: a line some kilobyte, valuation and arrangements together.

mod config;
mod edge;
pub mod explain;
mod fill_records;
mod fills;
mod money;
mod position_history;
mod quotes;
mod relation;
mod risk;
mod row;
mod series;
mod totals;
mod valuation;
mod valuation_core;
mod value;

pub use config::{
    Account, ComputedFair, Confidence, Pair, PortfolioConfig, RateSource, RiskConfig,
};
pub use fills::{Fills, FillsOut, PortfolioLine};
pub use position_history::Held;
pub use quotes::{ClosesChange, EdgeChange, QuoteIn, Quotes, QuotesOut};
pub use row::{
    BaseAmounts, Drift, Edge, EdgeKey, Fault, FeeKey, FeeTotal, FillFault, Measures, Portfolio,
    PortfolioAmounts, Position, PositionKey, Risk, RiskKey, Unpriced,
};
pub use series::{Close, CloseSeries};
pub use valuation::{ValuationStreams, valuation};
