//! What well-known feeds write, so that no mapping has to be: presets over [`crate::mapping`].
//!
//! A codec says how lines hold columns, which column is what, in which units, and what a file's name
//! adds. Chosen by `codec = "…"` in a source of files, or `--codec …`. To add one: a file beside this one
//! with the raw payload in its documentation, and a line in [`CODECS`].
//!
//! A codec is a mapping and nothing else, so there is one decoder to trust; a feed is a file of constants.
//!
//! ```
//! let codec = connectors::codecs::find("binance-stream").unwrap();
//! assert_eq!(codec.defaults(Default::default()).unwrap().instrument, "binance:{symbol}");
//! assert!(connectors::codecs::find("bnance").is_err());
//! ```

mod binance_aggtrades_csv;
mod binance_stream;
mod binance_stream_csv;
mod binance_trades_csv;
pub mod conditions;
mod fund_prints;
mod names;
mod us_equity_ticks;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::delimited::Header;
use crate::mapping::{ColumnsConfig, Readings, UnitsConfig, WhereConfig};
use crate::typed_config;

/// Every codec, by name.
pub const CODECS: &[Codec] = &[
    binance_aggtrades_csv::CODEC,
    binance_stream::CODEC,
    binance_stream_csv::CODEC,
    binance_trades_csv::CODEC,
    us_equity_ticks::CODEC,
];

/// A form of records that is known.
#[derive(Debug)]
pub struct Codec {
    /// As in `codec = "…"`.
    pub name: &'static str,
    /// What it reads, with a line of it, and its options; for help.
    pub doc: &'static str,
    make: fn(Map<String, Value>) -> Result<CodecDefaults, String>,
}

/// What a codec sets.
pub struct CodecDefaults {
    /// How lines hold columns.
    pub form: LineFormat,
    /// The instrument or template, unless configured.
    pub instrument: &'static str,
    /// The space of ids, unless configured; default: that of the instrument's name.
    pub id_scope: Option<&'static str>,
    /// Whether ids have no holes in it at the venue, unless configured.
    pub contiguous_ids: bool,
    /// Which column holds what.
    pub columns: ColumnsConfig,
    /// In which units.
    pub units: UnitsConfig,
    /// Which records count.
    pub only: Option<WhereConfig>,
    /// How texts are read.
    pub readings: Readings,
    /// Returns the symbol that is in a path; called if [`Readings::symbol_is_given`].
    pub symbol_of: fn(&str) -> Result<Box<str>, String>,
    /// The day, `20131010`, that is in a path; called if times are of a day.
    pub day_of: fn(&str) -> Result<Box<str>, String>,
    /// The time zone of that day.
    pub zone: &'static str,
}

/// How lines hold columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// Between commas.
    Csv(Header),
    /// In a JSON object, which a number and a blank may precede.
    Stamped,
}

impl Codec {
    /// What it sets, with these options; an error names the one that is wrong, and those that there are.
    pub fn defaults(&self, options: Map<String, Value>) -> Result<CodecDefaults, String> {
        (self.make)(options).map_err(|why| format!("`options` of codec \"{}\": {why}", self.name))
    }
}

impl Codec {
    /// Refuses keys that were written although the codec says what they would say; an error names the first.
    pub(crate) fn alone(&self, written: &[(bool, &str)]) -> Result<(), String> {
        match written.iter().find(|(is_written, _)| *is_written) {
            Some((_, key)) => {
                Err(format!("codec = \"{}\" says what `{key}` would say; keep one", self.name))
            }
            None => Ok(()),
        }
    }
}

impl CodecDefaults {
    /// Defaults that neither asks for anything but columns nor knows a file's name.
    fn new(form: LineFormat, instrument: &'static str, columns: ColumnsConfig) -> CodecDefaults {
        let unasked =
            |path: &str| Err(format!("the name of \"{path}\" contains neither symbol nor day"));
        CodecDefaults {
            form,
            instrument,
            id_scope: None,
            contiguous_ids: false,
            columns,
            units: UnitsConfig::default(),
            only: None,
            readings: Readings { is_preset: true, ..Readings::default() },
            symbol_of: unasked,
            day_of: unasked,
            zone: "UTC",
        }
    }
}

/// The codec of this name; an error names all.
pub fn find(name: &str) -> Result<&'static Codec, String> {
    let found = CODECS.iter().find(|codec| codec.name == name);
    found.ok_or_else(|| format!("unknown codec `{name}` (known: {})", names()))
}

/// The names of all codecs, for messages.
pub fn names() -> String {
    CODECS.iter().map(|codec| codec.name).collect::<Vec<_>>().join(", ")
}

/// Options as their codec declares them.
fn typed<T: DeserializeOwned>(options: Map<String, Value>) -> Result<T, String> {
    typed_config::typed(Value::Object(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_listed_by_name_and_have_defaults() {
        assert!(CODECS.is_sorted_by(|a, b| a.name < b.name));
        for codec in CODECS {
            assert!(codec.defaults(Map::new()).is_ok(), "{}", codec.name);
            assert!(codec.doc.contains('`'), "{} shows no line", codec.name);
            let unknown = Map::from_iter([("colour".to_owned(), Value::from(1))]);
            let error = codec.defaults(unknown).err().unwrap_or_default();
            assert!(error.contains("unknown field `colour`"), "{error}");
        }
    }
}
