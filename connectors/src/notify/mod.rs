//! Sinks that tell somebody: webhooks, Slack, e-mail, and Alertmanager.
//!
//! ```text
//! batch ─► select (what is told) ─► outbox (in order, as often as it takes, so many a minute) ─► channel
//! batch ─► standing alerts ─► Alertmanager
//! ```
//!
//! A `notice` is one change, with an id that stays the same over all tries, and over restarts of a job that keeps its
//! state. A channel says of each: sent, later, or never. What is never sent is a dead letter. docs/notifications.md says
//! what is told, what may come twice, and what may be missing.
//!
//! Bounds: a message has at most 256 KiB; requests and answers have time limits; 512 bytes of an answer are read. At most
//! a batch of notices waits ([`BATCH_RECORDS`](crate::sink::BATCH_RECORDS)), and 10,000 alerts stand.

pub mod alertmanager;
mod channel;
mod config;
pub mod email;
mod http_client;
mod http_target;
mod limit;
mod notice;
mod outbox;
mod redaction;
mod row;
mod select;
mod signature;
pub mod slack;
mod template;
#[cfg(test)]
mod tests;
mod told;
pub mod webhook;

pub use config::NotifyConfig;
pub use http_target::HttpTargetConfig;
pub use signature::signature;

/// The view whose rows are raised and withdrawn.
const ALERTS: &str = "alerts";
