//! A rule as it is written, in a configuration or by a client.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A rule as written: a name, what it watches, and exactly one condition.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRule {
    /// Required: its name, which no other rule has.
    pub name: String,
    /// The instruments that it watches. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "some")]
    pub instruments: Vec<String>,
    /// The timeframes that it watches, among those of the job. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "some")]
    pub timeframes: Vec<String>,
    /// `final`: bars count from when they are final; `at_once`: from their first trade. Default: `final`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<String>,
    /// One series crosses another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross: Option<RawCross>,
    /// A series is beyond a level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<RawThreshold>,
    /// The close is beyond the highs or lows of the bars before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breakout: Option<RawBreakout>,
    /// The candlestick pattern of this name, such as `doji`, ends at the bar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// A list that is written has entries: whoever writes an empty one hardly means all.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Vec::<String>::deserialize(deserializer)?;
    match list.is_empty() {
        true => Err(D::Error::custom("the list is empty; leave it out to watch all")),
        false => Ok(list),
    }
}

/// `cross = { left = "close", right = "sma20", direction = "above" }`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawCross {
    /// The series that crosses: `open`, `high`, `low`, `close`, `volume`, an indicator, or a number.
    pub left: String,
    /// The series that is crossed, in the same form.
    pub right: String,
    /// `above` or `below`.
    pub direction: String,
}

/// `threshold = { series = "rsi14", above = 70.0 }`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawThreshold {
    /// The series that is compared, in the form that `cross` has.
    pub series: String,
    /// The rule holds above this level; exactly one of `above` and `below` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The rule holds below this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

/// `breakout = { bars = 20, direction = "above" }`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawBreakout {
    /// How many bars are looked back on: 1 to 1,000.
    pub bars: usize,
    /// `above` or `below`.
    pub direction: String,
}
