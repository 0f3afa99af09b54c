//! Sinks that tell somebody: `webhook`.

mod channel;
mod config;
mod http_client;
mod http_target;
mod limit;
mod notice;
mod outbox;
mod row;
mod select;
mod signature;
mod template;
mod told;
pub mod webhook;

pub use config::NotifyConfig;
pub use http_target::HttpTargetConfig;
pub use signature::signature;

/// The view whose rows are raised and withdrawn.
const ALERTS: &str = "alerts";
