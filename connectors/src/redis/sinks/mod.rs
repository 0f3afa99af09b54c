//! Views in Redis: as hashes (`redis-hash`), streams of changes (`redis-streams`) and published messages
//! (`redis-pubsub`).
//!
//! ```toml
//! [[sink]]
//! name = "bars"
//! kind = "redis-hash"
//! url = "redis://127.0.0.1:6379"      # and what else a source may say of its server
//! views = ["candles"]
//! prefix = "tickweave"                # the default
//! ```
//!
//! | kind | what is written |
//! |---|---|
//! | `redis-hash` | the hash `{prefix}:{view}`: for each key its row now, as JSON. A snapshot replaces it when it is whole |
//! | `redis-streams` | the stream `{prefix}:{view}:changes`, trimmed to about `max_length` entries (default 100,000): fields `op` (`snapshot`, `upsert`, `delete`, `progress`), `run`, `commit`, `key`, `row`, with `encoding = "deltas"` also `before` |
//! | `redis-pubsub` | to channel `{prefix}:{view}:{key}` JSON with `op`, `run`, `commit`, `key`, `row`; to channel `{prefix}:{view}` `snapshot` and `progress`. `key_parts = 2` leaves only the first two columns of the key in the channel's name: `tickweave:candles:binance:BTCUSDT\|1m` |
//!
//! A part of a batch is one script, so others see it whole. With it goes the hash `{prefix}:{view}:told:{kind}`: run, commit, time
//! and part. So a repeated part is recognised and written once; a run that was replaced by a
//! later one writes nothing more; and a server that has lost what it had is given a new snapshot, within seconds also
//! if nothing changes. A run that began earlier by its clock takes over when the later one has not shown itself for 15 s,
//! by the server's clock: the job's clock may have gone back.
//!
//! Bounds: one connection per view; a script has at most [`BATCH_RECORDS`](crate::sink::BATCH_RECORDS) records.

mod config;
mod writer;

pub use config::{HashSink, PubSubSink, StreamsSink};
