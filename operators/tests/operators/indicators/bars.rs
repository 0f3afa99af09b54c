//! Random bars, and their indicators.

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{
    Bar, BarState, Calendars, Candle, CandleKey, EventTime, InstrumentId, InstrumentSpec, OrderKey,
    Price, Timeframe,
};
use operators::indicators::{
    self as emitted, INDICATORS, Indicator, IndicatorOut, IndicatorSeries, IndicatorValue,
    IndicatorsConfig,
};

pub(super) const INSTRUMENT: InstrumentId = InstrumentId(7);
const MINUTE: i64 = 60_000_000_000;

/// Bars by the time at which they open.
pub(super) type Bars = BTreeMap<EventTime, Candle>;
/// Numbers by their bars and slots.
pub(crate) type Numbers = BTreeMap<(CandleKey, usize), IndicatorValue>;

/// Random numbers (SplitMix64): the same from the same seed, everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    pub(super) fn percent(&mut self, percent: i64) -> bool {
        self.between(0, 99) < percent
    }
}

/// What kind of prices there are.
#[derive(Clone, Copy)]
pub(super) struct Scene {
    pub(super) spec: InstrumentSpec,
    /// A price to begin with, and how far it may go in a bar, in mantissas.
    pub(super) around: i64,
    pub(super) step: i64,
}

/// A bar of that kind: often flat, sometimes without trades that set prices, sometimes without volume.
pub(super) fn candle(dice: &mut Dice, scene: &Scene, open_time: EventTime) -> Candle {
    let mut bar = Bar::empty(scene.spec, EventTime(open_time.0 + MINUTE));
    let near = |dice: &mut Dice| match dice.percent(30) {
        true => scene.around,
        false => scene.around + dice.between(-scene.step, scene.step),
    };
    let prices = [near(dice), near(dice), near(dice)];
    let order = |sequence| OrderKey { time: open_time, sequence, number: Some(sequence) };
    if !dice.percent(8) {
        bar.open = Some((order(0), Price(prices[0])));
        bar.close = Some((order(1), Price(prices[1])));
    }
    if !dice.percent(8) {
        bar.high = prices.iter().max().map(|price| Price(*price));
        bar.low = prices.iter().min().map(|price| Price(*price));
    }
    bar.trades = 2;
    if !dice.percent(10) {
        bar.volume = dice.between(1, 5_000).into();
        bar.notional = bar.volume * i128::from(prices[2]);
    }
    let state = if dice.percent(30) { BarState::Open } else { BarState::Final };
    Candle { bar, state, revision: 0, cause: None }
}

/// The opening time of a bar; days are ten bars long, so that there are several.
pub(super) fn slot(index: i64) -> EventTime {
    let (day, minute) = (index.div_euclid(10), index.rem_euclid(10));
    EventTime((day * 1_440 + minute) * MINUTE)
}

/// A random change of random bars.
pub(super) fn edits(dice: &mut Dice, scene: &Scene, bars: &Bars, slots: i64) -> Edits {
    let mut edits = BTreeMap::new();
    for _ in 0..dice.between(1, 4) {
        let index =
            if dice.percent(50) { slots - dice.between(0, 3) } else { dice.between(0, slots) };
        let open_time = slot(index);
        let edit = match bars.get(&open_time) {
            Some(_) if dice.percent(30) => None,
            // Only time passed, or nothing that prices show.
            Some(candle) if dice.percent(30) => {
                let mut candle = *candle;
                candle.state = BarState::Revised;
                candle.bar.buy_volume += 1;
                Some(candle)
            }
            _ => Some(candle(dice, scene, open_time)),
        };
        edits.insert(open_time, edit);
    }
    edits
}

/// Edits: bars that are so now, or that are no more.
pub(super) type Edits = BTreeMap<EventTime, Option<Candle>>;

/// Each indicator with small random parameters.
pub(super) fn random_config(dice: &mut Dice, calendars: &Calendars) -> Arc<IndicatorsConfig> {
    let all = INDICATORS.iter().map(|spec| {
        loop {
            let params: Vec<f64> = spec
                .parameters()
                .iter()
                .map(|parameter| match parameter.whole {
                    true => parameter.least + dice.between(0, 6) as f64,
                    false => dice.between(0, 12) as f64 / 4.0,
                })
                .collect();
            if let Ok(indicator) = Indicator::new(*spec, &params) {
                return indicator;
            }
        }
    });
    let all = all.collect();
    Arc::new(IndicatorsConfig::new(calendars.clone(), all).unwrap())
}

