//! Ingestion: from sources to workers, through the commit clock.
//!
//! ```text
//! source partition ─ ReaderThread ─► queue of the source ─┬─► sequencer: live | files ─► CommitDispatcher ─► workers
//! client           ─ HttpIngest   ─► queue of the source ─┘             recorded ──────┘
//! ```
//! Each source has a queue of [`SourceEvent`]s with a bound (`event_queues`).
//! A sequencer decides which records a commit holds and closes it; the [`CommitDispatcher`] routes it by shard and keeps what
//! is in flight within bounds.

mod causes;
pub mod checkpoints;
mod closed_commit;
pub mod commit_log;
pub mod connections;
pub mod dispatcher;
pub mod event_queues;
pub mod feed;
pub mod http_ingest;
pub mod idempotency;
pub mod input;
pub mod partition_states;
mod paused_sources;
pub mod play;
pub mod promises;
pub mod reader_thread;
pub mod recording;
pub mod recovery;
pub mod sequencer;
pub mod source_manager;
pub mod state_copy;
mod stop;
mod system_time;

pub(crate) use causes::with_causes;
pub use closed_commit::ClosedCommit;
pub use dispatcher::{CommitDispatcher, CommitObserver, Decided, DispatchError, InFlightLimits};
pub use event_queues::{EventReceiver, EventSender, event_queue, event_queues};
pub use feed::{Delivery, FeedSender, feed};
pub use input::{ControlEvent, ControlRecord, SourceEvent};
pub use paused_sources::PausedSources;
pub use sequencer::{sequence_files, sequence_live, sequence_recording};
pub use stop::Stop;
pub use system_time::now;
