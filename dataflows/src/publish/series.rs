//! Reads of a series, the bars of an instrument and a timeframe, from its newest bar backwards.
//!
//! Cursors only go forwards. So the newest bar is searched by seeks, in steps that double, and what lies before it is
//! read in windows of time, each four times as long as the one before. A read costs as much as its result and some
//! seeks, however long the series is.

use std::collections::VecDeque;

use market::{Commit, EventTime};

use super::batches::Batch;
use super::cursor_scan::CursorScan;
use crate::views::kinds::{KeyPrefix, KeyedView};
use rows::readers::{Allowance, Exceeded};
use rows::{Dimension, Frontier, KeyRange, Scan};

/// The order of keys that have series.
const BARS: &[Dimension] = &[Dimension::Instrument, Dimension::Timeframe, Dimension::OpenTime];
const NANOS_PER_SEC: u64 = 1_000_000_000;

/// The windows of a series, newest first.
pub(super) struct Windows {
    /// Instrument and timeframe.
    series: [u64; 2],
    /// The ordinals of times that are not read yet, both included; none if all are.
    left: Option<(u64, u64)>,
    /// Where the newest bar may be.
    near: u64,
    /// The nominal length of a bar.
    bar: u64,
    /// The length of the next window.
    length: u64,
}

/// Whether the keys of a view begin with a bar.
pub(super) fn has_series<V: KeyedView>() -> bool {
    V::ORDER == BARS
}

/// Whether a scan asks for the latest rows of one series.
pub(super) fn is_of_latest<V: KeyedView>(scan: &Scan) -> bool {
    let filter = &scan.filter;
    has_series::<V>()
        && (scan.latest_first && scan.limit < usize::MAX)
        && (filter.instrument().is_some() && filter.timeframe().is_some())
}

/// The latest rows of one series up to the limit of a scan, latest first, and whether that left any out. `rows` makes
/// the selected rows of a value.
pub(super) fn latest<V: KeyedView, R>(
    batches: Vec<Batch<V>>,
    frontier: Frontier,
    scan: &Scan,
    allowance: &mut Allowance<'_>,
    mut rows: impl FnMut(V::Key, &V::Value, &mut VecDeque<R>),
) -> Result<(Vec<R>, bool), Exceeded> {
    let mut latest: Vec<R> = Vec::new();
    let (Some(instrument), Some(timeframe), Some(commit)) =
        (scan.filter.instrument(), scan.filter.timeframe(), frontier.commit)
    else {
        return Ok((latest, false));
    };
    let mut cursor_scan = CursorScan::<V>::new(batches, &scan.filter, None);
    let series = [instrument.0, u64::from(timeframe.secs())];
    let limit = u64::try_from(scan.limit).unwrap_or(u64::MAX);
    let mut windows = Windows::new(series, &cursor_scan.ranges[2], frontier.at, limit);
    // One more than the limit shows whether it leaves any out.
    let wanted = scan.limit.saturating_add(1);
    while latest.len() < wanted {
        let left = wanted - latest.len();
        let mut window = VecDeque::new();
        let is_there = windows.next(&mut cursor_scan, commit, allowance, |key, value| {
            rows(key, value, &mut window);
            window.drain(..window.len().saturating_sub(left));
        })?;
        if !is_there {
            break;
        }
        latest.extend(window.into_iter().rev());
    }
    let more = latest.len() > scan.limit;
    latest.truncate(scan.limit);
    Ok((latest, more))
}

impl Windows {
    /// The windows of a series within a range of times. The first is as long as so many bars.
    pub(super) fn new(series: [u64; 2], times: &KeyRange, now: EventTime, bars: u64) -> Windows {
        let left = match times {
            KeyRange::Between(least, most) if least <= most => Some((*least, *most)),
            _ => None, // nothing is selected
        };
        let bar = series[1].saturating_mul(NANOS_PER_SEC);
        let near = Dimension::of_time(now);
        Windows { series, left, near, bar, length: bar.saturating_mul(bars) }
    }

