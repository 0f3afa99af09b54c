//! What instruments and currencies are worth: marks, rates and closes.

use std::collections::BTreeMap;

use market::{
    BarState, Candle, CandleKey, Currency, EventTime, InstrumentId, MONEY_SCALE, Price, Timeframe,
};
use num_bigint::BigInt;

use super::bigint::Fraction;
use super::config::{Config, PairSource};

/// The bars as they show, and what is configured about them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices<'a> {
    pub(super) config: &'a Config,
    pub(super) bars: &'a BTreeMap<CandleKey, Candle>,
}

/// A price and its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scaled {
    pub(super) price: Price,
    pub(super) scale: u8,
}

/// How an amount in one currency becomes one in another: over these pairs, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Rate(pub(super) Vec<RateStep>);

/// A pair, its price, and whether amounts are multiplied by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateStep {
    pub(super) source: PairSource,
    pub(super) multiplies: bool,
    pub(super) price: Scaled,
}

impl Prices<'_> {
    /// The close of the newest base bar that has one.
    pub(super) fn mark(&self, instrument: InstrumentId) -> Option<Scaled> {
        let closes = self.closes(instrument, self.config.base, |_| true);
        closes.last_key_value().map(|(_, close)| *close)
    }

    /// The rate from a quote currency to a base currency, over the first of the shortest chains of pairs. All marks on
    /// it have to be above 0, and products of prices below 2^127.
    pub(super) fn rate(&self, from: Currency, to: Currency) -> Option<Rate> {
        let mut chains = Vec::new();
        self.chains(from, to, &mut Vec::new(), &mut chains);
        let numbers = |chain: &Vec<(usize, bool)>| -> Vec<usize> {
            chain.iter().map(|(number, _)| *number).collect()
        };
        let chain = chains.into_iter().min_by_key(|chain| (chain.len(), numbers(chain)))?;
        let step = |(number, multiplies): (usize, bool)| {
            let source = self.config.pairs[number].source;
            let price = match source {
                PairSource::Mark(instrument) => {
                    self.mark(instrument).filter(|mark| mark.price.0 > 0)?
                }
                PairSource::Fixed(price, scale) => Scaled { price, scale },
            };
            Some(RateStep { source, multiplies, price })
        };
        let rate = Rate(chain.into_iter().map(step).collect::<Option<_>>()?);
        let fits = |multiplies| {
            let some = rate.0.iter().filter(|step| step.multiplies == multiplies);
            let product: BigInt = some.map(|step| BigInt::from(step.price.price.0)).product();
            product.bits() <= 127
        };
        (fits(true) && fits(false)).then_some(rate)
    }

    /// All chains of at most three pairs from one currency to another, by the numbers of pairs and whether each is
    /// read as it is written.
    fn chains(
        &self,
        from: Currency,
        to: Currency,
        before: &mut Vec<(usize, bool)>,
        chains: &mut Vec<Vec<(usize, bool)>>,
    ) {
        if from == to {
            chains.push(before.clone());
        }
        if before.len() == 3 {
            return;
        }
        for (number, pair) in self.config.pairs.iter().enumerate() {
            for (one, other, multiplies) in
                [(pair.first, pair.second, true), (pair.second, pair.first, false)]
            {
                if one == from {
                    before.push((number, multiplies));
                    self.chains(other, to, before, chains);
                    before.pop();
                }
            }
        }
    }

    /// The closes of the closed bars that risk looks at, by when they open.
    pub(super) fn closed(&self, instrument: InstrumentId) -> BTreeMap<EventTime, Scaled> {
        let closed = |candle: &Candle| match candle.state {
            BarState::Open | BarState::Partial => false,
            BarState::Provisional | BarState::Final | BarState::Revised => true,
        };
        self.closes(instrument, self.config.risk.timeframe, closed)
    }

    fn closes(
        &self,
        instrument: InstrumentId,
        timeframe: Timeframe,
        counts: impl Fn(&Candle) -> bool,
    ) -> BTreeMap<EventTime, Scaled> {
        let mut closes = BTreeMap::new();
        for (key, candle) in self.bars {
            if (key.instrument, key.timeframe) != (instrument, timeframe) || !counts(candle) {
                continue;
            }
            if let Some((_, price)) = candle.bar.close {
                let close = Scaled { price, scale: candle.bar.spec.price_scale };
                closes.insert(key.open_time, close);
            }
        }
        closes
    }
}

impl Rate {
    /// What an amount at a scale is worth in the other currency, at [`MONEY_SCALE`].
    pub(super) fn worth(&self, amount: BigInt, scale: u8) -> Fraction {
        let mut worth = Fraction::of(amount, BigInt::from(1));
        let mut power = i32::from(MONEY_SCALE) - i32::from(scale);
        for step in &self.0 {
            let Scaled { price, scale } = step.price;
            if step.multiplies {
                worth.above *= price.0;
                power -= i32::from(scale);
            } else {
                worth.below *= price.0;
                power += i32::from(scale);
            }
        }
        worth.times_ten_to(power)
    }
}

impl Scaled {
    /// In whole units.
    pub(super) fn number(self) -> f64 {
        self.price.0 as f64 / 10_f64.powi(i32::from(self.scale))
    }
}
