//! Ingestion: from sources to workers, through the commit clock.
//!
//! ```text
//! source partition ─ ReaderThread (bounded) ─► sequencer: live | files | recorded ─► CommitDispatcher ─► workers
//! client           ─ HttpIngest ──────────────┘
//! ```
//! A sequencer decides which records a commit holds and closes it; the [`CommitDispatcher`] routes it by shard and keeps what
//! is in flight within bounds.

pub mod connections;
pub mod dispatcher;
pub mod feed;
pub mod http_ingest;
pub mod play;
pub mod reader_thread;
pub mod recording;
pub mod sequencer;
pub mod source_manager;
pub mod source_status;

pub use dispatcher::{ClosedCommit, CommitDispatcher, DispatchError, InFlightLimits};
pub use feed::{Delivery, FeedSender, feed};
pub use sequencer::{Stop, sequence_files, sequence_live, sequence_recording};
