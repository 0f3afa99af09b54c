//! Jobs: which operators form the dataflow. To add one: a file here, and its line below.

pub mod candles;
mod portfolios;

/// The jobs that this build knows, with what they do.
pub const JOBS: &[(&str, &str)] =
    &[("candles", "trades to exact candles of every timeframe, with revisions")];
