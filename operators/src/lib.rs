//! Tickweave's operators.
//!
//! | operator | keyed by | state | cost |
//! |---|---|---|---|
//! | [`ledger`] | instrument | ids, tombstones and trades within the correction horizon; base bars; gaps | O(1) a trade in order, O(log n) what corrects or cancels; one refold per bar and commit in which its open, high, low or close leaves |
//! | [`rollup`] | instrument | bars of the larger timeframes | per round and changed bar, the bars of the next smaller timeframe under it |
//! | [`indicators`] | instrument and timeframe | a row per bar and indicator | per round and changed bar, a step per indicator until states are as they were |
//! | [`signals`] | instrument, timeframe | a point per bar, a row per alert | per round, rule and changed bar, one evaluation for it and those that look back on it; of a rule that is new, one for each bar |
//!
//! | [`portfolio::Fills`] | portfolio | the records of each fill, each position's fills with what they led to, targets | a step for a fill behind all others; else one for each fill from there until the position is what it was |
//! | [`portfolio::Quotes`] | instrument | closes, fair values | per round and changed instrument, its newest bar and an edge per model |
//! | [`portfolio::valuation`] | portfolio | lines with the rows last emitted of them, marks; arrangements of what is held and of closes | per round, the holders of what moved and one pass over the lines of each of their portfolios; risk, of portfolios whose holdings or closes moved |
//!
//! Each but the last is a pure, sequential [`Core`] that is driven by plain calls; [`keyed()`] is the shell that runs
//! cores over closed commits. The last is a core as well, of which there is one per worker, and the joins of risk. What
//! frontiers and capabilities mean is known in one place (`timestamp_buffer`). Nothing here does I/O or reads a
//! clock: time is an input ([`CommitContext`]). What the numbers mean is defined in `docs/semantics.md`
//! and `docs/portfolios.md`.

pub mod arrange;
pub mod context;
pub mod heap;
pub mod indicators;
pub mod keyed;
pub mod ledger;
pub mod numbers;
pub mod output;
pub mod portfolio;
pub mod rollup;
pub mod rules;
pub mod signals;
pub mod state;

mod deadlines;
mod lifecycle;
mod time;
mod timestamp_buffer;

pub use context::{CommitContext, InstrumentClock, ReadFrom, SourceSet, Watermarks};
pub use indicators::{Indicators, IndicatorsConfig};
pub use keyed::{Core, Gauge, Sharded, keyed};
pub use ledger::{Ledger, LedgerConfig, OutlierRule, PlainLedger};
pub use output::{
    AuditEvent, BarChange, GapChange, GapOut, Judged, LedgerOut, OutcomeCounts, RecordOutcome,
    RollupIn,
};
pub use rollup::{Rollup, RollupConfig};
pub use rules::{Acknowledged, Acknowledgement, AlertKey, RulesInForce};
pub use signals::{Alert, AlertChange, SignalIn, SignalOut, Signals};
pub use state::{NoStates, SavedState, StateError, StateFault, StateReadError, StateStore};
