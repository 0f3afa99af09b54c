//! Messages: what a record of a topic, an entry of a stream or a message of a channel means.
//!
//! A pure core, between the bytes that a server hands over and the [`mapping`](crate::mapping) or the
//! [`entries`](crate::entries) that give them a meaning. A source of messages has these keys beside its own:
//!
//! ```toml
//! format = "json"                  # or "csv" (columns by number), "fields" (of a stream's entry), "entries"
//! instrument = "kraken:{symbol}"
//! symbol_from = "key"              # or "channel", or "header:NAME"; by default, a column
//! columns = { time = "ts", price = "px", size = "qty", id = "id" }
//! units = { time = "ms" }
//! # or, for well-known feeds:
//! # codec = "binance-stream"
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use connectors::messages::{Message, MessageConfig, MessageDecoder, Messages};
//! use market::{Catalog, InputEvent, Event};
//! use serde_json::json;
//!
//! let written = json!({
//!     "topic": "trades", "instrument": "x:{symbol}", "symbol_from": "key",
//!     "columns": {"time": "ts", "price": "px", "size": "qty"}, "units": {"time": "ms"},
//! });
//! let (config, own) = MessageConfig::split(written.as_object().unwrap().clone()).unwrap();
//! assert_eq!(own.keys().collect::<Vec<_>>(), ["topic"]); // what is left is the source's own
//! let messages = Messages::check(config, Arc::new(Catalog::new(Vec::new(), 10))).unwrap();
//! let mut decoder = MessageDecoder::new(&Arc::new(messages), "kafka/trades/0");
//! let message = Message {
//!     key: Some(b"BTC"),
//!     ..Message::of(br#"{"ts":1514764808562,"px":"13887.5","qty":2}"#)
//! };
//! let row = decoder.decode(&message, 18).unwrap();
//! let Ok(InputEvent::Market(Event::New(trade))) = row.event else { panic!() };
//! assert_eq!((row.position, trade.price.text(trade.spec.price_scale).as_str()), (18, "13887.5"));
//! ```
//!
//! One message is one record; with `rows` it may hold several, and positions are counted in parts of a message then.

mod config;
mod decode;
mod original;
#[cfg(test)]
mod tests;

pub use config::{MessageConfig, MessageFormat, Messages};
pub use decode::{Headers, Message, MessageDecoder};
pub use original::Original;
