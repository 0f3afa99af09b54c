//! Publishing: from the operators' output to arrangements, logs and digests that any thread may read.
//!
//! The only place that knows both arrangements and views. Workers publish the shared batches of their
//! arrangement with its frontier; readers walk them on their own threads at one common frontier.

mod arranged;
mod board;
mod digest;
mod history;
pub mod keyed;
mod logs;
mod reader;
mod rest;
mod ring;
mod scan;
mod split;
mod table;
mod tape;

pub use arranged::{Arranged, Arrangement, Publisher};
pub use board::{Board, BoardConfig, Cut, Published, Tables, WorkerFailed};
pub use digest::{Digest, ViewDigest};
pub use history::History;
pub use logs::{LogRow, Logs};
pub use reader::BoardReader;
pub use split::{
    Rows, log, publish, publish_alerts, publish_candles, publish_gaps, publish_indicators,
    publish_portfolios, publish_signals,
};
pub use table::Table;
pub use tape::{TAPE, Tape};
