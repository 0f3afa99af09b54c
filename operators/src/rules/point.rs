//! A bar as rules see it.

use market::{Bar, BarState, Candle};

use crate::numbers::Numbers;

/// A bar, and the numbers at it. A bar may lack prices: that of an odd lot has a volume alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Open and close, at the price scale.
    pub ends: Option<(i64, i64)>,
    /// High and low, at the price scale.
    pub reach: Option<(i64, i64)>,
    /// Decimals of the prices.
    pub price_scale: u8,
    /// Volume in units, as a number.
    pub volume: f64,
    /// Whether the watermark has reached its end.
    pub is_final: bool,
    /// The numbers at it, by [`super::Series::Slot`]; none if there are none, or no rule refers to any.
    pub numbers: Option<Numbers>,
}

/// The prices of a bar that has them all, at the price scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Open.
    pub open: i64,
    /// High.
    pub high: i64,
    /// Low.
    pub low: i64,
    /// Close.
    pub close: i64,
}

impl Point {
    /// The bar of a candle; none if it is partial.
    pub fn of(candle: &Candle, numbers: Option<Numbers>) -> Option<Point> {
        if candle.state == BarState::Partial {
            return None;
        }
        let Bar { spec, open, high, low, close, volume, .. } = candle.bar;
        Some(Point {
            ends: open.zip(close).map(|((_, open), (_, close))| (open.0, close.0)),
            reach: high.zip(low).map(|(high, low)| (high.0, low.0)),
            price_scale: spec.price_scale,
            volume: volume as f64 / 10_f64.powi(i32::from(spec.quantity_scale)),
            is_final: matches!(candle.state, BarState::Final | BarState::Revised),
            numbers,
        })
    }

    /// Its prices; none if it lacks one.
    pub fn shape(&self) -> Option<Shape> {
        let ((open, close), (high, low)) = self.ends.zip(self.reach)?;
        Some(Shape { open, high, low, close })
    }

    /// A price as a number.
    pub fn number(&self, price: i64) -> f64 {
        price as f64 / 10_f64.powi(i32::from(self.price_scale))
    }
}

impl Shape {
    /// Height of the body.
    pub(super) fn body(&self) -> i64 {
        self.open.saturating_sub(self.close).saturating_abs()
    }

    /// Height of the whole bar.
    pub(super) fn range(&self) -> i64 {
        self.high.saturating_sub(self.low)
    }

    /// From the body up to the high.
    pub(super) fn upper_shadow(&self) -> i64 {
        self.high.saturating_sub(self.open.max(self.close))
    }

    /// From the low up to the body.
    pub(super) fn lower_shadow(&self) -> i64 {
        self.open.min(self.close).saturating_sub(self.low)
    }

    pub(super) fn rises(&self) -> bool {
        self.close > self.open
    }

    pub(super) fn falls(&self) -> bool {
        self.close < self.open
    }
}
