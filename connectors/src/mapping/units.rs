//! How times and numbers are written, as a user says it.

use std::fmt;

use market::{AmbiguousTime, TimeUnit};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// `[source.units]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnitsConfig {
    /// How times are written: numbers since 1970, or RFC 3339.
    pub time: TimeUnit,
    /// How times are written that are neither: formats of `strptime`, tried in their order, such as `%d/%m/%Y
    /// %H:%M:%S`, whose seconds may have decimals. RFC 3339 is read besides. Default: none.
    #[serde(deserialize_with = "one_or_several")]
    pub time_format: Vec<String>,
    /// The time zone of times that have none: `UTC` or an IANA time zone. Default: none, times have zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Which instant is meant where clocks go back and show an hour twice. A time that they skip is a dead letter.
    pub ambiguous_time: AmbiguousTime,
    /// The day, as in `2026-01-05`, from whose midnight in `time_zone` (default: UTC) times count, or whose time of day
    /// `time_format` describes. Default: none, times say their day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Implied decimals of prices: with 4, `1815200` is 181.52.
    pub price_decimals: u8,
    /// Implied decimals of sizes.
    pub size_decimals: u8,
    /// Whether a negative size means that a seller was the aggressor, and a positive one a buyer.
    pub signed_size: bool,
    /// The character before the decimals of a number.
    pub decimal_mark: String,
    /// A character between groups of three digits, as in `1,234.5`. Default: none.
    pub grouping: String,
    /// Whether numbers may have a sign of a currency, as in `$1235`, and parentheses instead of a minus sign, as in
    /// `(12.5)`.
    pub accounting: bool,
}

impl Default for UnitsConfig {
    fn default() -> UnitsConfig {
        UnitsConfig {
            time: TimeUnit::default(),
            time_format: Vec::new(),
            time_zone: None,
            ambiguous_time: AmbiguousTime::default(),
            day: None,
            price_decimals: 0,
            size_decimals: 0,
            signed_size: false,
            decimal_mark: ".".to_owned(),
            grouping: String::new(),
            accounting: false,
        }
    }
}

/// A text, or a list of texts.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(OneOrSeveral)
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(texts)
    }
}
