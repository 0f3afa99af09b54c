//! Tickweave, assembled: jobs on the engine, the commit clock, publishing, views and their serving.
//!
//! ```text
//! config ─ cli ─► run ─► ingest (reader threads, clock, dispatcher) ─► engine (jobs on timely) ─► publish ─► views ◄─ serve, deliver
//! ```

pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod engine;
pub mod health;
pub mod ingest;
pub mod jobs;
pub mod node;
pub mod output;
pub mod produce;
pub mod publish;
pub mod run;
pub mod status;
pub mod stderr;
pub mod telemetry;
pub mod view_list;
pub mod views;
pub mod workload;
