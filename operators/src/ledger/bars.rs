//! Base bars: what the surviving trades of an interval come to.
//!
//! A bar has the numbers of its plain trades' chunks, and its amended trades' survivors as they are. A trade that comes
//! is added to its values, one that goes is subtracted; only if it was the open, the close, the high or the
//! low, the bar is folded anew, from what its chunks come to.
//!
//! Bars are never dropped: they are small beside trades, and `limits.state_bytes` bounds them.

use std::collections::{BTreeMap, BTreeSet};

use market::{
    Bar, Bucket, CalendarId, Candle, CandleKey, Cause, EventTime, InstrumentSpec, OrderKey, Price,
    Trade,
};
use serde::{Deserialize, Serialize};

use super::LedgerConfig;
use super::buckets::Buckets;
use super::rows::Rows;
use super::streams::Id;
use crate::heap;
use crate::lifecycle::{History, Now};
use crate::output::LedgerOut;

/// One base bar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BaseBar {
    pub(super) end: EventTime,
    /// Of its plain trades; all of it but what was added in the commit at hand is in `values`.
    pub(super) chunks: Vec<u32>,
    /// How many plain trades are in `values` and may still become amended trades.
    plain: usize,
    /// What survives of amended trades that may still change.
    live: BTreeMap<Place, Trade>,
    /// What forgotten trades have left; they can no longer change.
    sealed: Bar,
    /// All of these together, up to date unless `stale`.
    values: Bar,
    stale: bool,
    pub(super) history: History,
}

/// The base bars of one instrument, by when they open.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Bars {
    /// Of the instrument; not known while only cancels have named it.
    spec: Option<InstrumentSpec>,
    bars: BTreeMap<EventTime, Box<BaseBar>>,
    /// The bars that have chunks: when they end and open.
    holding: BTreeSet<(EventTime, EventTime)>,
    plain: usize,
    live: usize,
    chunks: usize,
}

/// A trade of a bar, of those that may still change. The hashes in it tell trades apart and order nothing that shows.
pub(super) type Place = (OrderKey, Id);

/// The place of a trade.
pub(super) fn place(trade: &Trade) -> Place {
    (OrderKey::of(trade), (trade.scope, trade.id))
}

impl Bars {
    /// Takes the instrument's spec; returns whether its calendar differs from the one assumed so far.
    pub(super) fn learn(&mut self, spec: InstrumentSpec) -> bool {
        if self.spec.is_some() {
            return false;
        }
        let assumed = self.calendar();
        self.spec = Some(spec);
        spec.calendar != assumed
    }

    /// The instrument's calendar; the job's while it is not known.
    fn calendar(&self) -> CalendarId {
        self.spec.map_or(CalendarId(0), |spec| spec.calendar)
    }

