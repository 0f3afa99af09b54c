//! What a node tells its server beside its views: its health, its metrics, where rows of clients go, which commits of
//! earlier starts are left, and whom it answers.
//!
//! The server and the job know these types, and nothing of each other.

mod access;
mod health;
pub mod ingest;
mod lineage;
mod metrics;
mod throttle;

pub use access::{AccessError, HttpAccess};
pub use health::{Check, Component, Health, Readiness, Status};
pub use lineage::{ANCESTORS_MAX, Ancestor, Lineage, Located};
pub use metrics::MetricsText;
pub use throttle::{Over, Throttle, Told};
