//! The state of one instrument: applies a commit to its trades and bars.
//!
//! The steps are numbered as a commit goes through them; `docs/semantics.md` has the definition that
//! they follow.

mod application;
mod forgetting;
mod moves;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{
    Bucket, CandleKey, Cause, Conflict, EventTime, InstrumentId, Origin, Record, Span, Stretch,
    Timeframe, Trade,
};
use serde::{Deserialize, Serialize};

use super::LedgerConfig;
use super::bars::Bars;
use super::gaps::Gaps;
use super::outliers::RecentPrices;
use super::shard::InstrumentLedger;
use super::streams::Id;
use super::trades::{TradeNo, Trades};
use super::version::Version;
use crate::context::{CommitContext, InstrumentClock, SourceSet, threshold};
use crate::lifecycle::{Now, Waiting};
use crate::output::{AuditEvent, Judged, LedgerOut};
use application::Application;
use moves::Entered;

/// Everything that the ledger holds of one instrument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstrumentState {
    instrument: InstrumentId,
    clock: InstrumentClock,
    /// Newest event time accepted.
    seen: EventTime,
    /// When the newest base bar seen opens.
    newest_open: EventTime,
    trades: Trades,
    bars: Bars,
    gaps: Gaps,
    /// Follows from the bars, see [`InstrumentState::restored`].
    #[serde(skip)]
    recent: RecentPrices,
    waiting: Waiting<EventTime>,
    /// Trades by the end of the base bar that holds their latest time; entries may be outdated.
    to_forget: BTreeSet<(EventTime, TradeNo)>,
    /// Ids that were cancelled without a time before any time was seen.
    undated: Vec<Id>,
    /// Whether some that are forgotten are still to be taken away.
    is_forgetting: bool,
    /// Where the last plain trade went: most go to the same chunk as the one before.
    #[serde(skip)]
    last_chunk: Option<LastChunk>,
    /// A stretch that is no regular session, and held the last print of which something was said: most of these lie in
    /// it as well, and ordinary ones count there at their times.
    #[serde(skip)]
    not_regular: Option<Stretch>,
}

/// A bar, and a chunk of it that may have room.
#[derive(Clone, Copy, Debug)]
struct LastChunk {
    bucket: Bucket,
    chunk: u32,
}

impl InstrumentLedger for InstrumentState {
    fn new(instrument: InstrumentId) -> InstrumentState {
        InstrumentState {
            instrument,
            clock: InstrumentClock::new(),
            seen: EventTime::NEVER,
            newest_open: EventTime::NEVER,
            trades: Trades::new(instrument),
            bars: Bars::default(),
            gaps: Gaps::default(),
            recent: RecentPrices::default(),
            waiting: Waiting::new(),
            to_forget: BTreeSet::new(),
            undated: Vec::new(),
            is_forgetting: false,
            last_chunk: None,
            not_regular: None,
        }
    }

    fn clock(&self) -> &InstrumentClock {
        &self.clock
    }

    fn commit(
        &mut self,
        config: &LedgerConfig,
        context: &CommitContext,
        records: &[Record],
        count: &mut impl FnMut(&Record, Judged),
        out: &mut Vec<LedgerOut>,
    ) {
        let watermark = self.clock.watermark(&context.watermarks);

        // 1. Trades whose latest bar has left the horizon are forgotten before anything is decided.
        let horizon = threshold(watermark, config.correction_horizon);
        self.forget(config, horizon);

        // 2. Each record is judged by the watermark and, if accepted, applied to ids and versions.
        let mut application =
            Application::new(config, context, (watermark, horizon), records.len());
        for (place, record) in (0..).zip(records) {
            let judged = self.apply(record, place, &mut application, out);
            count(record, judged);
        }

        // 3. What disagreed, found no trade or is missing is known only now that all is applied.
        self.emit_conflicts(&application, out);
        self.emit_unmatched(&application, out);
        self.gaps.settle(self.instrument, config.gaps_max, out);

        // 4. What survives moves between bars.
        let mut changed = BTreeMap::new();
        let plain = self.add_plain_trades(&application, records, &mut changed);
        let amended = self.move_between_bars(&application, &mut changed);

        // 5. When each dirty trade will be forgotten.
        self.schedule_forgetting(&mut application);

        // 6. Time passes: bars become provisional and final; then every changed bar is put out.
        let sources = records
            .iter()
            .fold(SourceSet::default(), |set, record| set.and(SourceSet::of(record.origin.source)));
        self.settle(config, context, (watermark, sources), changed, out);

        // 7. Prices are held to the closes as they are now.
        let entered = Entered { plain, amended };
        self.emit_outliers(&application, records, &entered, out);

        // 8. The sources seen in this commit count from the next one on.
        if self.clock.add_sources(sources, watermark) {
            out.push(LedgerOut::SourceSeen(self.instrument, sources));
        }
    }