/// A line under test.
pub(super) fn line(config: &Arc<IndicatorsConfig>) -> IndicatorSeries {
    IndicatorSeries::new(Arc::clone(config), INSTRUMENT, Timeframe::MINUTE)
}

/// The numbers of a series over bars that it has never seen before.
pub(super) fn afresh(config: &Arc<IndicatorsConfig>, bars: &Bars) -> Numbers {
    let mut out = Vec::new();
    line(config).apply(bars.iter().map(|(time, candle)| (*time, Some(candle))), &mut out);
    let mut numbers = Numbers::new();
    follow(&mut numbers, out);
    numbers
}

/// Applies what was put out; changes must be net and fit what was there.
pub(crate) fn follow(numbers: &mut Numbers, out: Vec<IndicatorOut>) {
    for outputs in out {
        match outputs {
            IndicatorOut::Changed(change) => {
                assert_ne!(change.before, change.after, "not a net change: {:?}", change.key);
                let slots = [&change.before, &change.after].into_iter().flatten();
                let slots = slots.map(|all| all.slots().len()).max().unwrap_or(0);
                for slot in 0..slots {
                    let value = |all: &Option<emitted::Numbers>| all.as_ref()?.get(slot);
                    let (before, after) = (value(&change.before), value(&change.after));
                    assert_eq!(numbers.remove(&(change.key, slot)), before, "{:?}", change.key);
                    let differ = (before != after).then_some((before, after));
                    assert_eq!(change.of(slot), differ, "{:?}", change.key);
                    after.map(|after| numbers.insert((change.key, slot), after));
                }
            }
            IndicatorOut::Restored(key, all) => {
                for (slot, value) in (0..all.slots().len()).map(|slot| (slot, all.get(slot))) {
                    let known = value.and_then(|value| numbers.insert((key, slot), value));
                    assert_eq!(known, None);
                }
            }
            IndicatorOut::Shown(key, all) => {
                let mut slots =
                    (0..all.slots().len()).filter_map(|slot| Some((slot, all.get(slot)?)));
                assert!(slots.all(|(slot, value)| numbers.get(&(key, slot)) == Some(&value)));
            }
        }
    }
}

/// Asserts that `numbers` are, for all bars of a series, what the definition of each indicator gives: within
/// 10⁻⁹ of the larger, or 10⁻¹³ of the largest price or output where differences cancel.
pub(super) fn assert_as_defined(
    place: &str,
    config: &IndicatorsConfig,
    (instrument, timeframe): (InstrumentId, Timeframe),
    bars: &Bars,
    numbers: &Numbers,
) {
    let rows: Vec<_> = bars.iter().map(|(time, candle)| (*time, candle.bar)).collect();
    let scale = rows.first().map_or(0, |(_, bar)| bar.spec.price_scale);
    let prices = rows.iter().filter_map(|(_, bar)| bar.high).map(|price| price.0.abs());
    let price = prices.max().unwrap_or(0) as f64 / 10_f64.powi(scale.into());
    let mut expected = 0;
    for (index, indicator) in config.indicators().iter().enumerate() {
        let reference = indicator.reference(&rows, config.calendars());
        assert_eq!(reference.len(), rows.len(), "{indicator}");
        let outputs = reference.iter().flatten().flatten();
        let level = outputs.fold(price, |level, value| level.max(value.abs()));
        for ((open_time, candle), want) in bars.iter().zip(reference) {
            for (output, name) in indicator.outputs().iter().enumerate() {
                let key = CandleKey { instrument, timeframe, open_time: *open_time };
                let slot = config.slot(index as u16, output as u8).expect("there is one");
                let got = numbers.get(&(key, slot));
                let want = want.as_ref().map(|outputs| outputs[output]);
                let want = want.filter(|number| !number.is_nan()); // it begins later than others
                let same = match (got, want) {
                    (None, None) => true,
                    (Some(got), Some(want)) => {
                        expected += 1;
                        assert_eq!(got.peek, candle.state == BarState::Open, "{place}: {key:?}");
                        let far = (got.value.0 - want).abs();
                        far <= 1e-9 * want.abs().max(got.value.0.abs()) + 1e-13 * level
                    }
                    _ => false,
                };
                assert!(
                    same,
                    "{place}: {name} of {indicator} at {open_time}: {got:?}, not {want:?}"
                );
            }
        }
    }
    let on_line =
        |(key, _): &&(CandleKey, usize)| (key.instrument, key.timeframe) == (instrument, timeframe);
    assert_eq!(numbers.keys().filter(on_line).count(), expected, "{place}: too many numbers");
}
