//! What instruments and currencies are worth: marks, rates and closes.

use std::collections::BTreeMap;

use market::{
    BarState, Candle, CandleKey, Currency, EventTime, InstrumentId, MONEY_SCALE, Price, Timeframe,
};
use num_bigint::BigInt;

use super::bigint::Fraction;
use super::config::Config;

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

/// How an amount in one currency becomes one in another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rate {
    /// They are the same.
    Same,
    /// Over a pair *C*/*P*.
    Direct(InstrumentId, Scaled),
    /// Over a pair *P*/*C*.
    Inverse(InstrumentId, Scaled),
}

impl Prices<'_> {
    /// The close of the newest base bar that has one.
    pub(super) fn mark(&self, instrument: InstrumentId) -> Option<Scaled> {
        let closes = self.closes(instrument, self.config.base, |_| true);
        closes.last_key_value().map(|(_, close)| *close)
    }

    /// The rate from a quote currency to a base currency: that of the first pair of them, whose mark
    /// has to be above 0.
    pub(super) fn rate(&self, from: Currency, to: Currency) -> Option<Rate> {
        if from == to {
            return Some(Rate::Same);
        }
        let direct = |first, second| (first, second) == (from, to);
        let pair = self
            .config
            .pairs
            .iter()
            .find(|pair| direct(pair.first, pair.second) || direct(pair.second, pair.first))?;
        let mark = self.mark(pair.instrument).filter(|mark| mark.price.0 > 0)?;
        Some(match direct(pair.first, pair.second) {
            true => Rate::Direct(pair.instrument, mark),
            false => Rate::Inverse(pair.instrument, mark),
        })
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
    pub(super) fn worth(self, amount: BigInt, scale: u8) -> Fraction {
        let (scale, money) = (i32::from(scale), i32::from(MONEY_SCALE));
        match self {
            Rate::Same => Fraction::of(amount, BigInt::from(1)).times_ten_to(money - scale),
            Rate::Direct(_, mark) => Fraction::of(amount * mark.price.0, BigInt::from(1))
                .times_ten_to(money - scale - i32::from(mark.scale)),
            Rate::Inverse(_, mark) => Fraction::of(amount, BigInt::from(mark.price.0))
                .times_ten_to(i32::from(mark.scale) + money - scale),
        }
    }

    /// The pair that it goes over, if it goes over one.
    pub(super) fn pair(self) -> Option<InstrumentId> {
        match self {
            Rate::Same => None,
            Rate::Direct(pair, _) | Rate::Inverse(pair, _) => Some(pair),
        }
    }
}

impl Scaled {
    /// In whole units.
    pub(super) fn number(self) -> f64 {
        self.price.0 as f64 / 10_f64.powi(i32::from(self.scale))
    }
}
