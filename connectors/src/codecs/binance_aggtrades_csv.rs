//! `binance-aggtrades-csv`: [Binance's archive] of aggregated trades, `BTCUSDT-aggTrades-2024-01.zip` and
//! the CSV in it.
//!
//! ```text
//! agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker
//! 13519807,0.00141342,23.00000000,15373518,15373518,1570752011620,True,True
//! ```
//!
//! with a header (futures) or without one (spot, which has a last column more, `isBestMatch`). Times are in
//! milliseconds, and in microseconds in files of spot since 2025. The symbol is that of the file's name.
//!
//! An aggregated trade is what one order took at one price. Open, high, low, close, volume and notional
//! are therefore those of the trades themselves; the count of trades is not: a row counts once, however
//! many trades (`last − first + 1`) it stands for. Ids of aggregated trades are a space of their own, and
//! contiguous per symbol. Archives of futures are known to leave out fills that no order took from the
//! market, with their ids: write `contiguous_ids = false` where such holes are not wanted as gaps. In 2021 the ids of
//! some symbols began a day with the last one of the day before, for another trade. So an id names one trade of each day
//! in UTC, and both count; holes are looked for among the ids of all days. `id_period = "forever"` makes an id one trade.
//!
//! [Binance's archive]: https://github.com/binance/binance-public-data

use serde::Deserialize;
use serde_json::{Map, Value};

use super::binance_stream::AGGREGATED;
use super::names::symbol_before;
use super::{Codec, CodecDefaults, LineFormat, typed};
use crate::delimited::Header;
use crate::mapping::{Column, ColumnsConfig, Readings, TimeReading};

pub(super) const CODEC: Codec = Codec {
    name: "binance-aggtrades-csv",
    doc: "Binance archive of aggregated trades, SYMBOL-aggTrades-DATE.zip or .csv: `13519807,0.00141342,23.0,15373518,15373518,1570752011620,True`",
    make,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {}

fn make(options: Map<String, Value>) -> Result<CodecDefaults, String> {
    let Options {} = typed(options)?;
    let columns = ColumnsConfig {
        id: Some(Column::Number(1).into()),
        maker: Some(Column::Number(7)),
        ..ColumnsConfig::new(Column::Number(6), Column::Number(2), Column::Number(3))
    };
    let defaults =
        CodecDefaults::new(LineFormat::Csv(Header::UnlessNumber), "binance:{symbol}", columns);
    Ok(CodecDefaults {
        id_scope: Some(AGGREGATED),
        contiguous_ids: true,
        readings: Readings {
            symbol_is_given: true,
            time: TimeReading::MsOrUs,
            ids_by_day: true,
            ..defaults.readings
        },
        symbol_of: |path| symbol_before(path, "-aggTrades-"),
        ..defaults
    })
}
