//! What is written of accounts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `[[portfolio]]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawPortfolio {
    /// Its name.
    pub name: String,
    /// Its base currency. Default: that of `[portfolios]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What it began with, in its base currency; 0 means that it is not known. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capital: Option<RawAmount>,
    /// The instrument that its changes are compared with. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub benchmark: Option<String>,
}

/// An amount of money: `50000`, `0.25`, or exactly `"50000.125"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "an amount such as 50000, or \"50000.125\"")]
pub enum RawAmount {
    /// A whole number.
    Whole(i64),
    /// A decimal number, as its shortest text.
    Decimal(f64),
    /// A decimal number as written.
    Text(String),
}

/// `[portfolios]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawPortfolios {
    /// The base currency of portfolios that name none.
    pub currency: String,
    /// Whether a fill that was bought and one that was sold are two fills if they have one id, as the two sides of a trade
    /// with oneself do at venues that give both the id of the trade. Not: they are a conflict, and one counts.
    pub ids_by_side: bool,
}

/// `[[rate]]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawRate {
    /// `EUR/USD`: how many of the second one of the first costs.
    pub pair: String,
    /// The instrument whose price that is. Default: none, it is `fixed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<String>,
    /// The rate itself, if no instrument has it, such as 100 for `GBP/GBX`. Default: none, it is that of `instrument`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<RawAmount>,
}

/// `[risk]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRisk {
    /// The timeframe of the bars that risk is measured over, one of the job's. Default: the largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeframe: Option<String>,
    /// Over how many changes from bar to bar at most: 1 to 5,000.
    pub bars: usize,
    /// The confidence of value at risk: 0.9, 0.95, 0.975, 0.99 or 0.995.
    pub confidence: f64,
}

/// `[[fair]]`: fair values that are numbers of an indicator.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawFair {
    /// The name of the model.
    pub model: String,
    /// One of the job's indicators, such as `sma20`.
    pub indicator: String,
    /// One of its outputs, such as `middle`. Default: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// One of the job's timeframes.
    pub timeframe: String,
}

impl fmt::Display for RawAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawAmount::Whole(number) => number.fmt(f),
            RawAmount::Decimal(number) => number.fmt(f),
            RawAmount::Text(text) => f.write_str(text),
        }
    }
}

impl Default for RawPortfolios {
    fn default() -> RawPortfolios {
        RawPortfolios { currency: "USD".to_owned(), ids_by_side: true }
    }
}

impl Default for RawRisk {
    fn default() -> RawRisk {
        RawRisk { timeframe: None, bars: 250, confidence: 0.95 }
    }
}
