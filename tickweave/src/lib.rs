//! The command `tickweave` as a library: a running node, and the subcommands.
//!
//! ```text
//! cli ─► node (job, server, deliveries to sinks) ─► dataflows, serving
//!   └──► workload
//! ```

pub mod cli;
mod descriptors;
mod log_format;
pub mod node;
pub mod stderr;
mod supervisor;
