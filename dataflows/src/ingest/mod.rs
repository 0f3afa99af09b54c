//! Ingestion: from sources to workers, through the commit clock.
//!
//! ```text
//! source partition ─ pump (a thread each, bounded) ─► driver: live | file | recorded ─► CommitDispatcher ─► workers
//! client           ─ HttpIngest ──────────────────────────────┘
//! ```
//! A driver decides what a commit holds and seals it; the [`CommitDispatcher`] routes it by shard and keeps what
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

pub use dispatcher::{ClosedCommit, CommitDispatcher, DispatchError, Limits};
pub use feed::{Delivery, FeedSender, feed};
pub use sequencer::{Stop, sequence_files, sequence_live, sequence_recording};