    fn next_deadline(&self, horizon: Span) -> Option<EventTime> {
        if self.is_forgetting || self.trades.rows.has_pending_frees() {
            return Some(EventTime::NEVER); // at the next commit
        }
        let amended = self.to_forget.first().map(|(end, _)| *end);
        let forget = amended.into_iter().chain(self.bars.first_plain_end()).min();
        let forget = forget.filter(|_| horizon != Span::FOREVER).map(|end| end.after(horizon));
        self.waiting.next_end().into_iter().chain(forget).min()
    }

    fn restate(&self, base: Timeframe, out: &mut Vec<LedgerOut>) {
        // For roll-ups that are rebuilt.
        out.push(LedgerOut::SourceSeen(self.instrument, self.clock.sources()));
        out.push(LedgerOut::NewestBar(self.instrument, self.newest_open));
        for (open_time, bar) in self.bars.iter() {
            if let Some(candle) = bar.history.shown() {
                let key = CandleKey { instrument: self.instrument, timeframe: base, open_time };
                out.push(LedgerOut::Restored(key, Arc::clone(candle)));
            }
        }
        self.gaps.restate(self.instrument, out);
    }

    fn restored(&mut self, config: &LedgerConfig) {
        self.trades.restored();
        for (open, bar) in self.bars.iter() {
            self.recent.close(&config.outliers, open, bar.close());
        }
    }

    fn ids(&self) -> usize {
        self.bars.plain() + self.trades.ids()
    }

    fn bytes(&self) -> usize {
        size_of::<InstrumentState>()
            + self.trades.bytes()
            + self.to_forget.len() * size_of::<(EventTime, TradeNo)>() * 3 / 2
            + self.bars.bytes()
            + self.gaps.bytes()
            + self.recent.bytes()
    }
}

impl InstrumentState {
    fn emit_conflicts(&self, application: &Application<'_>, out: &mut Vec<LedgerOut>) {
        let commit = application.context.commit;
        for (id, versions) in &application.conflict_candidates {
            let Some(kept) = self.trades.original(*id).map(|version| version.trade.content())
            else {
                continue;
            };
            let mut contents: BTreeMap<Trade, Origin> = BTreeMap::new();
            for Version { trade, origin } in versions {
                let lowest = contents.entry(trade.content()).or_insert(*origin);
                *lowest = (*lowest).min(*origin);
            }
            contents.remove(&kept);
            out.extend(contents.into_iter().map(|(dropped, origin)| {
                LedgerOut::from(AuditEvent::Conflict(Conflict { commit, kept, dropped, origin }))
            }));
        }
    }

    fn emit_unmatched(&self, application: &Application<'_>, out: &mut Vec<LedgerOut>) {
        let unmatched = application.amendments.iter().filter(|(id, _)| {
            let trade = self.trades.trade_of(*id);
            !self.trades.is_matched(trade)
        });
        out.extend(unmatched.map(|(_, row)| LedgerOut::from(AuditEvent::Unmatched(*row))));
    }

    fn settle(
        &mut self,
        config: &LedgerConfig,
        context: &CommitContext,
        (watermark, sources): (EventTime, SourceSet),
        mut changed: BTreeMap<EventTime, Option<Cause>>,
        out: &mut Vec<LedgerOut>,
    ) {
        if self.seen > EventTime::NEVER {
            let open = self.bars.buckets(config).of(self.seen).open;
            if open > self.newest_open {
                self.newest_open = open;
                out.push(LedgerOut::NewestBar(self.instrument, open));
            }
        }
        let whole_from = context.read_from.whole_from(self.clock.sources().and(sources));
        let calendar = self.bars.buckets(config).calendar();
        let now = Now { commit: context.commit, watermark, seen: self.seen, whole_from, calendar };
        self.waiting.advance(now, |open| {
            changed.entry(open).or_default();
        });
        for (open_time, cause) in changed {
            let Some(bar) = self.bars.get_mut(open_time) else {
                continue;
            };
            let key = CandleKey { instrument: self.instrument, timeframe: config.base, open_time };
            bar.settle(key, &self.trades.rows, cause, now, out);
            self.recent.close(&config.outliers, open_time, bar.close());
        }
    }
}
