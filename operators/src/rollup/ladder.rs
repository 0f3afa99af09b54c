//! One instrument's ladder of timeframes.

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{
    Bar, Bucket, CalendarId, Candle, CandleKey, Cause, EventTime, InstrumentId, InstrumentSpec,
};
use serde::{Deserialize, Serialize};

use super::RollupConfig;
use crate::context::{CommitContext, InstrumentClock, SourceSet};
use crate::heap;
use crate::lifecycle::{History, Now, Waiting};
use crate::output::{BarChange, LedgerOut, RollupIn};

/// All bars of one instrument, base bars included.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ladder {
    instrument: InstrumentId,
    clock: InstrumentClock,
    /// Sources seen in this round; they count from the next.
    sources_seen: SourceSet,
    /// When the newest base bar seen opens.
    seen: EventTime,
    base: BTreeMap<EventTime, Arc<Candle>>,
    rungs: Vec<BTreeMap<EventTime, RollupBar>>,
    waiting: Waiting<(usize, EventTime)>,
    /// Base bars that changed in this round: as they were before it, and the strongest cause.
    changed: BTreeMap<EventTime, (Option<Arc<Candle>>, Option<Cause>)>,
    /// As last returned by [`Ladder::grown`].
    #[serde(skip)]
    bytes: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RollupBar {
    end: EventTime,
    values: Option<Bar>,
    history: History,
}

/// The bars of one timeframe that lie over changed base bars, each with the strongest cause of those. Their
/// own values may be as before: then the changes made up for each other here, and maybe not further up.
type Changed = BTreeMap<EventTime, Option<Cause>>;

