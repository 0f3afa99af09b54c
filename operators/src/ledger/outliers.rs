//! Outliers: trades whose price is far away from recent prices. They are logged, and stay in their bars.
//!
//! What is recent is known from the closes of earlier base bars as they are at the end of the commit. All trades
//! between two such closes are held to one [`Band`], so medians are computed about once per bar and commit in which
//! closes before it change, and the plain trades of a bar cost two comparisons together.
//!
//! * An outlier still counts: a filter that drops is wrong when the market jumps, and values would depend on history.
//! * The rule looks at trades that enter bars, not at records. Otherwise redundant feeds would report copies, outranked
//!   corrections and trades cancelled at once again and again.
//! * States do not save the closes, since these follow from the saved bars.

use std::collections::BTreeMap;

use market::{EventTime, Price};

/// When a price is an outlier: `docs/semantics.md`, section on outliers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierRule {
    /// How many closes a price is held to, at most; 0 turns the rule off.
    pub bars: usize,
    /// How many deviations from the median are too many.
    pub deviations: u32,
    /// The least deviation: so many hundredths of a percent of the median.
    pub floor_bps: u32,
}

/// What a price was held to and found too far from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Far {
    /// Median of the closes.
    pub(super) median: Price,
    /// Median distance of the closes from it.
    pub(super) deviation: u64,
    /// How many closes there were.
    pub(super) bars: u32,
}

/// The closes of one instrument's base bars at the end of the last commit, and the bands they give.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentPrices {
    /// By when the bar opens.
    closes: BTreeMap<EventTime, Price>,
    /// Bands in use; each may go at any time.
    bands: Vec<Band>,
}

/// Many more bands than bars trade at a time; beyond it the oldest goes.
const BANDS_MAX: usize = 16;

/// Prices that are no outliers in bars that open after `last` and not after `until`.
#[derive(Clone, Debug)]
struct Band {
    /// The first bar of the window; before all time if a bar before the window would come into it.
    first: EventTime,
    /// The last bar of the window; before all time if it is empty.
    last: EventTime,
    /// The next bar with a close: it is not in this window, but in that of later bars.
    until: EventTime,
    /// Least and highest price, and what they follow from; none if there are too few closes to judge by.
    limits: Option<(i128, i128, Far)>,
}

impl OutlierRule {
    /// No price is an outlier.
    pub const OFF: OutlierRule = OutlierRule { bars: 0, deviations: 0, floor_bps: 0 };

    fn is_on(&self) -> bool {
        self.bars > 0
    }

    /// The limits that the closes of a window give.
    fn limits(&self, closes: &[Price]) -> Option<(i128, i128, Far)> {
        if closes.len() * 2 < self.bars {
            return None;
        }
        let mut sorted: Vec<i64> = closes.iter().map(|close| close.0).collect();
        let median = lower_median(&mut sorted)?;
        let mut distances: Vec<u64> = sorted.iter().map(|close| close.abs_diff(median)).collect();
        let deviation = lower_median(&mut distances)?;

        let floor = i128::from(self.floor_bps) * i128::from(median.unsigned_abs());
        let widest = i128::from(self.deviations) * floor.max(10_000 * i128::from(deviation));
        // A price is a whole number, so what is left of the division decides nothing.
        let reach = widest / 10_000;
        let bars = u32::try_from(closes.len()).unwrap_or(u32::MAX);
        let far = Far { median: Price(median), deviation, bars };
        Some((i128::from(median) - reach, i128::from(median) + reach, far))
    }
}

impl RecentPrices {
    /// Compares the price of a trade in the bar that opens at `open` with recent prices; returns from what it is
    /// too far, if it is.
    pub(super) fn judge(
        &mut self,
        rule: &OutlierRule,
        open: EventTime,
        price: Price,
    ) -> Option<Far> {
        if !rule.is_on() {
            return None;
        }
        let known = self.bands.iter().position(|band| band.holds(open));
        let index = known.unwrap_or_else(|| self.remember(self.band(rule, open)));
        let (least, highest, far) = self.bands.get(index)?.limits?;
        let inside = (least..=highest).contains(&i128::from(price.0));
        (!inside).then_some(far)
    }

