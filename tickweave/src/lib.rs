//! The command `tickweave` as a library: a running node, and the subcommands.
//!
//! ```text
//! cli ─► node (job, server, deliveries to sinks) ─► dataflows, serving
//!   ├──► keys (the file of API keys)
//!   └──► workload
//! ```

pub mod cli;
mod descriptors;
pub mod keys;
mod log_format;
pub mod node;
pub mod stderr;
mod supervisor;
