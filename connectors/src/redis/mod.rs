//! Redis 7.0 or later (and servers that speak like it): streams and channels as sources; [`sinks`].
//!
//! ```toml
//! [[source]]
//! name = "ticks"
//! kind = "redis-streams"
//! url = "redis://127.0.0.1:6379/0"    # or rediss:// with `ca_file`
//! # password_env = "REDIS_PASSWORD"   # or password_file; `user` names the user
//! streams = ["ticks:BTC", "ticks:ETH"] # each is a partition
//! start = "horizon"                   # default "earliest"
//! payload = "data"                    # the field that holds a message; or format = "fields"
//! codec = "binance-stream"            # or format, columns, units, … as in `crate::messages`
//! ```
//!
//! **Streams** are read with XREAD from positions of our own, without a group: nothing is acknowledged, nothing is written,
//! and any number of jobs read the same stream. The position of an entry is its id: 42 bits of
//! milliseconds and 22 of sequence ([`EntryId`]); an id beyond these ends the partition with a message. Entries that were
//! taken out before they were read are reported, with their number (`loss_detector`). A stream that was deleted and made
//! anew is read from its beginning (`lives`); from then on positions count on from the last.
//!
//! **Channels** (`kind = "redis-pubsub"`, `channels = […]`, `patterns = […]`, each a partition) keep nothing: what is published
//! while nobody listens is lost, and every loss of the connection is reported as a gap. A message's position is its
//! number since the run began.
//!
//! Bounds: one connection, one batch of entries being decoded and one being answered per partition; a
//! lost server is tried again after 0.1 s, and after twice as long each time, up to 5 s, for ever;
//! [`CONNECT_TIMEOUT`](server::CONNECT_TIMEOUT) and [`ANSWER_TIMEOUT`](server::ANSWER_TIMEOUT) bound what is waited for a silent one.
//!
//! Reading order: [`server`] → `stream_connection` (a connection that is kept) → [`EntryId`] → `loss_detector` (what was lost) → `lives`
//! → `reply` → [`streams`](StreamsSource), `stream_reader` → [`pubsub`](PubSubSource).

mod entry_id;
mod lives;
mod loss_detector;
mod producer;
mod pubsub;
mod reply;
pub mod server;
pub mod sinks;
mod stream_connection;
mod stream_reader;
mod streams;
#[cfg(test)]
mod tests;

pub use entry_id::EntryId;
pub use producer::RedisProducer;
pub use pubsub::PubSubSource;
pub use streams::StreamsSource;
