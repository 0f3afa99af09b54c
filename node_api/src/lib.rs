//! What a node tells its server beside its views: its health, its metrics, and where rows of clients go.
//!
//! The server and the job know these types, and nothing of each other.

mod health;
pub mod ingest;
mod metrics;

pub use health::{Check, Health, Readiness, Status};
pub use metrics::MetricsText;
