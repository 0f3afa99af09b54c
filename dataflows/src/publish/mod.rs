//! Publishing: from the operators' output to arrangements, logs and digests that any thread may read.
//!
//! The only place that knows both arrangements and views. Workers publish the shared batches of their
//! arrangement with its frontier; readers walk them on their own threads at one common frontier.

mod board;
mod digest;
pub mod keyed;
mod logs;
mod reader;
mod tap;

pub use board::{Board, Cut, Published, WorkerFailed};
pub use digest::{Digest, ViewDigest};
pub use logs::{LogRow, Logs};
pub use reader::BoardReader;
pub use tap::{Publisher, Trace, Traces, log, publish_alerts, publish_candles};
