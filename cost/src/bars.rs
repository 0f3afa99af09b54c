//! The bars of one instrument: base bars by trade, each larger one from the next smaller ones.

use std::sync::Arc;

use market::{Bar, EventTime, InstrumentSpec, OrderKey, Price, Side, Timeframe, Trade, Updates};

/// The end of a list of trades.
pub(crate) const NONE: u32 = u32::MAX;

/// Timeframes, each a union of the one before.
#[derive(Clone, Debug)]
pub struct Ladder(Arc<[Timeframe]>);

/// The bars of all timeframes.
pub(crate) struct Bars {
    ladder: Ladder,
    /// By timeframe, in order of time.
    levels: Vec<Vec<Slot>>,
    /// When the base bars open that may have changed.
    dirty: Vec<i64>,
    /// The base bar that was looked for last.
    last: usize,
}

struct Slot {
    open: i64,
    /// The first trade of its list; of base bars alone.
    first: u32,
    is_dirty: bool,
    /// Whether something left it that its values cannot be taken back without.
    is_stale: bool,
    bar: Bar,
}

impl Ladder {
    pub(crate) fn new(timeframes: &[Timeframe]) -> Result<Ladder, String> {
        let fits = |pair: &[Timeframe]| pair[0] < pair[1] && pair[1].is_union_of(pair[0]);
        let is_fixed = |frame: &Timeframe| frame.divides_days() && *frame <= Timeframe::DAY;
        let ascend = timeframes.windows(2).all(fits) && !timeframes.is_empty();
        match ascend && timeframes.iter().all(is_fixed) {
            true => Ok(Ladder(timeframes.into())),
            false => Err("timeframes must ascend to a day at most, each a union of the one before"
                .to_owned()),
        }
    }

    pub(crate) fn timeframe(&self, level: usize) -> Timeframe {
        self.0[level]
    }

    pub(crate) fn levels(&self) -> usize {
        self.0.len()
    }

    /// How long bars are, in nanoseconds.
    fn length(&self, level: usize) -> i64 {
        i64::from(self.0[level].secs()) * 1_000_000_000
    }

    fn open(&self, level: usize, time: i64) -> i64 {
        time - time.rem_euclid(self.length(level))
    }
}

impl Bars {
    pub(crate) fn new(ladder: Ladder) -> Bars {
        let levels = (0..ladder.levels()).map(|_| Vec::new()).collect();
        Bars { ladder, levels, dirty: Vec::new(), last: 0 }
    }

    /// Adds the trade with this number; gives the one that is next in its bar's list.
    pub(crate) fn add(&mut self, trade: &Trade, number: u32) -> u32 {
        let slot = self.base(trade.time.0, trade.spec);
        slot.bar.add(trade);
        std::mem::replace(&mut slot.first, number)
    }

    /// Takes a trade out of its bar; it is marked as gone.
    pub(crate) fn take(&mut self, trade: &Trade) {
        let Slot { bar, is_stale, .. } = self.base(trade.time.0, trade.spec);
        let at = OrderKey::of(trade);
        let is_edge = |edge: Option<(OrderKey, Price)>| edge.is_some_and(|(key, _)| key == at);
        let is_extreme = |price: Option<Price>| price == Some(trade.price);
        if is_edge(bar.open) || is_edge(bar.close) || is_extreme(bar.high) || is_extreme(bar.low) {
            *is_stale = true;
        } else if trade.updates.has(Updates::VOLUME) {
            let (size, notional) =
                (i128::from(trade.quantity.0), trade.price.notional(trade.quantity));
            bar.trades -= 1;
            bar.volume -= size;
            bar.notional -= notional;
            if trade.side == Side::Buy {
                bar.buy_volume -= size;
                bar.buy_notional -= notional;
            }
        }
    }

    /// The close of the newest base bar that has one.
    pub(crate) fn newest_close(&self) -> Option<Price> {
        self.levels[0].iter().rev().find_map(|slot| slot.bar.close).map(|(_, price)| price)
    }

    /// The base bar of this time, which will be settled.
    fn base(&mut self, time: i64, spec: InstrumentSpec) -> &mut Slot {
        let length = self.ladder.length(0);
        let bars = &mut self.levels[0];
        let is_last = bars.get(self.last).is_some_and(|s| s.open <= time && time < s.open + length);
        if !is_last {
            let open = self.ladder.open(0, time);
            self.last = place(bars, open, length, spec);
        }
        let slot = &mut bars[self.last];
        if !std::mem::replace(&mut slot.is_dirty, true) {
            self.dirty.push(slot.open);
        }
        slot
    }

    /// Folds what is stale anew, then all larger bars over what changed. `fold` adds the trades of a list and
    /// gives its new head.
    pub(crate) fn settle(
        &mut self,
        mut fold: impl FnMut(u32, &mut Bar) -> u32,
        spec: InstrumentSpec,
        mut emit: impl FnMut(usize, i64, Option<&Bar>),
    ) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        for open in &dirty {
            let at = place(&mut self.levels[0], *open, self.ladder.length(0), spec);
            let slot = &mut self.levels[0][at];
            slot.is_dirty = false;
            if std::mem::take(&mut slot.is_stale) {
                slot.bar = Bar::empty(spec, slot.bar.end_time);
                slot.first = fold(slot.first, &mut slot.bar);
            }
            emit(0, *open, Some(&slot.bar).filter(|bar| !bar.is_empty()));
        }
        for level in 1..self.levels.len() {
            let length = self.ladder.length(level);
            dirty.iter_mut().for_each(|open| *open = self.ladder.open(level, *open));
            dirty.dedup();
            for open in &dirty {
                let at = place(&mut self.levels[level], *open, length, spec);
                let (smaller, larger) = self.levels.split_at_mut(level);
                let (smaller, slot) = (&smaller[level - 1], &mut larger[0][at]);
                let mut bar = Bar::empty(spec, slot.bar.end_time);
                let from = match smaller.last() {
                    Some(last) if last.open - open < length => smaller
                        .len()
                        .saturating_sub((length / self.ladder.length(level - 1)) as usize),
                    _ => 0,
                };
                let from = from + smaller[from..].partition_point(|part| part.open < *open);
                let parts = smaller[from..].iter().take_while(|part| part.open < open + length);
                parts.for_each(|part| bar.merge(&part.bar));
                slot.bar = bar;
                emit(level, *open, Some(&slot.bar).filter(|bar| !bar.is_empty()));
            }
        }
        dirty.clear();
        self.dirty = dirty;
    }
}

/// The position of the bar that opens at `open`; inserts one if there is none.
fn place(bars: &mut Vec<Slot>, open: i64, length: i64, spec: InstrumentSpec) -> usize {
    let at = match bars.last() {
        Some(last) if last.open == open => return bars.len() - 1,
        Some(last) if last.open > open => bars.partition_point(|slot| slot.open < open),
        _ => bars.len(),
    };
    if bars.get(at).is_none_or(|slot| slot.open != open) {
        let bar = Bar::empty(spec, EventTime(open + length));
        bars.insert(at, Slot { open, first: NONE, is_dirty: false, is_stale: false, bar });
    }
    at
}
