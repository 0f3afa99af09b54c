//! Jobs on timely, and what is around them: configuration, the commit clock, ingestion, publishing of views, delivery.
//!
//! ```text
//! config ─► run ─► ingest (reader threads, clock, dispatcher) ─► engine (jobs on timely) ─► publish ─► views ◄─ delivery
//! ```

pub mod clock;
pub mod config;
pub mod delivery;
pub mod engine;
pub mod explain;
pub mod failpoints;
pub mod health;
pub mod ingest;
pub mod jobs;
pub mod output;
pub mod publish;
pub mod rules;
pub mod run;
pub mod status;
pub mod telemetry;
pub mod undelivered;
pub mod view_list;
pub mod views;
