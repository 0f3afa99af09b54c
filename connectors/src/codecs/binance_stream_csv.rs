//! `binance-stream-csv`: frames of Binance's trade streams that a collector wrote as CSV.
//!
//! ```text
//! TimestampOfReceive,Stream,EventType,EventTime,TransactionTime,Symbol,TradeId,Price,Quantity,IsBuyerMarketMaker,MUnknownParameter
//! 1741046401272286,trxusdt@trade,trade,1741046401271969,1741046401271497,TRXUSDT,348656870,0.2312,2619.4,1,True
//! ```
//!
//! Of futures the last column is `XUnknownParameter`:
//!
//! ```text
//! 1741046404989,trxusd_perp@trade,trade,1741046404988,1741046404986,TRXUSD_PERP,39605682,0.23097,32.0,1,MARKET
//! ```
//!
//! Times are in milliseconds or microseconds, distinguished by their size
//! ([`MICROSECONDS_FROM`](crate::mapping::readings::MICROSECONDS_FROM)). Rows that are not of the event
//! `trade` are skipped. Ids are unique and contiguous per symbol and product, so futures need a name of their own:
//! `instrument = "binance-usdm:{symbol}"`. Option: `exclude_fund_prints` (default: true), see the module
//! `fund_prints`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Codec, CodecDefaults, LineFormat, fund_prints, typed};
use crate::delimited::Header;
use crate::mapping::{Column, ColumnsConfig, Readings, TimeReading, WhereConfig};

pub(super) const CODEC: Codec = Codec {
    name: "binance-stream-csv",
    doc: "Binance trade streams that a collector wrote as CSV: `TimestampOfReceive,Stream,EventType,…`; exclude_fund_prints=true|false",
    make,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    exclude_fund_prints: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { exclude_fund_prints: true }
    }
}

fn make(options: Map<String, Value>) -> Result<CodecDefaults, String> {
    let Options { exclude_fund_prints } = typed(options)?;
    let column = Column::named;
    // The name of the last column is that of the product's flag, so it goes by its number.
    const FLAG: Column = Column::Number(11);
    let columns = ColumnsConfig {
        symbol: Some(column("Symbol")),
        id: Some(column("TradeId").into()),
        maker: Some(column("IsBuyerMarketMaker")),
        updates: exclude_fund_prints.then_some(FLAG),
        ..ColumnsConfig::new(column("TransactionTime"), column("Price"), column("Quantity"))
    };
    let defaults =
        CodecDefaults::new(LineFormat::Csv(Header::Present), "binance:{symbol}", columns);
    Ok(CodecDefaults {
        contiguous_ids: true,
        only: Some(WhereConfig { column: column("EventType"), equals: Some("trade".to_owned()) }),
        readings: Readings {
            time: TimeReading::MsOrUs,
            updates: fund_prints::market_only,
            ..defaults.readings
        },
        ..defaults
    })
}
