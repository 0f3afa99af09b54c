//! Following views: a snapshot at a frontier, then exactly the changes after it, over any transport.
//!
//! A follower *pulls*: when its client has taken one message, it asks for the net change from the commit
//! that it has told to the newest one. So a client that is slow is not queued for: it gets fewer and
//! larger changes, which are consolidated and exact. If it falls behind what is kept of changes it is told
//! so (`resync`) and gets a new snapshot. Nothing here grows with the slowness of a client.
//!
//! A follower with nothing left to tell stands *ready*. A crier, one for all who wish the same, reads and
//! encodes the next change once and hands it to all who are ready and exactly where it begins; so a client
//! that keeps up costs one write a message and no task of its own. Whoever is elsewhere is called and pulls.
//!
//! Reading order: [`Wish`] (what is followed, and how it is written) → `message` (what is told, and the way
//! to the client) → [`Follower`] (the messages, one after the other) → `stand` (how far a follower is) →
//! `crier` (the same change to many) → `snapshots`, `frames` (each part and change encoded once, for all who
//! wish the same).

mod cache;
mod crier;
mod follower;
mod frames;
mod message;
mod snapshots;
mod stand;
mod wish;

pub(super) use follower::{Follower, Leave};
pub use frames::Frames;
pub(super) use message::{Message, Offered, Outlet, Waiting};
pub(super) use wish::Wish;
