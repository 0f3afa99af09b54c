//! The whole system: the binary as its users run it, and the rules that the compiler cannot state.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod clock;
mod configuration;
mod controlling;
mod delivering;
mod demo;
mod dialects;
mod documented;
mod end_to_end;
mod expected;
mod files;
mod following;
mod health;
mod jobs;
mod kafka;
mod memory;
mod node;
mod notifying;
mod outputs;
mod page;
mod pipes;
mod process;
mod produce;
mod protection;
mod redis;
mod resuming;
mod servers;
mod setup;
mod state;
mod tail;
mod tidy;
mod views_page;
