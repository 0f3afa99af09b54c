//! `binance-stream`: [combined streams] of Binance, as they come from the socket.
//!
//! One frame a line, alone or after the local time at which it was captured (whole nanoseconds or
//! microseconds, not used: event time counts, and local clocks were seen a second behind it):
//!
//! ```text
//! {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161601438,"s":"BTCUSDT","t":3735693016,"p":"61685.99000000","q":"0.00017000","T":1723161601437,"m":true,"M":true}}
//! 1680652806996641 {"stream":"btcusdt@trade","data":{"e":"trade","E":1680652807006,"T":1680652804962,"s":"BTCUSDT","t":3535188229,"p":"28155.10","q":"0.001","X":"MARKET","m":true}}
//! 1723161600001692584 {"stream":"btcusdt@bookTicker","data":{"u":50093421613,"s":"BTCUSDT","b":"61685.99000000","B":"1.25869000","a":"61686.00000000","A":"2.44816000"}}
//! ```
//!
//! Frames that are not of the wanted event are skipped: books, klines, answers to requests. `T` is in
//! milliseconds, or in microseconds with `timeUnit=MICROSECOND`. Ids are unique and
//! contiguous per symbol and product, prints of the insurance fund among them, so futures need a name of
//! their own: `instrument = "binance-usdm:{symbol}"`.
//!
//! Options: `event = "trade"` (default) or `"aggTrade"`, of which a capture may hold both, and each
//! trade counts in either; `exclude_fund_prints` (default: true), see the module `fund_prints`.
//!
//! Of `aggTrade` volume, notional and prices are exact, but a frame is one trade, however many (`l − f + 1`)
//! it stands for.
//!
//! [combined streams]: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Codec, CodecDefaults, LineFormat, fund_prints, typed};
use crate::mapping::{Column, ColumnsConfig, Readings, TimeReading, WhereConfig};

pub(super) const CODEC: Codec = Codec {
    name: "binance-stream",
    doc: "Binance combined streams, with or without local times: `{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",…}}`; event=trade|aggTrade, exclude_fund_prints=true|false",
    make,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    event: Event,
    exclude_fund_prints: bool,
}

#[derive(Deserialize)]
enum Event {
    #[serde(rename = "trade")]
    Trade,
    #[serde(rename = "aggTrade")]
    AggTrade,
}

impl Default for Options {
    fn default() -> Options {
        Options { event: Event::Trade, exclude_fund_prints: true }
    }
}

fn make(options: Map<String, Value>) -> Result<CodecDefaults, String> {
    let Options { event, exclude_fund_prints } = typed(options)?;
    let path = Column::named;
    // Those of archives, whose copies they are, are of days.
    let ids_by_day = matches!(event, Event::AggTrade);
    let (event, id, id_scope) = match event {
        Event::Trade => ("trade", "data.t", None),
        Event::AggTrade => ("aggTrade", "data.a", Some(AGGREGATED)),
    };
    let columns = ColumnsConfig {
        symbol: Some(path("data.s")),
        id: Some(path(id).into()),
        maker: Some(path("data.m")),
        updates: exclude_fund_prints.then(|| path("data.X")),
        ..ColumnsConfig::new(path("data.T"), path("data.p"), path("data.q"))
    };
    let defaults = CodecDefaults::new(LineFormat::Stamped, "binance:{symbol}", columns);
    Ok(CodecDefaults {
        id_scope,
        contiguous_ids: true,
        only: Some(WhereConfig { column: path("data.e"), equals: Some(event.to_owned()) }),
        readings: Readings {
            time: TimeReading::MsOrUs,
            ids_by_day,
            updates: fund_prints::market_only,
            ..defaults.readings
        },
        ..defaults
    })
}

/// The space of the ids of aggregated trades, which are numbers of their own.
pub(super) const AGGREGATED: &str = "binance/aggTrade";
