//! Publishing: turns the operators' output into arrangements, logs and digests that any thread may read.
//!
//! Only this module uses both arrangements and views. Workers publish the shared batches of their arrangements with
//! their frontiers. Readers scan the batches on their own threads at a common frontier.

mod arranged;
mod board;
mod change_log;
mod digest;
mod history;
pub mod keyed;
pub mod keyed_rows;
mod log_rows;
mod logs;
mod reader;
mod ring;
mod scan;
mod schema;
mod snapshot_points;
mod snapshots;
mod split;
mod table;
mod trade_log;

pub use arranged::{Arranged, Arrangement, Publisher};
pub use board::{Board, BoardConfig, ConsistentCut, Published, Tables, WorkerFailed};
pub use change_log::{ChangeLog, Commits, Exempt, Retained};
pub use digest::{Digest, ViewDigest};
pub use logs::{LogRow, Logs};
pub use reader::BoardReader;
pub use ring::Ring;
pub use snapshot_points::SnapshotPoints;
pub use split::{
    Rows, log, publish, publish_alerts, publish_candles, publish_gaps, publish_indicators,
    publish_portfolios, publish_signals,
};
pub use table::Table;
pub use trade_log::{ShardEvents, TRADE_LOG, TradeLog};
