//! What the candles and logs should be: the slow twins of the operators.
//!
//! Everything here is written from `docs/semantics.md` and `docs/portfolios.md` and from nothing else, in
//! the most obvious way, with no thought for speed. Tests run the operators beside it and compare at every commit.
//!
//! * [`set`]: the value columns as a function of the set of records alone, for horizons that never come;
//! * [`commits`]: values, history and logs after every commit;
//! * [`gaps`]: holes in ids;
//! * [`outliers`]: which prices are far away from recent ones;
//! * [`sessions`]: trading days and bars of two markets, minute by minute;
//! * [`prints`]: when prints count that are of another session than their time;
//! * [`portfolio`]: positions, portfolios, drift, edges and risk, with random input of its own;
//! * [`random`]: inputs for candles and logs, from a seed.
//!
//! Reading order: [`prints`] → [`values`] → [`set`] → [`gaps`] → [`outliers`] → [`commits`] → [`random`]; [`portfolio`].

mod behind;
pub mod commits;
pub mod gaps;
mod history;
mod instrument;
pub mod outliers;
pub mod portfolio;
pub mod prints;
mod prng;
pub mod random;
mod revise;
mod scene;
pub mod sessions;
pub mod set;
mod stories;
pub mod timeframes;
pub mod values;
mod watermark;
