//! What rules look at.

use std::sync::Arc;

use market::{Candle, CandleKey, InstrumentId, Shard, Timeframe};

use crate::indicators::{IndicatorOut, NumbersChange};
use crate::keyed::Sharded;
use crate::numbers::Numbers;
use crate::output::{BarChange, LedgerOut};

/// What rules look at.
#[derive(Clone, Debug, PartialEq)]
pub enum SignalIn {
    /// A bar changed.
    Bar(Arc<BarChange>),
    /// The numbers at a bar are these now; none if it has none.
    Numbers(CandleKey, Option<Numbers>),
    /// A bar that exists already, for rules that newly watch it: it has not changed.
    ShownBar(CandleKey, Arc<Candle>),
    /// The numbers at such a bar.
    ShownNumbers(CandleKey, Numbers),
}

impl SignalIn {
    /// What is in an output of bars; changes only if there are rules (`has_rules`).
    pub fn of_bar(out: LedgerOut, has_rules: bool) -> Option<SignalIn> {
        match out {
            LedgerOut::Shown(key, candle) => Some(SignalIn::ShownBar(key, candle)),
            out if has_rules => out.bar_change().map(SignalIn::Bar),
            _ => None,
        }
    }

    /// What is in an output of indicators, if rules refer to any number (`has_rules`).
    pub fn of_numbers(out: IndicatorOut, has_rules: bool) -> Option<SignalIn> {
        match out {
            _ if !has_rules => None,
            IndicatorOut::Shown(key, numbers) => Some(SignalIn::ShownNumbers(key, numbers)),
            out => {
                out.changed().map(|NumbersChange { key, after, .. }| SignalIn::Numbers(key, after))
            }
        }
    }

    /// The bar that it speaks of.
    pub fn key(&self) -> CandleKey {
        match self {
            SignalIn::Bar(change) => change.key,
            SignalIn::Numbers(key, _)
            | SignalIn::ShownBar(key, _)
            | SignalIn::ShownNumbers(key, _) => *key,
        }
    }

    /// The instrument and the timeframe of that bar.
    pub fn of(&self) -> (InstrumentId, Timeframe) {
        let key = self.key();
        (key.instrument, key.timeframe)
    }
}

impl Sharded for SignalIn {
    fn shard(&self) -> Shard {
        self.of().0.shard()
    }
}
