//! The trade ledger: owns ids, tombstones and trades of each instrument, and folds the base bars.
//!
//! * **Key**: instrument. **Input**: [`market::Record`]s of closed commits. **Output**: [`crate::LedgerOut`].
//! * **Meaning**: `docs/semantics.md`, sections on acceptance, trades, conflicts, gaps, bars and outliers.
//! * **State bound**: trades whose latest bar ended within `correction_horizon` of the instrument's
//!   watermark, every base bar, and at most `gaps_max` gaps per instrument and id scope; [`crate::Core::size`]
//!   gives the bytes, the caller enforces the budget.
//! * **Cost**: O(1) a plain trade, O(log n) a change of an amended one. A bar is folded anew
//!   once in a commit in which its open, close, high or low left it, at the cost of a merge per 256
//!   trades. No commit rehashes, packs or frees more than some thousand trades of an instrument. Medians for
//!   outliers are taken about once per new bar and changed close, not per record.
//!
//! # How trades are kept
//!
//! Most trades are never amended: only one `New` and its copies arrive. These are **plain** (`rows`): rows of
//! at most 256 in the chunks of their base bar (`chunk`), in the order in which they came, for a bar is a fold
//! that knows no order. A chunk that is full, or has been left behind, is packed into columns as narrow as its
//! values, and knows what its rows come to. A chunk is found by number, a row by its place in it.
//!
//! A correction, a cancel or a conflicting copy makes a trade an **amended trade**
//! (`trades`), kept in ordered maps. Its row is void from then on. A print that counts in another bar than that of its
//! time, such as that of a long closing auction, is one from the beginning: so a row is in the bar of its time.
//!
//! An integer id above all earlier ones is not looked up, and its row is found by its neighbours
//! (`runs`). One hash index of four-byte numbers (`index`) finds all other rows and ids of amended trades. When a bar
//! leaves the horizon, its plain trades are forgotten by one comparison: what they come to is what the bar comes to
//! without its amended trades. Chunks of forgotten bars are freed a few per commit, and their index entries go when its
//! table is rebuilt.
//!
//! The slow twin (`plain`) is the obvious form of the same, on ordered maps. By its rules [`explain`] says which trades are
//! behind a bar, from the trade log alone.

mod bars;
mod buckets;
mod chunk;
pub mod explain;
mod gaps;
mod index;
mod instrument;
mod outliers;
mod plain;
mod rows;
mod runs;
mod shard;
mod streams;
mod trades;
mod version;

use market::{Calendars, Span, Timeframe};

pub use outliers::OutlierRule;
pub use shard::{InstrumentLedger, LedgerShard};

/// The ledger.
pub type Ledger = LedgerShard<instrument::InstrumentState>;

/// The slow twin of [`Ledger`].
pub type PlainLedger = LedgerShard<plain::PlainInstrumentState>;

/// How the ledger judges.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// Length of base bars.
    pub base: Timeframe,
    /// The job's calendars.
    pub calendars: Calendars,
    /// Trades older than this before the watermark are refused; at most `correction_horizon`.
    pub reject_after: Span,
    /// How long single trades, ids and tombstones are kept before the watermark.
    pub correction_horizon: Span,
    /// How many gaps are kept apart per instrument and id scope; at least 1.
    pub gaps_max: usize,
    /// Which prices are far away from recent ones.
    pub outliers: OutlierRule,
}
