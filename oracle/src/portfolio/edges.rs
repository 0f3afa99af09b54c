//! What models think of marks: section *Edges*.

use std::collections::BTreeMap;

use market::{CandleKey, EventTime, InstrumentId, InstrumentSpec, ModelId, Price};
use num_bigint::BigInt;

use super::bigint::{Fraction, fit, size};
use super::prices::Prices;
use super::rows::EdgeRow;
use super::{Facts, IndicatorNumber, survivors};

/// A row for every instrument and model with a fair value.
pub(super) fn edges(
    prices: &Prices<'_>,
    facts: &Facts,
) -> BTreeMap<(InstrumentId, ModelId), EdgeRow> {
    let mut rows = BTreeMap::new();
    for (key, fair) in survivors::fairs(&facts.records) {
        if let Some(value) = fair.value.filter(|_| !prices.config.computed.contains_key(&key.1)) {
            rows.insert(key, row(prices, key.0, fair.spec, fair.time, value));
        }
    }
    for (key, (time, newest)) in newest_numbers(prices, facts) {
        if let Some(value) = price(newest) {
            rows.insert(key, row(prices, key.0, newest.spec, time, value));
        }
    }
    rows
}

/// The number of each computed model at the newest bar of its timeframe that has one.
fn newest_numbers(
    prices: &Prices<'_>,
    facts: &Facts,
) -> BTreeMap<(InstrumentId, ModelId), (EventTime, IndicatorNumber)> {
    let of_timeframe = |model: &ModelId, bar: &CandleKey| {
        prices.config.computed.get(model) == Some(&bar.timeframe)
    };
    let numbers = facts.numbers.iter().filter(|((model, bar), _)| of_timeframe(model, bar));
    // Later bars come later in the map, and take the place of earlier ones.
    let newest =
        numbers.map(|((model, bar), number)| ((bar.instrument, *model), (bar.open_time, *number)));
    newest.collect()
}

/// The number at the price scale; none if it is not finite or does not fit.
fn price(number: IndicatorNumber) -> Option<Price> {
    let units = 10_f64.powi(i32::from(number.spec.price_scale));
    let price = (number.number * units).round_ties_even();
    // 2⁶³ is a float, the largest price is not.
    let limit = 2_f64.powi(63);
    (-limit <= price && price < limit).then_some(Price(price as i64))
}

fn row(
    prices: &Prices<'_>,
    instrument: InstrumentId,
    spec: InstrumentSpec,
    time: EventTime,
    fair: Price,
) -> EdgeRow {
    let mark = prices.mark(instrument).map(|mark| mark.price);
    let edge = mark.map(|mark| BigInt::from(fair.0) - mark.0);
    let share = |edge: &BigInt| {
        let mark = mark.filter(|mark| mark.0 != 0)?;
        Some(Fraction::of(edge * 1_000_000, size(&mark.0.into())).rounded())
    };
    EdgeRow {
        spec,
        time,
        fair,
        mark,
        edge: edge.as_ref().and_then(fit),
        basis_points: edge.as_ref().and_then(share).as_ref().and_then(fit),
    }
}
