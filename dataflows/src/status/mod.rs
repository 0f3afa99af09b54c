//! What describes the process beside the commits: the tables `sources`, `sinks` and `health`, and the log `incidents`.
//!
//! The dispatcher shows each commit to the [`StatusReporter`], which publishes the tables at the end of every round.

mod reporter;
mod sources;

pub use reporter::StatusReporter;
pub use sources::{SourceInfo, SourceStatuses};
