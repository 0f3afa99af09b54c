//! Alerts that reach somebody: the binary with real receivers.

mod alertmanager;
mod documented;
mod email;
mod job;
mod receiver;
mod restarts;
mod slack;
mod webhook;
