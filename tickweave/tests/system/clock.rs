//! When bars of live runs become final: sources that break off, fall silent, are slow or far behind.

mod broken;
mod catching_up;
mod clients;
pub(crate) mod job;
mod silent;
