//! The whole system: the binary as its users run it, and the rules that the compiler cannot state.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod delivering;
mod demo;
mod end_to_end;
mod expected;
mod following;
mod page;
mod produce;
mod redis;
mod tail;
mod tidy;
