//! Delivers changes of views, in batches, to sinks and to every other implementation of [`DeltaHandler`].
//!
//! Each pair of handler and view has a thread, its [`SinkDriver`]. The driver *pulls*: after its handler has taken
//! a batch, it reads the net change from the delivered commit to the newest one, at most once per configured
//! interval. A slow handler therefore gets fewer and larger batches, consolidated and exact. Nothing is queued for
//! it. A batch that fails is retried until the handler takes it (at least once). A handler that falls behind the
//! retained changes gets a snapshot, marked as a resync. On request, rows that an earlier run has left behind are deleted
//! ([`CompleteView`]). The module uses only [`views`](crate::views) and the
//! sink traits of `connectors`.
//!
//! Reading order: [`DeltaHandler`] (the batches) → [`SinkDriver`] (one handler and one view) → [`SinkSet`] (all
//! drivers, and their shutdown) → [`SinkHandler`] (rows as text, for sinks).

mod encode;
mod handler;
mod missing_rows;
mod sink;
mod sink_driver;
mod sink_set;
mod status;

pub use encode::key_text;
pub use handler::{
    CompleteView, DeliverError, Delta, DeltaBatch, DeltaHandler, DeltaKind, PART_DELTAS,
};
pub use sink::SinkHandler;
pub use sink_driver::{Backoff, SinkDriver, SinkSubscription};
pub use sink_set::{SinkSet, Undelivered};
pub use status::{SinkProgress, SinkState, SinkStatus, SinkStatuses};
