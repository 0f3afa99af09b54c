//! Delivering changes of views to other parts of the process, in batches: to sinks, and to whatever else
//! implements [`DeltaHandler`].
//!
//! Each handler and view has a thread of its own, a [`Deliverer`]. It *pulls*: when its handler has taken one
//! batch, it reads the net change from the commit that it has delivered to the newest one, but not more often
//! than asked. So a handler that is slow gets fewer and larger batches, consolidated and exact, and nothing is
//! queued for it. What it could not take comes again until it can (at least once). If it falls behind what is kept
//! of changes it gets a snapshot, marked as such. Knows [`views`](crate::views) only, and of sinks what they are
//! given.
//!
//! Reading order: [`DeltaHandler`] (what is delivered) → [`Deliverer`] (one handler's way through one view) →
//! [`Delivering`] (all of them, and their orderly end) → [`SinkHandler`] (rows as texts, for sinks).

mod deliverer;
mod delivering;
mod encode;
mod handler;
mod sink;
mod standing;

pub use deliverer::{Backoff, Deliverer, Wish};
pub use delivering::Delivering;
pub use encode::key_text;
pub use handler::{Batch, DeliverError, Delta, DeltaHandler, Kind, PART_DELTAS};
pub use sink::SinkHandler;
pub use standing::{Standing, Standings, State, Told};
