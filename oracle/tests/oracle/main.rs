//! The oracles themselves: every rule of the definition by hand, and both against each other.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod history;
mod outliers;
mod portfolio;
mod scripts;
mod sessions;
mod timeframes;
mod values;
mod vocabulary;
