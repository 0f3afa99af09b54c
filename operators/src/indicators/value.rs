//! What indicators say.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use market::{EventTime, InstrumentId, Timeframe};
use serde::{Deserialize, Serialize};

/// A floating-point number that is equal, ordered and hashed by its bits, so that it can be a key:
/// `−0` and `+0` differ, and every not-a-number equals itself. Ordered as by [`f64::total_cmp`].
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Reading(pub f64);

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

/// One number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IndicatorValue {
    /// The value, in the unit that the indicator's doc gives.
    pub value: Reading,
    /// Whether the bar is still open, so that the value is a glimpse of what it may become.
    pub peek: bool,
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

/// What the operator puts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndicatorOut {
    /// A number changed.
    Changed(IndicatorChange),
    /// A number that exists already, told again because state was restored.
    Restored(IndicatorKey, IndicatorValue),
}

impl IndicatorOut {
    /// The change, if it is one.
    pub fn changed(self) -> Option<IndicatorChange> {
        match self {
            IndicatorOut::Changed(change) => Some(change),
            IndicatorOut::Restored(..) => None,
        }
    }
}

impl PartialEq for Reading {
    fn eq(&self, other: &Reading) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Reading {}

impl PartialOrd for Reading {
    fn partial_cmp(&self, other: &Reading) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reading {
    fn cmp(&self, other: &Reading) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Reading {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