    /// Calls `each` with the values of the next window that exist at `commit`, ascending. Returns false if there was
    /// none.
    pub(super) fn next<V: KeyedView>(
        &mut self,
        scan: &mut CursorScan<V>,
        commit: Commit,
        allowance: &mut Allowance<'_>,
        mut each: impl FnMut(V::Key, &V::Value),
    ) -> Result<bool, Exceeded> {
        let Some((least, most)) = self.left else { return Ok(false) };
        let series = self.series;
        let last = greatest((least, most), self.near, self.bar, |time| {
            allowance.take(1)?;
            let first = scan.seek([series[0], series[1], time]).map(|key| V::prefix(&key));
            Ok(first.filter(|first| first[..2] == series).map(|first| first[2]))
        })?;
        let Some(last) = last else {
            self.left = None;
            return Ok(false);
        };
        let first = last.saturating_sub(self.length).max(least);
        let [instrument, timeframe] = series;
        scan.ranges = [
            KeyRange::Between(instrument, instrument),
            KeyRange::Between(timeframe, timeframe),
            KeyRange::Between(first, last),
        ];
        let _ = scan.seek([instrument, timeframe, first]);
        scan.rows_at(commit, allowance, |key, value| {
            each(key, value);
            true
        })?;
        self.left = first.checked_sub(1).filter(|most| *most >= least).map(|most| (least, most));
        self.near = first;
        self.length = self.length.saturating_mul(4).max(self.bar);
        Ok(true)
    }
}

/// The prefix of the series behind this one.
pub(super) fn behind([instrument, timeframe]: [u64; 2]) -> Option<KeyPrefix> {
    match timeframe.checked_add(1) {
        Some(timeframe) => Some([instrument, timeframe, 0]),
        None => instrument.checked_add(1).map(|instrument| [instrument, 0, 0]),
    }
}

/// The greatest element between two numbers, both included; `next` returns the least element at or after a number. The
/// search begins near `near`, and its steps double, so it takes few calls if the element is there.
fn greatest(
    (least, most): (u64, u64),
    near: u64,
    step: u64,
    mut next: impl FnMut(u64) -> Result<Option<u64>, Exceeded>,
) -> Result<Option<u64>, Exceeded> {
    let mut next = |from: u64| Ok(next(from)?.filter(|found| *found <= most));
    let first_step = step.max(1);
    // Down, until there is an element at or after that. None is above `high`.
    let (mut at, mut high, mut step) = (near.clamp(least, most), most, first_step);
    let mut known = loop {
        match next(at)? {
            Some(found) => break found,
            None if at == least => return Ok(None),
            None => {
                high = at - 1;
                at = at.saturating_sub(step).max(least);
                step = step.saturating_mul(2);
            }
        }
    };
    // Up, until there is no other above it.
    let mut step = first_step;
    while known < high {
        match next(known + 1)? {
            None => break,
            Some(found) => known = found,
        }
        let ahead = step.min((high - known).div_ceil(2));
        match next(known.saturating_add(ahead).min(high))? {
            Some(found) => {
                known = known.max(found);
                step = step.saturating_mul(2);
            }
            None => {
                high = known + ahead - 1;
                step = (step / 2).max(1);
            }
        }
    }
    Ok(Some(known))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_greatest_is_found_wherever_the_search_begins(
            elements in prop::collection::btree_set(prop_oneof![0..40_u64, any::<u64>(), Just(u64::MAX)], 0..20),
            (a, b) in (prop_oneof![0..40_u64, any::<u64>()], prop_oneof![0..40_u64, any::<u64>()]),
            near in any::<u64>(),
            step in prop_oneof![0..9_u64, any::<u64>()],
        ) {
            let range = (a.min(b), a.max(b));
            let next = |from| Ok(elements.range(from..).next().copied());
            let want = elements.range(range.0..=range.1).next_back().copied();
            prop_assert_eq!(greatest(range, near, step, next), Ok(want));
        }
    }

    /// A year of minutes, from its end and from far ahead of it.
    #[test]
    fn a_long_series_takes_few_seeks() {
        let minute = 60 * NANOS_PER_SEC;
        let year: BTreeSet<u64> = (0..525_600).map(|number| number * minute).collect();
        let end = 525_600 * minute;
        for (near, most) in [(end, 6), (end + 10 * minute, 14), (50 * end, 100), (0, 100)] {
            let mut seeks = 0;
            let next = |from| {
                seeks += 1;
                Ok(year.range(from..).next().copied())
            };
            let found = greatest((0, u64::MAX), near, minute, next);
            assert_eq!(found, Ok(Some(end - minute)));
            assert!(seeks <= most, "{seeks} from {near}");
        }
    }
}
