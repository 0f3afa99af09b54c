//! Tickweave, assembled.

pub mod views;
