//! Entries as lines of text, which sources of `kind = "entries"` and `POST /api/streaming/process` read.

use std::io::Write;

use connectors::entries::{FIELDS, Field, written_fields, written_json};
use market::{Catalog, Event, InputEvent};

use super::ProduceError;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// CSV of `ts_ns,symbol,trade_id,price,size`: trades and nothing else.
    Ticks,
    /// CSV of entries.
    Entries,
    /// Entries as JSON lines.
    Jsonl,
}

/// Every form, by its name.
pub const FORMS: [(&str, RowFormat); 3] =
    [("ticks", RowFormat::Ticks), ("entries", RowFormat::Entries), ("jsonl", RowFormat::Jsonl)];

impl RowFormat {
    /// The line that names the columns, if the form has one.
    pub fn header(self) -> Option<String> {
        match self {
            RowFormat::Ticks => Some(crate::HEADER.to_owned()),
            RowFormat::Entries => {
                Some(FIELDS.iter().map(|field| field.name).collect::<Vec<_>>().join(","))
            }
            RowFormat::Jsonl => None,
        }
    }

    /// Writes an entry into `line`, which is emptied first; gives its key: the instrument or portfolio.
    ///
    /// An id that is text travels as its hash, and is written as that.
    pub fn write(
        self,
        entry: &InputEvent,
        catalog: &Catalog,
        line: &mut Vec<u8>,
    ) -> Result<String, ProduceError> {
        line.clear();
        let texts = written_fields(entry, catalog);
        let text_of = |field: Field| texts[field as usize].as_deref().unwrap_or_default();
        let key =
            if text_of(Field::Portfolio).is_empty() { Field::Instrument } else { Field::Portfolio };
        let key = text_of(key).to_owned();
        match self {
            RowFormat::Ticks => {
                let InputEvent::Market(Event::New(trade)) = entry else {
                    let what = "anything but trades";
                    return Err(ProduceError::NoWord { what });
                };
                let symbol = key.split_once(':').map_or(&*key, |(_, symbol)| symbol);
                let (time, id) = (trade.time.0, trade.id);
                let (price, size) = (text_of(Field::Price), text_of(Field::Quantity));
                // Writing to memory does not fail.
                let _ = write!(line, "{time},{symbol},{id},{price},{size}");
            }
            RowFormat::Entries => {
                for (index, text) in texts.iter().enumerate() {
                    if index > 0 {
                        line.push(b',');
                    }
                    line.extend_from_slice(&quoted(text.as_deref().unwrap_or_default()));
                }
            }
            RowFormat::Jsonl => {
                line.extend_from_slice(written_json(&texts).as_bytes());
            }
        }
        Ok(key)
    }
}

/// A field of CSV, in quotes if it needs them.
fn quoted(text: &str) -> Vec<u8> {
    match text.contains([',', '"', '\n', '\r']) {
        false => text.as_bytes().to_vec(),
        true => format!("\"{}\"", text.replace('"', "\"\"")).into_bytes(),
    }
}
