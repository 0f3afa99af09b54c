//! Tickweave, assembled.

pub mod serve;
pub mod telemetry;
pub mod views;
