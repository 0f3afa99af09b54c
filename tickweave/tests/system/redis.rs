//! A real Redis in and out: real trades are written into streams and channels, the binary makes candles of
//! them, and these must be the candles that were computed elsewhere, over HTTP and from every sink, whatever is
//! killed, paused, trimmed or made up on the way.

mod capture;
mod channels;
mod faults;
mod job;
mod lives;
mod lost;
mod packed;
mod secured;
pub(crate) mod server;
mod sinks;
mod streams;
