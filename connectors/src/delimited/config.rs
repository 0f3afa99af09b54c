//! How delimited text is written, as its user says it.

use serde::{Deserialize, Serialize};

/// What is written for a character that there is not.
pub(super) const NONE: &str = "none";

/// `[source.csv]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvConfig {
    /// One ASCII character, or `tab`. Default: `,`, and `tab` of a `.tsv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Whether the first line names the columns; if not, they have numbers.
    pub header: bool,
    /// One ASCII character, or `none`.
    pub quote: String,
    /// Lines that begin with this ASCII character are no records, nor the header; or `none`.
    pub comment: String,
    /// Whether lines end with a delimiter behind which there is no column: an empty last field is none then.
    pub trailing_delimiter: bool,
}

impl Default for CsvConfig {
    fn default() -> CsvConfig {
        CsvConfig {
            delimiter: None,
            header: true,
            quote: "\"".to_owned(),
            comment: NONE.to_owned(),
            trailing_delimiter: false,
        }
    }
}
