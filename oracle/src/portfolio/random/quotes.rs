//! Prices and the bars that they make, which are restated now and then.

use std::collections::{BTreeMap, BTreeSet};

use market::{
    Bar, BarState, Candle, CandleKey, EventTime, IdScope, InstrumentId, InstrumentSpec, ModelId,
    Price, Quantity, Side, Timeframe, Trade, TradeId, Updates,
};

use super::scene::{Scene, Traded};
use crate::portfolio::IndicatorNumber;
use crate::prng::Prng;

const SECOND: i64 = 1_000_000_000;
/// 2024-03-05T10:00Z.
const START: i64 = 1_709_632_800 * SECOND;

/// The prices of all instruments, and what has been shown of them.
#[derive(Clone, Debug)]
pub(super) struct Quotes {
    prng: Prng,
    instruments: Vec<Quoted>,
    base: Timeframe,
    computed: BTreeMap<ModelId, Timeframe>,
    extremes: bool,
    pub(super) now: EventTime,
    /// The last trade of each base bar.
    trades: BTreeMap<CandleKey, Trade>,
    /// In how many commits a bar changed after it was final.
    revisions: BTreeMap<CandleKey, u32>,
    bars: BTreeMap<CandleKey, Candle>,
    numbers: BTreeMap<(ModelId, CandleKey), IndicatorNumber>,
}

/// One instrument and its price.
#[derive(Clone, Debug)]
struct Quoted {
    id: InstrumentId,
    spec: InstrumentSpec,
    price: i64,
    /// The time before which it does not trade.
    starts: EventTime,
    /// In how many of a hundred minutes it trades.
    busy: u64,
}

/// What is new of bars.
type BarChanges = Vec<(CandleKey, Option<Candle>)>;
/// What is new of the numbers of indicators.
type NumberChanges = Vec<((ModelId, CandleKey), Option<IndicatorNumber>)>;

