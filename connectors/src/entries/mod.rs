//! Entries: rows that state their own type, for people and programs that write rows for us. A
//! feed is read by a [`mapping`](crate::mapping); an entry has the same fields wherever it comes from: a
//! source of files of `kind = "entries"`, or the body of a request.
//!
//! ```toml
//! [[source]]
//! name = "fills"
//! kind = "entries"
//! paths = ["fills.csv", "targets.jsonl.gz"]   # each is a partition
//! # type = "fill"                             # of rows without a type
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use connectors::entries::{BodyFormat, Decoder, decode_body};
//! use market::{AccountEvent, Catalog, InputEvent, InstrumentRule};
//!
//! let usd = InstrumentRule { quote: Arc::from("USD"), ..InstrumentRule::any() };
//! let decoder = Decoder::new(Arc::new(Catalog::new(vec![usd], 10)), None, "http/process");
//! let csv = "type,portfolio,id,instrument,time,side,quantity,price\n\
//!            fill,p1,17,us:AAPL,2026-01-05T14:30:00Z,sell,100,181.50\n";
//! let rows = decode_body(BodyFormat::Csv, csv.into(), 100, &decoder, 1).unwrap();
//! let InputEvent::Account(AccountEvent::Fill(fill)) = rows[0].decoded.as_ref().unwrap().says else { panic!() };
//! assert!(fill.quantity < 0);
//! ```
//!
//! Reading order: [`fields`] (two lists: types and fields) → `texts` (what a row says, as text) → `decode` (what that means,
//! of trades) and `accounts` (of accounts) → `rows` (lines to entries) → `source` and `body`; `written` (entries to text).

mod accounts;
mod body;
mod decode;
mod error;
pub mod fields;
mod rows;
mod source;
#[cfg(test)]
mod tests;
mod texts;
mod written;

pub use body::{BodyError, BodyFormat, BodyRow, decode_body};
pub use decode::Decoder;
pub use error::FieldError;
pub use fields::{FIELDS, Field, FieldDoc, TYPES, Type, TypeDoc};
pub use source::{EntriesConfig, EntriesSource};
pub use texts::{EntryHeader, RawField, Texts};
pub use written::{WrittenFields, written_entry, written_fields, written_json};
