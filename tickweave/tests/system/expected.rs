//! Candles of real trades against candles that were computed elsewhere.
//!
//! The trades and the expected candles (`expected_candles/*.csv.gz`: exact decimal sums, order in a bar
//! is the order of the file) lie outside the repository, in `../shared/data`; without them these tests
//! say `skipped` and pass. Every comparison runs the `tickweave` command and asks for the same set of
//! bars, and for the same decimal text in open, high, low, close, volume, notional and trades, trailing
//! zeros aside.

pub(crate) mod bars;
mod binance;
mod bitmex;
mod convert;
pub(crate) mod data;
mod equities;
mod gaps;
mod replay;