    /// The base bar of any time.
    pub(super) fn buckets<'a>(&self, config: &'a LedgerConfig) -> Buckets<'a> {
        Buckets::new(config.calendars.get(self.calendar()), config.base)
    }

    /// The bar at `bucket`, and whether this made it.
    fn at(&mut self, bucket: Bucket, spec: InstrumentSpec) -> (&mut BaseBar, bool) {
        let mut made = false;
        let bar = self.bars.entry(bucket.open).or_insert_with(|| {
            made = true;
            let empty = Bar::empty(spec, bucket.end);
            Box::new(BaseBar {
                end: bucket.end,
                chunks: Vec::new(),
                plain: 0,
                live: BTreeMap::new(),
                sealed: empty,
                values: empty,
                stale: false,
                history: History::new(),
            })
        });
        (bar, made)
    }

    /// A chunk of the bar at `bucket` with room for another row, and whether this made the bar; no chunk if
    /// there are too many.
    pub(super) fn chunk(
        &mut self,
        bucket: Bucket,
        spec: InstrumentSpec,
        rows: &mut Rows,
    ) -> (Option<u32>, bool) {
        let (bar, made) = self.at(bucket, spec);
        let last = bar.chunks.last().copied().filter(|last| rows.has_room(*last));
        if last.is_some() {
            return (last, made);
        }
        let chunk = rows.begin(bar.end);
        if let Some(chunk) = chunk {
            bar.chunks.push(chunk);
            self.holding.insert((bucket.end, bucket.open));
            self.chunks += 1;
        }
        (chunk, made)
    }

    /// Counts plain trades that were added to the values of their bars.
    pub(super) fn count_plain(&mut self, plain: usize) {
        self.plain += plain;
    }

    /// A plain trade in the values of the bar that opens at `open` has become an amended one.
    pub(super) fn promote(&mut self, open: EventTime, trade: &Trade) {
        if let Some(bar) = self.bars.get_mut(&open) {
            bar.plain -= 1;
            self.plain -= 1;
            bar.live.insert(place(trade), *trade);
            self.live += 1;
        }
    }

    /// Adds what survives of an amended trade to the bar at `bucket`; returns whether this made the bar.
    pub(super) fn add(&mut self, bucket: Bucket, trade: &Trade) -> bool {
        let (bar, made) = self.at(bucket, trade.spec);
        bar.live.insert(place(trade), *trade);
        bar.values.add(trade);
        self.live += 1;
        made
    }

    /// Takes what survived of an amended trade out of the bar that opens at `open`.
    pub(super) fn remove(&mut self, open: EventTime, trade: &Trade) {
        if let Some(bar) = self.bars.get_mut(&open)
            && bar.live.remove(&place(trade)).is_some()
        {
            bar.stale |= !bar.values.take_out(trade);
            self.live -= 1;
        }
    }

    /// Keeps what an amended trade contributes to the bar that opens at `open`, and forgets the trade.
    pub(super) fn seal(&mut self, open: EventTime, trade: &Trade) {
        if let Some(bar) = self.bars.get_mut(&open)
            && let Some(trade) = bar.live.remove(&place(trade))
        {
            bar.sealed.add(&trade);
            self.live -= 1;
        }
    }

    /// Forgets the plain trades of every bar that ends at or before `horizon`, and keeps what they come to.
    pub(super) fn forget_plain(&mut self, horizon: EventTime, rows: &mut Rows) {
        while let Some((end, open)) =
            self.holding.first().copied().filter(|(end, _)| *end <= horizon)
        {
            self.holding.remove(&(end, open));
            let Some(bar) = self.bars.get_mut(&open) else {
                continue;
            };
            bar.seal_plain(rows);
            self.plain -= std::mem::take(&mut bar.plain);
            let chunks = std::mem::take(&mut bar.chunks);
            self.chunks -= chunks.len();
            rows.free_later(chunks);
        }
        rows.forget_through(horizon);
    }

    /// When the first bar with plain trades ends.
    pub(super) fn first_plain_end(&self) -> Option<EventTime> {
        self.holding.first().map(|(end, _)| *end)
    }

    pub(super) fn get_mut(&mut self, open: EventTime) -> Option<&mut BaseBar> {
        self.bars.get_mut(&open).map(|bar| &mut **bar)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (EventTime, &BaseBar)> {
        self.bars.iter().map(|(open, bar)| (*open, &**bar))
    }

    /// How many plain trades there are.
    pub(super) fn plain(&self) -> usize {
        self.plain
    }

    /// How many bytes the bars and their amended trades retain, with the rows of bars as last put out, which everybody
    /// else shares.
    pub(super) fn bytes(&self) -> usize {
        let bar = heap::allocated(size_of::<BaseBar>()) + heap::shared::<Candle>();
        self.live * heap::btree_entry::<Place, Trade>()
            + self.bars.len() * bar
            + heap::btree::<EventTime, Box<BaseBar>>(self.bars.len())
            + heap::btree::<(EventTime, EventTime), ()>(self.holding.len())
            + self.chunks * size_of::<u32>() * 3 / 2 // their lists are two thirds full on average
    }
}

impl BaseBar {
    /// Adds a plain trade to the values.
    pub(super) fn add_plain(&mut self, trade: &Trade) {
        self.values.add(trade);
        self.plain += 1;
    }

    /// Brings its row to the values that its trades give; see [`History::settle`].
    pub(super) fn settle(
        &mut self,
        key: CandleKey,
        rows: &Rows,
        cause: Option<Cause>,
        now: Now<'_>,
        out: &mut Vec<LedgerOut>,
    ) {
        if std::mem::take(&mut self.stale) {
            self.values = self.sealed;
            rows.fold_into(&mut self.values, &self.chunks);
            self.live.values().for_each(|trade| self.values.add(trade));
        }
        let values = Some(&self.values).filter(|bar| !bar.is_empty());
        self.history.settle(key, self.end, values, cause, now, out);
    }

    /// The close of its row as last put out.
    pub(super) fn close(&self) -> Option<Price> {
        self.history.shown().and_then(|candle| candle.bar.close).map(|(_, price)| price)
    }

    /// What the plain trades come to is sealed: all but what amended trades contribute.
    fn seal_plain(&mut self, rows: &Rows) {
        let mut without = self.values;
        let holds = !self.stale && self.live.values().all(|trade| without.take_out(trade));
        if holds {
            self.sealed = without;
        } else {
            rows.fold_into(&mut self.sealed, &self.chunks);
        }
    }
}
