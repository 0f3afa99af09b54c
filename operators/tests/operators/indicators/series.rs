//! Whole series of numbers, computed elsewhere, beside those of a line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use market::{
    Bar, BarState, CalendarId, Calendars, Candle, EventTime, InstrumentSpec, OrderKey, Price,
    decimal,
};
use operators::indicators::{Indicator, IndicatorsConfig};

use super::bars::{Bars, afresh, slot};

/// High, low, close and volume, as decimal text.
pub(super) type Row<'a> = [&'a str; 4];

/// A file of reference data that is kept beside the repository, if it is there.
pub(super) fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
    }
    Some(path).filter(|path| path.exists())
}

/// The outputs of the indicator `label` over `rows`: a series per output, none before the first.
pub(super) fn outputs(label: &str, rows: &[Row<'_>]) -> Vec<Vec<Option<f64>>> {
    let bars: Bars =
        (0..).map(slot).zip(rows).map(|(open, row)| (open, candle(open, row))).collect();
    let indicator: Indicator = label.parse().unwrap();
    let names = indicator.outputs();
    let config = IndicatorsConfig::new(Calendars::utc(), vec![indicator]).unwrap();
    let numbers = afresh(&config.into(), &bars);
    let by_bar: BTreeMap<(u8, EventTime), f64> =
        numbers.iter().map(|(key, got)| ((key.1 as u8, key.0.open_time), got.value.0)).collect();
    let series = |output| bars.keys().map(move |open| (output, *open)).collect::<Vec<_>>();
    let series = (0..names.len() as u8).map(series);
    series.map(|keys| keys.iter().map(|key| by_bar.get(key).copied()).collect()).collect()
}

fn candle(open_time: EventTime, [high, low, close, volume]: &Row<'_>) -> Candle {
    let spec = InstrumentSpec { price_scale: 9, quantity_scale: 8, calendar: CalendarId(0) };
    let price = |text: &str| Price::parse(text, spec.price_scale).unwrap();
    let order = OrderKey { time: open_time, sequence: 0, number: None };
    let bar = Bar {
        high: Some(price(high)),
        low: Some(price(low)),
        close: Some((order, price(close))),
        volume: decimal::parse(volume, spec.quantity_scale).unwrap().into(),
        ..Bar::empty(spec, EventTime(open_time.0 + 1))
    };
    Candle { bar, state: BarState::Final, revision: 0, cause: None }
}

/// Asserts that two series begin together and agree, each number within `allowed` of what it should be.
pub(super) fn assert_agree(
    place: &str,
    got: &[Option<f64>],
    want: &[Option<f64>],
    allowed: impl Fn(usize, f64) -> f64,
) {
    assert_eq!(got.len(), want.len(), "{place}");
    let first = |series: &[Option<f64>]| series.iter().position(Option::is_some);
    assert_eq!(first(got), first(want), "{place}: the first bar with a number");
    for (index, pair) in got.iter().zip(want).enumerate() {
        match pair {
            (None, None) => {}
            (Some(got), Some(want)) => assert!(
                (got - want).abs() <= allowed(index, *want),
                "{place}: {got} at bar {index}, not {want}"
            ),
            _ => panic!("{place}: {pair:?} at bar {index}"),
        }
    }
}
