//! Alerts that reach somebody: the binary with real receivers.

mod job;
mod receiver;
mod webhook;