impl Quotes {
    pub(super) fn new(seed: u64, scene: &Scene) -> Quotes {
        let mut prng = Prng::new(seed);
        let all = scene.instruments.iter().chain(&scene.pairs);
        let instruments = all.map(|traded| Quoted::new(&mut prng, traded)).collect();
        Quotes {
            instruments,
            prng,
            base: scene.config.base,
            computed: scene.config.computed.clone(),
            extremes: scene.extremes,
            now: EventTime(START),
            trades: BTreeMap::new(),
            revisions: BTreeMap::new(),
            bars: BTreeMap::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// The price of an instrument now.
    pub(super) fn price(&self, instrument: InstrumentId) -> i64 {
        let quoted = self.instruments.iter().find(|quoted| quoted.id == instrument);
        quoted.map_or(0, |quoted| quoted.price)
    }

    /// One to four minutes pass. Much trades, some late, and some bars of before are restated.
    pub(super) fn move_on(&mut self) {
        let watermark = self.watermark();
        let mut changed = BTreeSet::new();
        for _ in 0..self.prng.between(1, 4) {
            self.now = EventTime(self.now.0 + 60 * SECOND);
            for at in 0..self.instruments.len() {
                let busy = self.instruments[at].busy;
                if self.now >= self.instruments[at].starts && self.prng.percent(busy) {
                    self.instruments[at].walk(&mut self.prng, self.extremes);
                    changed.insert(self.trade(at, 0));
                }
            }
        }
        for at in 0..self.instruments.len() {
            if self.now >= self.instruments[at].starts && self.prng.percent(12) {
                let minutes = self.prng.between(1, 30);
                changed.insert(self.trade(at, minutes));
            }
        }
        let old: Vec<CandleKey> = self.trades.keys().copied().collect();
        if self.prng.percent(25) && !old.is_empty() {
            let gone = self.prng.pick(&old);
            self.trades.remove(&gone);
            changed.insert(gone);
        }
        for key in changed {
            for key in [key, larger(key)] {
                if end(key) <= watermark {
                    *self.revisions.entry(key).or_default() += 1;
                }
            }
        }
    }

    /// A trade in the minute that lies so many minutes before this one takes the place of what was
    /// there. Some have no price that a close could be.
    fn trade(&mut self, at: usize, minutes_ago: i64) -> CandleKey {
        let quoted = &self.instruments[at];
        let open_time = EventTime(self.now.0 - minutes_ago * 60 * SECOND);
        let key = CandleKey { instrument: quoted.id, timeframe: self.base, open_time };
        let trade = Trade {
            instrument: quoted.id,
            spec: quoted.spec,
            scope: IdScope(0),
            id: TradeId::Number(self.prng.below(1_000_000)),
            time: EventTime(open_time.0 + self.prng.below(60) as i64 * SECOND),
            sequence: 0,
            is_positional: false,
            price: Price(quoted.price),
            quantity: Quantity(1 + self.prng.below(100) as i64),
            side: Side::Buy,
            updates: if self.prng.percent(90) { Updates::ALL } else { Updates::VOLUME },
        };
        self.trades.insert(key, trade);
        key
    }

    fn watermark(&self) -> EventTime {
        EventTime(self.now.0 - 180 * SECOND)
    }

    /// What shows otherwise than when this was last asked: larger bars and numbers only at the end of
    /// a round.
    pub(super) fn changes(&mut self, round: bool) -> (BarChanges, NumberChanges) {
        let (mut shown, mut numbers) = (self.show(), self.numbers.clone());
        if round {
            self.compute(&shown, &mut numbers);
        } else {
            shown.retain(|key, _| key.timeframe == self.base);
            let before = self.bars.iter().filter(|(key, _)| key.timeframe != self.base);
            shown.extend(before.map(|(key, candle)| (*key, *candle)));
        }
        let changes = (difference(&self.bars, &shown), difference(&self.numbers, &numbers));
        (self.bars, self.numbers) = (shown, numbers);
        changes
    }

    fn show(&self) -> BTreeMap<CandleKey, Candle> {
        let mut bars: BTreeMap<CandleKey, Bar> = BTreeMap::new();
        for (base, trade) in &self.trades {
            for key in [*base, larger(*base)] {
                let bar = bars.entry(key).or_insert_with(|| Bar::empty(trade.spec, end(key)));
                bar.add(trade);
            }
        }
        let candle = |key: CandleKey, bar: Bar| {
            let revision = self.revisions.get(&key).copied().unwrap_or(0);
            let state = match bar.end_time {
                end if end > self.now => BarState::Open,
                end if end > self.watermark() => BarState::Provisional,
                _ if revision == 0 => BarState::Final,
                _ => BarState::Revised,
            };
            Candle { bar, state, revision, cause: None }
        };
        bars.into_iter().map(|(key, bar)| (key, candle(key, bar))).collect()
    }

    /// Numbers of indicators at half of the bars, some of them anew; they go with their bars.
    fn compute(
        &mut self,
        shown: &BTreeMap<CandleKey, Candle>,
        numbers: &mut BTreeMap<(ModelId, CandleKey), IndicatorNumber>,
    ) {
        numbers.retain(|(_, key), _| shown.contains_key(key));
        for (model, timeframe) in self.computed.clone() {
            for (key, candle) in shown.iter().filter(|(key, _)| key.timeframe == timeframe) {
                let new = !numbers.contains_key(&(model, *key)) && self.prng.percent(30);
                if let Some((_, close)) = candle.bar.close.filter(|_| new || self.prng.percent(2)) {
                    let number = self.number(close, candle.bar.spec.price_scale);
                    let number = IndicatorNumber { spec: candle.bar.spec, number };
                    numbers.insert((model, *key), number);
                }
            }
        }
    }

    /// Near a price, often halfway between two, seldom no price at all.
    fn number(&mut self, price: Price, scale: u8) -> f64 {
        let odd = [f64::NAN, f64::INFINITY, 1e300, -0.0];
        if self.prng.percent(5) {
            return self.prng.pick(&odd);
        }
        let units = price.0 as f64 + self.prng.between(-8, 8) as f64 / 4.0;
        units / 10_f64.powi(i32::from(scale))
    }
}

impl Quoted {
    fn new(prng: &mut Prng, traded: &Traded) -> Quoted {
        let late = EventTime(START + prng.between(5, 60) * 60 * SECOND);
        let starts = match (traded.never_trades(), prng.percent(30)) {
            (true, _) => EventTime::END,
            (false, true) => late,
            (false, false) => EventTime(START),
        };
        Quoted {
            id: traded.id,
            spec: traded.contract.spec,
            price: prng.pick(&[7, 100, 9_999, 1_234_567, 5_000_000_000_000]),
            starts,
            busy: prng.pick(&[10, 60, 90]),
        }
    }

    /// The price moves by a little, seldom by a lot.
    fn walk(&mut self, prng: &mut Prng, extremes: bool) {
        if extremes && prng.percent(6) {
            self.price = prng.pick(&[i64::MAX, i64::MIN, 1 << 62, 1, 0, -1]);
        } else if prng.percent(2) {
            self.price = prng.pick(&[0, -50, 1]);
        } else if prng.percent(10) || self.price.unsigned_abs() > 1 << 61 {
            self.price = prng.pick(&[100, 9_999, 1_234_567]);
        } else {
            let step = (self.price / 50).abs().max(2);
            self.price += prng.between(-step, step);
        }
    }
}

fn end(key: CandleKey) -> EventTime {
    EventTime(key.open_time.0 + i64::from(key.timeframe.secs()) * SECOND)
}

/// The bar of five minutes that a base bar lies in.
fn larger(key: CandleKey) -> CandleKey {
    let timeframe = Timeframe::from_secs(300).unwrap_or(key.timeframe);
    let length = i64::from(timeframe.secs()) * SECOND;
    let open_time = EventTime(key.open_time.0.div_euclid(length) * length);
    CandleKey { timeframe, open_time, ..key }
}

/// What `after` has otherwise than `before`.
fn difference<K: Ord + Copy, V: Copy + PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> Vec<(K, Option<V>)> {
    let keys: BTreeSet<K> = before.keys().chain(after.keys()).copied().collect();
    let other = keys.into_iter().filter(|key| before.get(key) != after.get(key));
    other.map(|key| (key, after.get(&key).copied())).collect()
}
