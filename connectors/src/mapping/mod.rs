//! What a text record means: which column holds what, in which units, and of which instrument.
//!
//! A pure core. Whatever carries the records (a file, a topic, a socket) splits them into columns and
//! asks a [`Decoder`] for the [`market::Event`]; neither knows of the other's bytes.
//!
//! ```
//! use std::sync::Arc;
//! use connectors::mapping::{Decoder, Field, Mapping, MappingConfig};
//! use market::{Catalog, Event};
//! use serde_json::{from_value, json};
//!
//! // BitMEX: "1514764808562,13887,-2000", a seller took 2000 contracts.
//! let config = MappingConfig {
//!     instrument: Some("bitmex:XBTUSD".to_owned()),
//!     ..MappingConfig::new(
//!         from_value(json!({"time": "timestamp", "price": "price", "size": "size"})).unwrap(),
//!         from_value(json!({"time": "ms", "signed_size": true})).unwrap(),
//!     )
//! };
//! let mapping = Mapping::check(config, Arc::new(Catalog::new(Vec::new(), 10))).unwrap();
//! let mut decoder = Decoder::new(Arc::new(mapping), "archive/2018.csv");
//! let row = |field| match field {
//!     Field::Time => Some("1514764808562"),
//!     Field::Price => Some("13887"),
//!     Field::Size => Some("-2000"),
//!     _ => None,
//! };
//! let record = decoder.decode(row, 2).unwrap().unwrap();
//! let Event::New(trade) = record.says else { panic!() };
//! assert!(record.unknown.is_none(), "the configuration names the instrument");
//! assert_eq!(trade.price.text(trade.spec.price_scale), "13887");
//! assert_eq!(trade.side, market::Side::Sell);
//! ```
//!
//! Reading order: [`config`] and `units` (as written) → [`Field`] → [`check`] (as used) → [`decode`] and `record` with
//! their [`vocabulary`], [`readings`], `times`, `numbers`, [`symbol_map`] and `left_out` → `plain`, the common case
//! straight from bytes → [`json`], the columns of a JSON object, and `frames`, the rows of a JSON message.

pub mod check;
pub mod config;
pub mod decode;
mod error;
mod field;
mod frames;
pub mod json;
mod layout;
mod left_out;
mod numbers;
mod packing;
mod plain;
pub mod readings;
mod record;
mod scales;
pub mod symbol_map;
mod times;
mod units;
pub mod vocabulary;
mod zero_size;

pub use check::Mapping;
pub use config::{Column, ColumnsConfig, IdColumns, MappingConfig, TimeColumns, WhereConfig};
pub use decode::{AllNeeds, Decoder};
pub use error::DecodeError;
pub use field::Field;
pub use json::JsonColumns;
pub use layout::Layout;
pub use left_out::LeftOut;
pub(crate) use left_out::LeftOutTally;
pub use packing::Packing;
pub use readings::{Given, Readings, TimeReading};
pub use scales::ScaleNeeds;
pub use units::UnitsConfig;
pub use zero_size::ZeroSize;
