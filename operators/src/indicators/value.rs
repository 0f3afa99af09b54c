//! The values of indicators.

use market::{CandleKey, EventTime, InstrumentId, Timeframe};
use serde::{Deserialize, Serialize};

use crate::numbers::{IndicatorValue, Numbers};

/// Names one number: which output of which indicator at which bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IndicatorKey {
    /// What was traded.
    pub instrument: InstrumentId,
    /// How long the bar is.
    pub timeframe: Timeframe,
    /// When the bar opens.
    pub open_time: EventTime,
    /// Index into [`super::IndicatorsConfig::indicators`].
    pub indicator: u16,
    /// Index into the indicator's outputs.
    pub output: u8,
}

/// The net change of one number in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndicatorChange {
    /// Which number.
    pub key: IndicatorKey,
    /// What it was, if there was one.
    pub before: Option<IndicatorValue>,
    /// What it is, if there is one. Differs from `before`.
    pub after: Option<IndicatorValue>,
}

/// The net change of the numbers of one bar in one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumbersChange {
    /// Which bar.
    pub key: CandleKey,
    /// What they were, if there were any.
    pub before: Option<Numbers>,
    /// What they are, if there are any. Differs from `before`.
    pub after: Option<Numbers>,
}

/// What the operator puts out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndicatorOut {
    /// Numbers of a bar changed.
    Changed(NumbersChange),
    /// Numbers that exist already, emitted again because state was restored.
    Restored(CandleKey, Numbers),
    /// Numbers that exist already, emitted again for rules that newly watch them, and for nobody else.
    Shown(CandleKey, Numbers),
}

impl NumbersChange {
    /// What the number in a slot was and is, if that differs.
    pub fn of(&self, slot: usize) -> Option<(Option<IndicatorValue>, Option<IndicatorValue>)> {
        let value = |numbers: &Option<Numbers>| numbers.as_ref().and_then(|all| all.get(slot));
        let (before, after) = (value(&self.before), value(&self.after));
        (before != after).then_some((before, after))
    }
}

impl IndicatorOut {
    /// The change. That of numbers which are emitted again is for operators that are rebuilt; restored ones ignore it.
    pub fn changed(self) -> Option<NumbersChange> {
        match self {
            IndicatorOut::Changed(change) => Some(change),
            IndicatorOut::Restored(key, numbers) => {
                Some(NumbersChange { key, before: None, after: Some(numbers) })
            }
            IndicatorOut::Shown(..) => None,
        }
    }
}
