//! Ingestion: from sources to workers, through the commit clock.
//!
//! ```text
//! source partition ─ pump (a thread each, bounded) ─► driver: live | file | recorded ─► Handover ─► workers
//! client           ─ HttpInlet ──────────────────────────────┘
//! ```
//! A driver decides what a commit holds and seals it; the [`Handover`] routes it by shard and keeps what
//! is in flight within bounds.

pub mod drive;
pub mod feed;
pub mod handover;
pub mod inlet;
pub mod links;
pub mod play;
pub mod providers;
pub mod pump;
pub mod reading;
pub mod recording;

pub use drive::{Stop, drive_files, drive_live, drive_recording};
pub use feed::{Delivery, FeedSender, feed};
pub use handover::{Handover, HandoverError, Limits, Sealed};
