//! Subscriptions to views: a snapshot at a frontier, then exactly the changes after it, over any transport.
//!
//! A subscriber *pulls*: after its client has taken a message, it reads the net change from the cursor's commit to the
//! newest one. Slow clients are not buffered; their next update is the exact net change over more commits. A client
//! that falls behind the retained changes receives `resync` and a new snapshot. No buffer grows with the slowness of a
//! client.
//!
//! Subscribers that have caught up are served by a broadcast task, one per 256 identical subscriptions. It reads and
//! encodes the next change once, and sends it to every cursor at its start. A client that keeps up costs one write per
//! message and no wake-up. Every other subscriber is woken and reads the change itself.
//!
//! A message with which the client has everything up to a commit has a token ([`resume`](crate::resume)). A client that
//! comes back with one receives `resumed` and what it missed, or `resync`, the reason and a snapshot.
//!
//! Reading order: [`SubscriptionRequest`] (view, filter and encoding) → `message` (messages, and the sink of a client)
//! → [`Subscriber`] (the task of a subscription), `group` (that of several views in one cut) → `cursor` (its position)
//! → `broadcaster` (one change to many) → `bodies` (changes and parts as JSON) → `snapshots`, `update_cache` (each part
//! and change encoded once per key).

mod bodies;
mod broadcaster;
mod cache;
mod counted;
mod cursor;
mod group;
mod message;
mod retry;
mod snapshots;
mod subscriber;
mod subscription;
mod update_cache;

pub(super) use group::{GroupMember, GroupSubscriber};
pub(super) use message::{ClientSink, Message, MessageKind, SendOutcome, WaitFuture};
pub(super) use subscriber::{Subscriber, SubscriptionHandle};
pub(super) use subscription::{OPTIONS, RESUME, SUBSCRIPTION, SubscriptionRequest, VIEW};
pub use update_cache::UpdateCache;
