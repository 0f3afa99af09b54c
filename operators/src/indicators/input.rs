//! What an indicator sees of a bar, and the units that it is in.

use market::{Bar, Calendars, EventTime, InstrumentSpec, Timeframe};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The part of a bar that an indicator sees: exact mantissas at the instrument's scales.
///
/// Two bars with equal inputs are the same bar to the indicator.
pub(super) trait Input: Copy + Eq + Send + Serialize + DeserializeOwned + 'static {
    /// The input of the bar that opens at `open_time`; none if a field is missing that the indicator
    /// needs: then the bar takes no part in it.
    fn of(open_time: EventTime, bar: &Bar, calendars: &Calendars) -> Option<Self>;
}

/// What one is, in mantissas: powers of ten. Mantissas become `f64` here and nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    price: f64,
    quantity: f64,
}

impl Units {
    /// The units of an instrument.
    pub fn of(spec: InstrumentSpec) -> Units {
        let ten_to = |scale: u8| 10_f64.powi(i32::from(scale));
        Units { price: ten_to(spec.price_scale), quantity: ten_to(spec.quantity_scale) }
    }

    /// A price, or a sum or difference of prices.
    pub fn price(self, mantissa: impl Mantissa) -> f64 {
        mantissa.nearest_f64() / self.price
    }

    /// A quantity, or a sum of quantities.
    pub fn quantity(self, mantissa: impl Mantissa) -> f64 {
        mantissa.nearest_f64() / self.quantity
    }

    /// A number given in price mantissas: of a mean or deviation that is not a whole one.
    pub fn price_of(self, mantissas: f64) -> f64 {
        mantissas / self.price
    }
}

/// An exact number that becomes the nearest `f64`.
pub trait Mantissa {
    /// The nearest `f64`.
    fn nearest_f64(self) -> f64;
}

impl Mantissa for i64 {
    fn nearest_f64(self) -> f64 {
        self as f64
    }
}

impl Mantissa for i128 {
    fn nearest_f64(self) -> f64 {
        self as f64
    }
}

/// The close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Close(pub(super) i64);

/// High and low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    pub(super) high: i64,
    pub(super) low: i64,
}

/// High, low and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RangeClose {
    pub(super) high: i64,
    pub(super) low: i64,
    pub(super) close: i64,
}

/// Close and volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CloseVolume {
    pub(super) close: i64,
    pub(super) volume: i128,
}

/// High, low, close and volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RangeCloseVolume {
    pub(super) prices: RangeClose,
    pub(super) volume: i128,
}

/// Volume, notional, and the trading day that the bar opens in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turnover {
    pub(super) day: EventTime,
    pub(super) volume: i128,
    pub(super) notional: i128,
}

impl RangeClose {
    /// High + low + close: three times the typical price.
    pub(super) fn three_typical(self) -> i128 {
        i128::from(self.high) + i128::from(self.low) + i128::from(self.close)
    }

    /// The true range in mantissas: how far the price went since the close before.
    pub(super) fn true_range(self, close_before: i64) -> i128 {
        let [high, low, before] = [self.high, self.low, close_before].map(i128::from);
        high.max(before) - low.min(before)
    }
}

impl Input for Close {
    fn of(_: EventTime, bar: &Bar, _: &Calendars) -> Option<Close> {
        bar.close.map(|(_, price)| Close(price.0))
    }
}

impl Input for Range {
    fn of(_: EventTime, bar: &Bar, _: &Calendars) -> Option<Range> {
        Some(Range { high: bar.high?.0, low: bar.low?.0 })
    }
}

impl Input for RangeClose {
    fn of(at: EventTime, bar: &Bar, calendars: &Calendars) -> Option<RangeClose> {
        let Range { high, low } = Range::of(at, bar, calendars)?;
        let Close(close) = Close::of(at, bar, calendars)?;
        Some(RangeClose { high, low, close })
    }
}

impl Input for CloseVolume {
    fn of(at: EventTime, bar: &Bar, calendars: &Calendars) -> Option<CloseVolume> {
        let Close(close) = Close::of(at, bar, calendars)?;
        Some(CloseVolume { close, volume: bar.volume })
    }
}

impl Input for RangeCloseVolume {
    fn of(at: EventTime, bar: &Bar, calendars: &Calendars) -> Option<RangeCloseVolume> {
        let prices = RangeClose::of(at, bar, calendars)?;
        Some(RangeCloseVolume { prices, volume: bar.volume })
    }
}

impl Input for Turnover {
    fn of(at: EventTime, bar: &Bar, calendars: &Calendars) -> Option<Turnover> {
        let day = calendars.get(bar.spec.calendar).bucket(Timeframe::DAY, at).open;
        Some(Turnover { day, volume: bar.volume, notional: bar.notional })
    }
}
