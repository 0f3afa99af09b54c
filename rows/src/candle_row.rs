//! The row of the view `candles`.

use market::{BarState, Candle, CandleKey, CauseKind};

use crate::cell::Cell;
use crate::column::{Column, ColumnType, NOTIONAL, PRICE, QUANTITY, count, key, value};
use crate::row::Row;

/// One bar with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandleRow<'a> {
    /// The key of the bar.
    pub key: &'a CandleKey,
    /// The values of the bar.
    pub candle: &'a Candle,
}

impl Row for CandleRow<'_> {
    const COLUMNS: &'static [Column] = &[
        key("instrument", ColumnType::Instrument, "name of the instrument"),
        key("timeframe", ColumnType::Timeframe, "nominal length, such as 1m"),
        key("open_time", ColumnType::Time, "first instant of the bar"),
        value("open", PRICE, "price of the first trade by (event time, sequence)").nullable(),
        value("high", PRICE, "highest price").nullable(),
        value("low", PRICE, "lowest price").nullable(),
        value("close", PRICE, "price of the last trade by (event time, sequence)").nullable(),
        value("volume", QUANTITY, "sum of sizes"),
        value("notional", NOTIONAL, "sum of price × size; divided by volume it is the VWAP"),
        count("trades", "trades", "number of trades"),
        value(
            "state",
            ColumnType::Word(&BarState::NAMES),
            "open, provisional, final or revised; partial: it opens before its sources were read",
        ),
        count(
            "revision",
            "commits",
            "number of commits that changed a value after the bar was final",
        ),
        value(
            "cause",
            ColumnType::Word(&CauseKind::NAMES),
            "kind of the record behind the last such change: trade, correction, cancel",
        )
        .nullable(),
        value("cause_id", ColumnType::Text, "id of the trade that this record names").nullable(),
        value("buy_volume", QUANTITY, "part of the volume that aggressive buyers took"),
        value("buy_notional", NOTIONAL, "part of the notional that aggressive buyers took"),
        value("end_time", ColumnType::Time, "first instant after the bar"),
        value("first_time", ColumnType::Time, "event time of the trade that set the open")
            .nullable(),
        value("last_time", ColumnType::Time, "event time of the trade that set the close")
            .nullable(),
    ];

    fn cells(&self, into: &mut Vec<Cell>) {
        let (key, candle) = (self.key, self.candle);
        let bar = &candle.bar;
        let spec = bar.spec;
        let price = |price: i64| Cell::Decimal { mantissa: price.into(), scale: spec.price_scale };
        let size = |mantissa| Cell::Decimal { mantissa, scale: spec.quantity_scale };
        let money = |mantissa| Cell::Decimal { mantissa, scale: spec.notional_scale() };
        into.extend([
            Cell::Instrument(key.instrument),
            Cell::Timeframe(key.timeframe),
            Cell::Time(key.open_time),
            bar.open.map_or(Cell::Null, |(_, p)| price(p.0)),
            bar.high.map_or(Cell::Null, |p| price(p.0)),
            bar.low.map_or(Cell::Null, |p| price(p.0)),
            bar.close.map_or(Cell::Null, |(_, p)| price(p.0)),
            size(bar.volume),
            money(bar.notional),
            Cell::Unsigned(bar.trades),
            Cell::Word(candle.state.name()),
            Cell::Unsigned(candle.revision.into()),
            candle.cause.map_or(Cell::Null, |cause| Cell::Word(cause.kind.name())),
            candle.cause.map_or(Cell::Null, |cause| Cell::TradeId(cause.id)),
            size(bar.buy_volume),
            money(bar.buy_notional),
            Cell::Time(bar.end_time),
            bar.open.map_or(Cell::Null, |(at, _)| Cell::Time(at.time)),
            bar.close.map_or(Cell::Null, |(at, _)| Cell::Time(at.time)),
        ]);
    }
}
