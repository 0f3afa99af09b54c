//! Section *Outliers*: which prices are far away from recent ones.

use market::{CauseKind, Commit, EventTime, Outlier, Price, Trade, Updates};

use crate::behind::content;
use crate::history::History;
use crate::prints::counted;
use crate::revise::Bars;
use crate::set::Joined;
use crate::values;

pub use crate::history::Far;

/// The rows of `commit`: `bars` are the base bars of the instrument at its end, `was` and `is` the trades of the
/// instrument at the end of the commit before and now.
pub(crate) fn outliers(
    history: &History,
    commit: Commit,
    bars: &Bars,
    was: &[Joined],
    is: &[Joined],
) -> Vec<Outlier> {
    let mut rows = Vec::new();
    for trade in is {
        let Some(survivor) = trade.survivor().filter(|survivor| judged(survivor, trade, was))
        else {
            continue;
        };
        let counted = counted(&survivor, &history.calendars);
        let (key, _) = values::place(&counted, history.timeframes[0], &history.calendars);
        let window = window(history.far.bars, bars, key.open_time);
        let Some((median, deviation)) = far_from(&history.far, &window, survivor.price) else {
            continue;
        };
        rows.push(Outlier {
            commit,
            trade: survivor,
            kind: if trade.corrected() { CauseKind::Correction } else { CauseKind::Trade },
            median,
            deviation,
            bars: window.len() as u32,
        });
    }
    rows
}

/// Whether `survivor` of `trade` begins to count, and can set a price.
fn judged(survivor: &Trade, trade: &Joined, was: &[Joined]) -> bool {
    let parts = was.iter().filter(|part| !part.ids.is_disjoint(&trade.ids));
    let mut before = parts.filter_map(Joined::survivor);
    let sets_price =
        [Updates::HIGH_LOW, Updates::OPEN_CLOSE].map(|part| survivor.updates.has(part));
    sets_price.contains(&true) && !before.any(|before| content(before) == content(*survivor))
}

/// The closes of the latest `count` bars that open before `open` and have one.
fn window(count: usize, bars: &Bars, open: EventTime) -> Vec<i64> {
    let earlier = bars.iter().filter(|(key, _)| key.open_time < open);
    let closes: Vec<i64> = earlier.filter_map(|(_, bar)| bar.close).map(|(_, p)| p.0).collect();
    closes[closes.len().saturating_sub(count)..].to_vec()
}

/// Median and deviation of `closes`, if `price` is too far from the one by the other.
fn far_from(far: &Far, closes: &[i64], Price(price): Price) -> Option<(Price, u64)> {
    if far.bars == 0 || closes.len() * 2 < far.bars {
        return None;
    }
    let wide = |number: i64| i128::from(number);
    let median = lower_median(closes.iter().map(|close| wide(*close)).collect());
    let deviation =
        lower_median(closes.iter().map(|close| (wide(*close) - median).abs()).collect());
    let floor = i128::from(far.floor_bps) * median.abs();
    let reach = i128::from(far.deviations) * (10_000 * deviation).max(floor);
    let is_far = 10_000 * (wide(price) - median).abs() > reach;
    is_far.then_some((Price(median as i64), deviation as u64))
}

/// The ⌈n/2⌉-th smallest of *n* numbers.
fn lower_median(mut numbers: Vec<i128>) -> i128 {
    numbers.sort();
    numbers[numbers.len().div_ceil(2) - 1]
}
