//! `binance-trades-csv`: [Binance's archive] of trades, `BTCUSDT-trades-2024-01.zip` and the CSV in it.
//!
//! ```text
//! id,price,qty,quote_qty,time,is_buyer_maker
//! 3535188229,28155.1,0.001,28.1551,1680652804962,true
//! ```
//!
//! with a header (futures) or without one (spot, which has a last column more, `isBestMatch`). Times are in
//! milliseconds, and in microseconds in files of spot since 2025, distinguished by their size
//! ([`MICROSECONDS_FROM`](crate::mapping::readings::MICROSECONDS_FROM)). The symbol is that of the
//! file's name. Ids are contiguous per symbol. No options: the archive does not mark prints of the insurance fund.
//!
//! [Binance's archive]: https://github.com/binance/binance-public-data

use serde::Deserialize;
use serde_json::{Map, Value};

use super::names::symbol_before;
use super::{Codec, CodecDefaults, LineFormat, typed};
use crate::delimited::Header;
use crate::mapping::{Column, ColumnsConfig, Readings, TimeReading};

pub(super) const CODEC: Codec = Codec {
    name: "binance-trades-csv",
    doc: "Binance archive of trades, SYMBOL-trades-DATE.zip or .csv: `3535188229,28155.1,0.001,28.1551,1680652804962,true`",
    make,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {}

fn make(options: Map<String, Value>) -> Result<CodecDefaults, String> {
    let Options {} = typed(options)?;
    let columns = ColumnsConfig {
        id: Some(Column::Number(1).into()),
        maker: Some(Column::Number(6)),
        ..ColumnsConfig::new(Column::Number(5), Column::Number(2), Column::Number(3))
    };
    let defaults =
        CodecDefaults::new(LineFormat::Csv(Header::UnlessNumber), "binance:{symbol}", columns);
    Ok(CodecDefaults {
        contiguous_ids: true,
        readings: Readings {
            symbol_is_given: true,
            time: TimeReading::MsOrUs,
            ..defaults.readings
        },
        symbol_of: |path| symbol_before(path, "-trades-"),
        ..defaults
    })
}
