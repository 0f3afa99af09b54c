//! Base bars: the surviving trades of an interval, in order, and the values folded from them.

use std::collections::BTreeMap;

use market::{Bar, Bucket, CalendarId, EventTime, InstrumentSpec, Price, Trade};
use serde::{Deserialize, Serialize};

use crate::ledger::LedgerConfig;
use crate::ledger::bars::{Place, place};
use crate::ledger::buckets::Buckets;
use crate::lifecycle::History;

/// One base bar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BaseBar {
    pub(super) end: EventTime,
    /// Trades that may still be corrected.
    live: BTreeMap<Place, Trade>,
    /// What forgotten trades have left; they can no longer change.
    sealed: Bar,
    /// `sealed` and `live` together, up to date unless `stale`.
    values: Bar,
    stale: bool,
    pub(super) history: History,
}

/// The base bars of one instrument, by when they open.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Bars {
    /// Of the instrument; not known while only cancels have named it.
    spec: Option<InstrumentSpec>,
    bars: BTreeMap<EventTime, BaseBar>,
    live: usize,
}

impl Bars {
    /// Takes the instrument's spec; returns whether its calendar differs from the one assumed so far.
    pub(super) fn learn(&mut self, spec: InstrumentSpec) -> bool {
        let assumed = self.calendar();
        let spec = self.spec.get_or_insert(spec);
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

    /// Adds a trade to the bar at `bucket`; returns whether this made the bar.
    pub(super) fn add(&mut self, bucket: Bucket, trade: &Trade) -> bool {
        let mut made = false;
        let bar = self.bars.entry(bucket.open).or_insert_with(|| {
            made = true;
            let empty = Bar::empty(trade.spec, bucket.end);
            BaseBar {
                end: bucket.end,
                live: BTreeMap::new(),
                sealed: empty,
                values: empty,
                stale: false,
                history: History::new(),
            }
        });
        bar.live.insert(place(trade), *trade);
        bar.values.add(trade);
        self.live += 1;
        made
    }

    /// Takes a trade out of the bar that opens at `open`; its values are folded anew when asked for.
    pub(super) fn remove(&mut self, open: EventTime, trade: &Trade) {
        if let Some(bar) = self.bars.get_mut(&open)
            && bar.live.remove(&place(trade)).is_some()
        {
            bar.stale = true;
            self.live -= 1;
        }
    }

    /// Keeps what a trade contributes to the bar that opens at `open`, and forgets the trade.
    pub(super) fn seal(&mut self, open: EventTime, trade: &Trade) {
        if let Some(bar) = self.bars.get_mut(&open)
            && let Some(trade) = bar.live.remove(&place(trade))
        {
            bar.sealed.add(&trade);
            self.live -= 1;
        }
    }

    pub(super) fn get_mut(&mut self, open: EventTime) -> Option<&mut BaseBar> {
        self.bars.get_mut(&open)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (EventTime, &BaseBar)> {
        self.bars.iter().map(|(open, bar)| (*open, bar))
    }

    /// How many bytes the bars and their trades retain, about.
    pub(super) fn bytes(&self) -> usize {
        // A B-tree's nodes are two thirds full on average.
        self.live * size_of::<(Place, Trade)>() * 3 / 2
            + self.bars.len() * size_of::<(EventTime, BaseBar)>() * 3 / 2
    }
}

impl BaseBar {
    /// The values that its trades give; none if no trade shows.
    pub(super) fn values(&mut self) -> Option<Bar> {
        if self.stale {
            self.values = self.sealed;
            self.live.values().for_each(|trade| self.values.add(trade));
            self.stale = false;
        }
        Some(self.values).filter(|bar| !bar.is_empty())
    }

    /// The close of its row as last put out.
    pub(super) fn close(&self) -> Option<Price> {
        self.history.shown().and_then(|candle| candle.bar.close).map(|(_, price)| price)
    }
}
