//! Rules: what they look at, and when they hold.

use market::{Commit, InstrumentId, RuleId, Timeframe};

use super::pattern::Pattern;
use super::point::{Point, Shape};

/// A rule of a job.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its number.
    pub id: RuleId,
    /// Its name.
    pub name: String,
    /// The commit that has put it as it is now; the first one if it is configured.
    pub since: Commit,
    /// The instruments that it watches; none listed: all.
    pub instruments: Vec<InstrumentId>,
    /// The timeframes that it watches; none listed: all.
    pub timeframes: Vec<Timeframe>,
    /// From when on a bar counts.
    pub settle: Settle,
    /// When it holds.
    pub condition: Condition,
}

/// From when on a bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// From its first trade; an alert may come and go while the bar is open.
    AtOnce,
    /// From when it is final.
    OnFinal,
}

/// When a rule holds at a bar.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `left` was at or below `right` at the bar before and is above it here (or the other way round).
    Cross {
        /// The series that crosses.
        left: Series,
        /// The series that is crossed.
        right: Series,
        /// Which way.
        direction: Direction,
    },
    /// `series` is beyond `level` here; that it was so before does not matter.
    Threshold {
        /// What is compared.
        series: Series,
        /// With what.
        level: f64,
        /// On which side.
        direction: Direction,
    },
    /// The close is beyond the highest high (or lowest low) of the `bars` bars before; there must be so many.
    Breakout {
        /// How many bars are looked back on.
        bars: usize,
        /// Which way.
        direction: Direction,
    },
    /// A candlestick pattern ends here.
    Candlestick(&'static Pattern),
}

/// A side, or a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Above, or upwards.
    Above,
    /// Below, or downwards.
    Below,
}

/// Something that has a number at each bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Series {
    /// The open.
    Open,
    /// The high.
    High,
    /// The low.
    Low,
    /// The close.
    Close,
    /// The volume.
    Volume,
    /// The number in this slot of those of the bar.
    Slot(usize),
    /// The same number at every bar.
    Number(f64),
}

impl Rule {
    /// Whether the rule watches bars of this instrument and timeframe.
    pub fn applies_to(&self, instrument: InstrumentId, timeframe: Timeframe) -> bool {
        (self.instruments.is_empty() || self.instruments.contains(&instrument))
            && (self.timeframes.is_empty() || self.timeframes.contains(&timeframe))
    }

    /// Whether it holds at the last of `points`, in the order of time: the bar and as many before it that [take
    /// part](Self::takes_part) as [`Self::looks_back`] gives, or fewer if there are no more.
    pub fn holds(&self, points: &[&Point]) -> bool {
        let Some((last, earlier)) = points.split_last() else { return false };
        if self.settle == Settle::OnFinal && !last.is_final {
            return false;
        }
        self.condition.holds(last, earlier).unwrap_or(false)
    }

    /// Whether a bar has all that the rule looks at. A bar that has not does not exist for it.
    pub fn takes_part(&self, point: &Point) -> bool {
        match &self.condition {
            Condition::Cross { left, right, .. } => {
                left.at(point).is_some() && right.at(point).is_some()
            }
            Condition::Threshold { series, .. } => series.at(point).is_some(),
            Condition::Breakout { .. } | Condition::Candlestick(_) => point.shape().is_some(),
        }
    }

    /// The number at a bar that is compared: the left series of a cross, the series of a threshold; none of other rules.
    pub fn compared(&self, point: &Point) -> Option<f64> {
        match &self.condition {
            Condition::Cross { left: series, .. } | Condition::Threshold { series, .. } => {
                series.at(point)
            }
            Condition::Breakout { .. } | Condition::Candlestick(_) => None,
        }
    }

    /// Whether it looks at a number that is computed.
    pub fn uses_numbers(&self) -> bool {
        let is_slot = |series: &Series| matches!(series, Series::Slot(_));
        match &self.condition {
            Condition::Cross { left, right, .. } => is_slot(left) || is_slot(right),
            Condition::Threshold { series, .. } => is_slot(series),
            Condition::Breakout { .. } | Condition::Candlestick(_) => false,
        }
    }

    /// How many bars before a bar decide whether the rule holds at it.
    pub fn looks_back(&self) -> usize {
        match &self.condition {
            Condition::Cross { .. } => 1,
            Condition::Threshold { .. } => 0,
            Condition::Breakout { bars, .. } => *bars,
            Condition::Candlestick(pattern) => pattern.bars - 1,
        }
    }
}

impl Condition {
    /// None where something is missing that it needs.
    fn holds(&self, last: &Point, earlier: &[&Point]) -> Option<bool> {
        match self {
            Condition::Cross { left, right, direction } => {
                let before = earlier.last()?;
                let (from, to) = (left.at(before)?, left.at(last)?);
                let (from_other, to_other) = (right.at(before)?, right.at(last)?);
                Some(match direction {
                    Direction::Above => from <= from_other && to > to_other,
                    Direction::Below => from >= from_other && to < to_other,
                })
            }
            Condition::Threshold { series, level, direction } => {
                let value = series.at(last)?;
                Some(match direction {
                    Direction::Above => value > *level,
                    Direction::Below => value < *level,
                })
            }
            Condition::Breakout { bars, direction } => {
                let window = shapes(earlier, *bars)?;
                let Shape { close, .. } = last.shape()?;
                Some(match direction {
                    Direction::Above => close > window.iter().map(|bar| bar.high).max()?,
                    Direction::Below => close < window.iter().map(|bar| bar.low).min()?,
                })
            }
            Condition::Candlestick(pattern) => {
                let window = shapes(earlier, pattern.bars - 1)?;
                Some((pattern.holds)(&window, last.shape()?))
            }
        }
    }
}

/// The prices of the last `count` bars; none if there are fewer, or one lacks prices.
fn shapes(points: &[&Point], count: usize) -> Option<Vec<Shape>> {
    let last = points.get(points.len().checked_sub(count)?..)?;
    last.iter().map(|point| point.shape()).collect()
}

impl Series {
    /// The number at a bar, if there is one.
    pub fn at(&self, point: &Point) -> Option<f64> {
        match self {
            Series::Open => point.ends.map(|(open, _)| point.number(open)),
            Series::High => point.reach.map(|(high, _)| point.number(high)),
            Series::Low => point.reach.map(|(_, low)| point.number(low)),
            Series::Close => point.ends.map(|(_, close)| point.number(close)),
            Series::Volume => Some(point.volume),
            Series::Slot(slot) => Some(point.numbers.as_ref()?.get(*slot)?.value.0),
            Series::Number(number) => Some(*number),
        }
    }
}
