//! The last closes of an instrument, shared by everything that looks at them.

use std::sync::Arc;

use market::{EventTime, Price};
use serde::{Deserialize, Serialize};

/// A bar that closed: when it opened, and its close.
pub type Close = (EventTime, Price);

/// The last closes of closed bars, in order of time; at least one. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u8, Vec<Close>)", into = "(u8, Vec<Close>)")]
pub struct CloseSeries {
    scale: u8,
    closes: Arc<[Close]>,
}

impl CloseSeries {
    /// These closes at so many decimals; none if there are none.
    pub(super) fn new(scale: u8, closes: Vec<Close>) -> Option<CloseSeries> {
        (!closes.is_empty()).then(|| CloseSeries { scale, closes: closes.into() })
    }

    /// The closes.
    pub fn closes(&self) -> &[Close] {
        &self.closes
    }

    /// At how many decimals they are.
    pub fn scale(&self) -> u8 {
        self.scale
    }

    /// The close at each time of `grid`, which ascends: that of the latest bar that opens at or before it,
    /// or the first one; in whole units.
    pub(super) fn on(&self, grid: &[EventTime]) -> impl Iterator<Item = f64> {
        let mut at = 0;
        let unit = unit(self.scale);
        grid.iter().map(move |time| {
            while self.closes.get(at + 1).is_some_and(|(open_time, _)| open_time <= time) {
                at += 1;
            }
            self.closes.get(at).map_or(0.0, |(_, price)| price.0 as f64 / unit)
        })
    }
}

impl From<(u8, Vec<Close>)> for CloseSeries {
    fn from((scale, closes): (u8, Vec<Close>)) -> CloseSeries {
        CloseSeries { scale, closes: closes.into() }
    }
}

impl From<CloseSeries> for (u8, Vec<Close>) {
    fn from(series: CloseSeries) -> (u8, Vec<Close>) {
        (series.scale, series.closes.to_vec())
    }
}

/// 10 to the power of `scale`, exactly.
pub(super) fn unit(scale: u8) -> f64 {
    10_u64.pow(u32::from(scale.min(market::decimal::SCALE_MAX))) as f64
}