impl Ladder {
    pub(super) fn new(instrument: InstrumentId, rungs: usize) -> Ladder {
        Ladder {
            instrument,
            clock: InstrumentClock::new(),
            sources_seen: SourceSet::default(),
            seen: EventTime::NEVER,
            base: BTreeMap::new(),
            rungs: vec![BTreeMap::new(); rungs],
            waiting: Waiting::new(),
            changed: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn clock(&self) -> &InstrumentClock {
        &self.clock
    }

    /// Takes an output of the ledger; it takes effect at the end of the round.
    pub(super) fn apply(&mut self, input: RollupIn) {
        match input {
            RollupIn::SourceSeen(_, sources) => self.sources_seen = self.sources_seen.and(sources),
            RollupIn::NewestBar(_, open) => self.seen = self.seen.max(open),
            RollupIn::Bar(change) => {
                let BarChange { key, before, after, cause } = &*change;
                let open = key.open_time;
                match after {
                    Some(candle) => self.base.insert(open, Arc::clone(candle)),
                    None => self.base.remove(&open),
                };
                if values(before) == values(after) {
                    return; // only its history moved
                }
                let (_, known) = self.changed.entry(open).or_insert_with(|| (before.clone(), None));
                *known = strongest(*known, *cause);
            }
        }
    }

    /// Ends a round; gives the watermark that it was judged by.
    pub(super) fn round(
        &mut self,
        config: &RollupConfig,
        context: &CommitContext,
        out: &mut Vec<LedgerOut>,
    ) -> EventTime {
        let watermark = self.clock.watermark(&context.round_watermarks);

        // 1. Base bars that changed net, and what they were made of.
        let mut changed: Vec<Changed> = Vec::with_capacity(config.rungs.len() + 1);
        let mut spec = None;
        let base =
            std::mem::take(&mut self.changed).into_iter().filter_map(|(open, (before, cause))| {
                let now = self.base.get(&open).map(|candle| &candle.bar);
                let before = values(&before);
                spec = spec.or(now.or(before).map(|bar| bar.spec));
                (now != before).then_some((open, cause))
            });
        changed.push(base.collect());

        // 2. Rung by rung, fold each bar over a changed one from those of the rung below.
        if let Some(spec) = spec {
            for index in 0..config.rungs.len() {
                let below = config.rungs[index].from.map_or(0, |from| from + 1);
                let climbed = self.climb(index, config, spec, &changed[below]);
                changed.push(climbed);
            }
        }

        // 3. Time passes; then what changed in value or phase is put out.
        let whole_from = context.read_from.whole_from(self.clock.sources().and(self.sources_seen));
        // Whether a bar is partial is decided when it first has a row; then something changed.
        let calendar = config.calendars.get(spec.map_or(CalendarId(0), |spec| spec.calendar));
        let now = Now { commit: context.commit, watermark, seen: self.seen, whole_from, calendar };
        let mut due: BTreeMap<(usize, EventTime), Option<Cause>> = BTreeMap::new();
        for (index, rung) in changed.into_iter().skip(1).enumerate() {
            if !config.rungs[index].shown {
                continue;
            }
            due.extend(rung.into_iter().map(|(open, cause)| ((index, open), cause)));
        }
        self.waiting.advance(now, |bar| {
            due.entry(bar).or_default();
        });
        for ((index, open_time), cause) in due {
            let Some(bar) = self.rungs[index].get_mut(&open_time) else {
                continue;
            };
            let timeframe = config.rungs[index].timeframe;
            let key = CandleKey { instrument: self.instrument, timeframe, open_time };
            bar.history.settle(key, bar.end, bar.values.as_ref(), cause, now, out);
        }

        // 4. The sources seen in this round count from the next one on.
        self.clock.add_sources(std::mem::take(&mut self.sources_seen), watermark);
        watermark
    }

    /// Folds the bars of rung `index` over `changed` bars of the rung that it is made from; gives them.
    fn climb(
        &mut self,
        index: usize,
        config: &RollupConfig,
        spec: InstrumentSpec,
        changed: &Changed,
    ) -> Changed {
        let rung = config.rungs[index];
        let calendar = config.calendars.get(spec.calendar);
        let mut parents: BTreeMap<EventTime, (EventTime, Option<Cause>)> = BTreeMap::new();
        for (open, cause) in changed {
            let bucket =
                self.known(index, *open).unwrap_or_else(|| calendar.bucket(rung.timeframe, *open));
            let (_, of_parent) = parents.entry(bucket.open).or_insert((bucket.end, None));
            *of_parent = strongest(*of_parent, *cause);
        }

        let mut climbed = Changed::new();
        for (open, (end, cause)) in parents {
            let values = self.fold(rung.from, spec, open, end);
            let bar = self.rungs[index].entry(open).or_insert_with(|| {
                if rung.shown {
                    self.waiting.add(end, (index, open));
                }
                RollupBar { end, values: None, history: History::new() }
            });
            bar.values = values;
            climbed.insert(open, cause);
        }
        climbed
    }

    /// The bar of rung `index` that holds `time`, if there is one: a calendar may count days of a year for it.
    fn known(&self, index: usize, time: EventTime) -> Option<Bucket> {
        let (open, bar) = self.rungs[index].range(..=time).next_back()?;
        (time < bar.end).then_some(Bucket { open: *open, end: bar.end })
    }

    /// The union of the bars below in `[open, end)`; none if there is none.
    fn fold(
        &self,
        from: Option<usize>,
        spec: InstrumentSpec,
        open: EventTime,
        end: EventTime,
    ) -> Option<Bar> {
        let mut union = Bar::empty(spec, end);
        match from {
            None => self.base.range(open..end).for_each(|(_, candle)| union.merge(&candle.bar)),
            Some(below) => self.rungs[below]
                .range(open..end)
                .filter_map(|(_, bar)| bar.values.as_ref())
                .for_each(|bar| union.merge(bar)),
        }
        Some(union).filter(|bar| !bar.is_empty())
    }

    /// The watermark at which this ladder must be looked at, even without input.
    pub(super) fn next_deadline(&self) -> Option<EventTime> {
        self.waiting.next_end()
    }

    /// Every row that exists.
    pub(super) fn restate(&self, config: &RollupConfig, out: &mut Vec<LedgerOut>) {
        for (index, rung) in self.rungs.iter().enumerate() {
            for (open_time, bar) in rung {
                if let Some(candle) = bar.history.shown() {
                    let timeframe = config.rungs[index].timeframe;
                    let key =
                        CandleKey { instrument: self.instrument, timeframe, open_time: *open_time };
                    out.push(LedgerOut::Restored(key, Arc::clone(candle)));
                }
            }
        }
    }

    /// How many bytes more the ladder retains than when this was last asked. Rows of base bars are the ledger's.
    pub(super) fn grown(&mut self) -> isize {
        let rung = |bars: &BTreeMap<_, _>| {
            heap::btree::<EventTime, RollupBar>(bars.len()) + bars.len() * heap::shared::<Candle>()
        };
        let bytes = heap::btree_entry::<InstrumentId, Ladder>()
            + heap::btree::<EventTime, Arc<Candle>>(self.base.len())
            + self.rungs.iter().map(rung).sum::<usize>();
        bytes as isize - std::mem::replace(&mut self.bytes, bytes) as isize
    }
}

fn values(candle: &Option<Arc<Candle>>) -> Option<&Bar> {
    candle.as_ref().map(|candle| &candle.bar)
}

fn strongest(a: Option<Cause>, b: Option<Cause>) -> Option<Cause> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.stronger(b)),
        (one, other) => one.or(other),
    }
}
