//! Following views: a snapshot at a frontier, then exactly the changes after it, over any transport.
//!
//! A follower *pulls*: when its client has taken one message, it asks for the net change from the commit
//! that it has told to the newest one. So a client that is slow is not queued for: it gets fewer and
//! larger changes, which are consolidated and exact. If it falls behind what is kept of changes it is told
//! so (`resync`) and gets a new snapshot. Nothing here grows with the slowness of a client.
//!
//! Reading order: [`Wish`] (what is followed, and how it is written) → [`Follower`] (the messages, one
//! after the other) → `frames` (each change encoded once, for all who wish the same).

mod follower;
mod frames;
mod wish;

pub(super) use follower::{Follower, Message};
pub use frames::Frames;
pub(super) use wish::Wish;
