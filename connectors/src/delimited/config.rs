//! How delimited text is written, as its user says it.

use serde::{Deserialize, Serialize};

/// `[source.csv]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvConfig {
    /// One ASCII character, or `tab`.
    pub delimiter: String,
    /// Whether the first line names the columns; if not, they have numbers.
    pub header: bool,
    /// One ASCII character, or `none`.
    pub quote: String,
    /// Whether lines end with a delimiter behind which there is no column: an empty last field is none then.
    pub trailing_delimiter: bool,
}

impl Default for CsvConfig {
    fn default() -> CsvConfig {
        CsvConfig {
            delimiter: ",".to_owned(),
            header: true,
            quote: "\"".to_owned(),
            trailing_delimiter: false,
        }
    }
}
