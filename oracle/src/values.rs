//! The values of bars: section *Bars* of the definition, first two paragraphs.
//!
//! Bars of every timeframe are filled from trades directly; none is made of smaller ones.

use std::collections::BTreeMap;

use market::{Bar, Bucket, Calendars, CandleKey, OrderKey, Side, Timeframe, Trade, Updates};

use crate::prints::counted;

/// The bars of one timeframe in which any of `trades` shows.
///
/// All trades of one instrument must carry the same spec.
pub fn bars(
    trades: &[Trade],
    timeframe: Timeframe,
    calendars: &Calendars,
) -> BTreeMap<CandleKey, Bar> {
    let trades: Vec<Trade> = trades.iter().map(|trade| counted(trade, calendars)).collect();
    bars_placed(&trades, |trade| place(trade, timeframe, calendars))
}

/// The same, where `place` gives the bar that holds a trade.
pub fn bars_placed(
    trades: &[Trade],
    place: impl Fn(&Trade) -> (CandleKey, Bucket),
) -> BTreeMap<CandleKey, Bar> {
    let mut inside: BTreeMap<CandleKey, (Bucket, Vec<Trade>)> = BTreeMap::new();
    for trade in trades {
        let (key, bucket) = place(trade);
        let (_, list) = inside.entry(key).or_insert((bucket, Vec::new()));
        list.push(*trade);
    }
    inside
        .into_iter()
        .filter_map(|(key, (bucket, list))| Some((key, shown(bar(&list, bucket)?))))
        .collect()
}

/// The bar of `timeframe` whose interval holds the time of `trade`, which is that at which it counts.
pub fn place(trade: &Trade, timeframe: Timeframe, calendars: &Calendars) -> (CandleKey, Bucket) {
    let bucket = calendars.get(trade.spec.calendar).bucket(timeframe, trade.time);
    let key = CandleKey { instrument: trade.instrument, timeframe, open_time: bucket.open };
    (key, bucket)
}

/// The values of the bar that holds exactly `trades`, at the times at which they count, with the places of its first and last one; none if no trade shows
/// in it.
pub fn bar(trades: &[Trade], bucket: Bucket) -> Option<Bar> {
    let mut trades = trades.to_vec();
    trades.sort_by_key(|t| (t.time, t.sequence, t.id.integer(), t.price));
    let spec = trades.first()?.spec;
    let parts = [Updates::VOLUME, Updates::HIGH_LOW, Updates::OPEN_CLOSE];
    if trades.iter().all(|t| parts.iter().all(|part| !t.updates.has(*part))) {
        return None;
    }

    let of = |part: Updates| trades.iter().filter(move |t| t.updates.has(part));
    let edge = |t: &Trade| (order(t), t.price);
    let size = |t: &Trade| i128::from(t.quantity.0);
    let worth = |t: &Trade| i128::from(t.price.0) * i128::from(t.quantity.0);
    let bought = || of(Updates::VOLUME).filter(|t| t.side == Side::Buy);
    Some(Bar {
        spec,
        end_time: bucket.end,
        open: of(Updates::OPEN_CLOSE).next().map(edge),
        high: of(Updates::HIGH_LOW).map(|t| t.price).max(),
        low: of(Updates::HIGH_LOW).map(|t| t.price).min(),
        close: of(Updates::OPEN_CLOSE).next_back().map(edge),
        volume: of(Updates::VOLUME).map(size).sum(),
        notional: of(Updates::VOLUME).map(worth).sum(),
        trades: of(Updates::VOLUME).map(|_| 1).sum(),
        buy_volume: bought().map(size).sum(),
        buy_notional: bought().map(worth).sum(),
    })
}

/// Of the places of its first and last trade, the values of a bar hold only the times.
fn shown(bar: Bar) -> Bar {
    let time =
        |(OrderKey { time, .. }, price)| (OrderKey { time, sequence: 0, number: None }, price);
    Bar { open: bar.open.map(time), close: bar.close.map(time), ..bar }
}

fn order(trade: &Trade) -> OrderKey {
    OrderKey { time: trade.time, sequence: trade.sequence, number: trade.id.integer() }
}
