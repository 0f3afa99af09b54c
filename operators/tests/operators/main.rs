//! The operators, driven as pure cores and under timely.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod explaining;
mod golden;
mod half_days;
mod harness;
mod indicators;
mod oracles;
mod pages;
mod portfolio;
mod sessions;
mod signals;
mod twins;
