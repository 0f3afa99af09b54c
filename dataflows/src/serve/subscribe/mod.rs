//! Following views: a snapshot at a frontier, then exactly the changes after it, over any transport.
//!
//! A follower *pulls*: when its client has taken one message, it asks for the net change from the commit
//! that it has told to the newest one. So a client that is slow is not queued for: it gets fewer and
//! larger changes, which are consolidated and exact. If it falls behind what is kept of changes it is told
//! so (`resync`) and gets a new snapshot. Nothing here grows with the slowness of a client.
//!
//! A follower with nothing left to tell stands *ready*. A broadcaster, one for all who request the same, reads and
//! encodes the next change once and hands it to all who are ready and exactly where it begins; so a client
//! that keeps up costs one write a message and no task of its own. Whoever is elsewhere is called and pulls.
//!
//! Reading order: [`SubscriptionRequest`] (what is followed, and how it is written) → `message` (what is told, and the way
//! to the client) → [`Subscriber`] (the messages, one after the other) → `cursor` (how far a follower is) →
//! `broadcaster` (the same change to many) → `snapshots`, `frames` (each part and change encoded once, for all who
//! request the same).

mod broadcaster;
mod cache;
mod cursor;
mod message;
mod snapshots;
mod subscriber;
mod subscription;
mod update_cache;

pub(super) use message::{ClientSink, Message, SendOutcome, WaitFuture};
pub(super) use subscriber::{CancelHandle, Subscriber};
pub(super) use subscription::SubscriptionRequest;
pub use update_cache::UpdateCache;
