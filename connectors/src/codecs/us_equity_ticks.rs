//! `us-equity-ticks`: trades of US equities as [LEAN] keeps them, a zip archive per symbol and day.
//!
//! `spy_20131010_trade.zip` (or `spy/20131010_trade.zip`) holds a file without a header: milliseconds since
//! New York's midnight, price × 10,000, size, exchange, [sale conditions](super::conditions) in
//! hexadecimal, and whether the vendor finds the print suspicious.
//!
//! ```text
//! 14400795,1664300,200,P,20002000,0
//! 26467892,1820200,140,P,20002020,0
//! ```
//!
//! Symbol and day are those of the name. Trades have no ids: each row is one, also where rows are equal,
//! which 4 to 19 % are. Suspicious rows are skipped.
//!
//! Options: `conditions`, `"none"` (default: every trade updates all), `"us-sip"` or
//! `"us-sip-all-hours"`, see [`super::conditions`]; `wall_time_as_utc` (default: false) reads New York's
//! wall clock as if it were UTC, for comparison with data whose times are so.
//!
//! [LEAN]: https://github.com/QuantConnect/Lean/tree/master/Data/equity

use serde::Deserialize;
use serde_json::{Map, Value};

use super::names::{date, ticker};
use super::{Codec, CodecDefaults, LineFormat, conditions, typed};
use crate::delimited::Header;
use crate::mapping::{Column, ColumnsConfig, Readings, TimeReading, UnitsConfig, WhereConfig};

pub(super) const CODEC: Codec = Codec {
    name: "us-equity-ticks",
    doc: "US equities, SYMBOL_DATE_trade.zip: `14400795,1664300,200,P,20002000,0`; conditions=none|us-sip|us-sip-all-hours, wall_time_as_utc=true|false",
    make,
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    conditions: Rules,
    wall_time_as_utc: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rules {
    #[default]
    None,
    UsSip,
    UsSipAllHours,
}

fn make(options: Map<String, Value>) -> Result<CodecDefaults, String> {
    let Options { conditions, wall_time_as_utc } = typed(options)?;
    let (updates, reading) = match conditions {
        Rules::None => (None, Readings::default().updates),
        Rules::UsSip => (Some(Column::Number(5)), conditions::us_sip as _),
        Rules::UsSipAllHours => (Some(Column::Number(5)), conditions::us_sip_all_hours as _),
    };
    let columns = ColumnsConfig {
        updates,
        ..ColumnsConfig::new(Column::Number(1), Column::Number(2), Column::Number(3))
    };
    let defaults = CodecDefaults::new(LineFormat::Csv(Header::Absent), "us:{symbol}", columns);
    Ok(CodecDefaults {
        units: UnitsConfig { price_decimals: 4, ..UnitsConfig::default() },
        only: Some(WhereConfig { column: Column::Number(6), equals: Some("0".to_owned()) }),
        readings: Readings {
            symbol_is_given: true,
            time: TimeReading::OfDay,
            updates: reading,
            ..defaults.readings
        },
        symbol_of: ticker,
        day_of: date,
        zone: if wall_time_as_utc { "UTC" } else { "America/New_York" },
        ..defaults
    })
}