    /// Takes the close of a bar at the end of a commit; none if it has none (any more).
    pub(super) fn close(&mut self, rule: &OutlierRule, open: EventTime, close: Option<Price>) {
        if !rule.is_on() {
            return;
        }
        let before = match close {
            Some(close) => self.closes.insert(open, close),
            None => self.closes.remove(&open),
        };
        if before == close {
            return;
        }
        self.bands.retain(|band| !band.depends_on(open));
        for band in &mut self.bands {
            if band.holds(open) && close.is_some() {
                band.until = open;
            }
        }
    }

    /// About how many bytes are retained.
    pub(super) fn bytes(&self) -> usize {
        // A B-tree's nodes are two thirds full on average.
        self.closes.len() * size_of::<(EventTime, Price)>() * 3 / 2
            + self.bands.len() * size_of::<Band>()
    }

    fn band(&self, rule: &OutlierRule, open: EventTime) -> Band {
        let before = self.closes.range(..open).rev();
        let (opens, closes): (Vec<EventTime>, Vec<Price>) =
            before.take(rule.bars).map(|(open, close)| (*open, *close)).unzip();
        let is_full = opens.len() == rule.bars;
        let first = opens.last().copied().filter(|_| is_full);
        let next = self.closes.range(open..).next();
        Band {
            first: first.unwrap_or(EventTime::NEVER),
            last: opens.first().copied().unwrap_or(EventTime::NEVER),
            until: next.map_or(EventTime::END, |(open, _)| *open),
            limits: rule.limits(&closes),
        }
    }

    /// Keeps a band, and returns its index.
    fn remember(&mut self, band: Band) -> usize {
        if self.bands.len() >= BANDS_MAX {
            let oldest = (0..self.bands.len()).min_by_key(|index| self.bands[*index].last);
            self.bands.swap_remove(oldest.unwrap_or(0));
        }
        self.bands.push(band);
        self.bands.len() - 1
    }
}

impl Band {
    fn holds(&self, open: EventTime) -> bool {
        self.last < open && open <= self.until
    }

    /// Whether the close of the bar that opens at `open` is, or would be, in the window.
    fn depends_on(&self, open: EventTime) -> bool {
        self.first <= open && open <= self.last
    }
}

/// Of an even number the lower one of the two in the middle. Changes the order.
fn lower_median<T: Ord + Copy>(numbers: &mut [T]) -> Option<T> {
    let middle = numbers.len().checked_sub(1)? / 2;
    Some(*numbers.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_widest_prices_there_are_neither_wrap_nor_round() {
        let rule = OutlierRule { bars: 3, deviations: u32::MAX, floor_bps: u32::MAX };
        let closes = [i64::MIN, i64::MAX, i64::MAX].map(Price);
        let (least, highest, far) = rule.limits(&closes).unwrap();
        assert_eq!((far.median, far.deviation, far.bars), (Price(i64::MAX), 0, 3));
        assert!(least < i128::from(i64::MIN) && highest > i128::from(i64::MAX));

        let exact = OutlierRule { bars: 2, deviations: 1, floor_bps: 1 };
        let reach = |close: i64| {
            let (least, highest, _) = exact.limits(&[Price(close)]).unwrap();
            (least + i128::from(close.unsigned_abs()), highest + i128::from(close.unsigned_abs()))
        };
        assert_eq!(reach(-9_999), (0, 0), "0.9999 reaches no other price");
        assert_eq!(reach(-10_000), (-1, 1));
        assert_eq!(exact.limits(&[]), None);
    }

    /// At a time in minutes: a close comes, changes or goes, or a price is held to the others.
    fn step() -> impl Strategy<Value = (bool, i64, Option<i64>)> {
        (any::<bool>(), 0..60_i64, prop::option::weighted(0.8, -50..50_i64))
    }

    proptest! {
        #[test]
        fn kept_bands_say_what_the_closes_say(
            bars in 0..9_usize,
            steps in prop::collection::vec(step(), 0..300),
        ) {
            let rule = OutlierRule { bars, deviations: 1, floor_bps: 100 };
            let mut recent = RecentPrices::default();
            for (closes, minute, price) in steps {
                let (open, price) = (EventTime(minute * 60), price.map(Price));
                if closes {
                    recent.close(&rule, open, price);
                } else if let Some(price) = price {
                    let mut anew = RecentPrices { closes: recent.closes.clone(), bands: Vec::new() };
                    let found = recent.judge(&rule, open, price);
                    prop_assert_eq!(found, anew.judge(&rule, open, price));
                    prop_assert!(recent.bands.len() <= BANDS_MAX);
                }
            }
        }
    }
}
