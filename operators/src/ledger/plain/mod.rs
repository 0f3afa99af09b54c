//! The slow twin: the state of one instrument in its obvious form, on ordered maps.
//!
//! It emits what the fast [`super::instrument`] emits, commit by commit, and is here to be read beside it: tests
//! hold both equal, and benches time them. The steps are numbered as a commit goes through them;
//! `docs/semantics.md` has the definition that they follow. A record costs O(log n), and a bar folds its
//! trades anew once in a commit in which a trade left it.

mod bars;
mod forgetting;
mod moves;
pub(super) mod trades;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{
    CandleKey, Cause, CauseKind, Conflict, Event, EventTime, InstrumentId, InstrumentSpec, Origin,
    Record, Span, Timeframe, TooLate, Trade, TradeRef, Unmatched, UnmatchedReason,
};
use serde::{Deserialize, Serialize};

use super::LedgerConfig;
use super::buckets::Buckets;
use super::gaps::Gaps;
use super::outliers::RecentPrices;
use super::shard::InstrumentLedger;
use crate::context::{CommitContext, InstrumentClock, SourceSet, threshold};
use crate::lifecycle::{Now, Waiting};
use crate::output::{AuditEvent, Judged, LedgerOut, RecordOutcome};
use bars::Bars;
use moves::TradeChange;
use trades::{Added, Id, TradeNo, Trades, Version};

/// Everything that the ledger holds of one instrument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlainInstrumentState {
    instrument: InstrumentId,
    clock: InstrumentClock,
    /// Newest event time accepted.
    seen: EventTime,
    /// When the newest base bar seen opens.
    newest_open: EventTime,
    trades: Trades,
    bars: Bars,
    gaps: Gaps,
    /// Follows from the bars, see [`PlainInstrumentState::restored`].
    #[serde(skip)]
    recent: RecentPrices,
    waiting: Waiting<EventTime>,
    /// Trades by the end of the base bar that holds their latest time; entries may be outdated.
    to_forget: BTreeSet<(EventTime, TradeNo)>,
    /// Ids that were cancelled without a time before any time was seen.
    undated: Vec<TimedId>,
}

/// An id that an event names, and the event's time if it carries one.
type TimedId = (Id, Option<EventTime>);

/// A commit while it is applied to the instrument's state.
struct Application<'a> {
    config: &'a LedgerConfig,
    spec: Option<InstrumentSpec>,
    watermark: EventTime,
    context: &'a CommitContext,
    trade_changes: Vec<TradeChange>,
    dirty: BTreeSet<TradeNo>,
    /// Per id, the versions that met in this commit.
    conflict_candidates: BTreeMap<Id, Vec<Version>>,
    /// Corrections and cancels, to be looked at when all is applied.
    amendments: Vec<(CauseKind, TradeRef, Option<EventTime>, Origin)>,
    /// Ids that events named, to schedule when their trades are forgotten.
    timed_ids: Vec<TimedId>,
}

impl InstrumentLedger for PlainInstrumentState {
    fn new(instrument: InstrumentId) -> PlainInstrumentState {
        PlainInstrumentState {
            instrument,
            clock: InstrumentClock::new(),
            seen: EventTime::NEVER,
            newest_open: EventTime::NEVER,
            trades: Trades::default(),
            bars: Bars::default(),
            gaps: Gaps::default(),
            recent: RecentPrices::default(),
            waiting: Waiting::new(),
            to_forget: BTreeSet::new(),
            undated: Vec::new(),
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
        self.forget(config, threshold(watermark, config.correction_horizon));

        // 2. Each record is judged by the watermark and, if accepted, applied to ids and versions.
        let mut application = Application {
            config,
            spec: None,
            watermark,
            context,
            trade_changes: Vec::new(),
            dirty: BTreeSet::new(),
            conflict_candidates: BTreeMap::new(),
            amendments: Vec::new(),
            timed_ids: std::mem::take(&mut self.undated),
        };
        for record in records {
            let judged = self.apply(record, &mut application, out);
            count(record, judged);
        }
        if let Some(spec) = application.spec
            && self.bars.learn(spec)
        {
            self.reschedule_forgetting(config);
        }

        // 3. What disagreed, found no trade or is missing is known only now that all is applied.
        self.emit_conflicts(&application, out);
        self.emit_unmatched(&application, out);
        self.gaps.settle(self.instrument, config.gaps_max, out);

        // 4. What survives moves between bars.
        let (changed, entered) = self.move_between_bars(config, &application.trade_changes);

        // 5. When each dirty trade will be forgotten.
        self.schedule_forgetting(config, application.timed_ids);

        // 6. Time passes: bars become provisional and final; then every changed bar is put out.
        let sources = records
            .iter()
            .fold(SourceSet::default(), |set, record| set.and(SourceSet::of(record.origin.source)));
        self.settle(config, context, (watermark, sources), changed, out);

        // 7. Prices are held to the closes as they are now.
        self.emit_outliers(config, context.commit, &entered, out);

        // 8. The sources seen in this commit count from the next one on.
        if self.clock.add_sources(sources, watermark) {
            out.push(LedgerOut::SourceSeen(self.instrument, sources));
        }
    }

    fn next_deadline(&self, horizon: Span) -> Option<EventTime> {
        let forget = self.to_forget.first().map(|(end, _)| end.after(horizon));
        let forget = forget.filter(|_| horizon != Span::FOREVER);
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
        for (open, bar) in self.bars.iter() {
            self.recent.close(&config.outliers, open, bar.close());
        }
    }

    fn ids(&self) -> usize {
        self.trades.len()
    }

    fn bytes(&self) -> usize {
        size_of::<PlainInstrumentState>()
            + self.trades.len() * (Trades::BYTES_PER_ID + size_of::<(EventTime, TradeNo)>() * 3 / 2)
            + self.bars.bytes()
            + self.gaps.bytes()
            + self.recent.bytes()
    }
}

impl PlainInstrumentState {
    fn apply(
        &mut self,
        record: &Record,
        application: &mut Application<'_>,
        out: &mut Vec<LedgerOut>,
    ) -> Judged {
        let origin = record.origin;
        let config = application.config;
        match record.event {
            Event::New(trade) => {
                if trade.time < threshold(application.watermark, config.reject_after) {
                    let (commit, watermark) = (application.context.commit, application.watermark);
                    out.push(LedgerOut::from(AuditEvent::TooLate(TooLate {
                        commit,
                        trade,
                        watermark,
                        origin,
                    })));
                    return RecordOutcome::Late.into();
                }
                let cause = Cause { kind: CauseKind::Trade, id: trade.id, sequence: 0, origin };
                self.add(trade, cause, application)
            }
            Event::Correct { of, with } => {
                if with.time < threshold(application.watermark, config.correction_horizon) {
                    out.push(LedgerOut::from(AuditEvent::Unmatched(Unmatched {
                        commit: application.context.commit,
                        kind: CauseKind::Correction,
                        of,
                        time: Some(with.time),
                        reason: UnmatchedReason::BeyondHorizon,
                        origin,
                    })));
                    return RecordOutcome::Late.into();
                }
                let sequence = if with.is_positional { 0 } else { with.sequence };
                let cause = Cause { kind: CauseKind::Correction, id: of.id, sequence, origin };
                self.correct(of, with, cause, application);
                RecordOutcome::Correction.into()
            }
            Event::Cancel { of, time } => {
                let cause = Cause { kind: CauseKind::Cancel, id: of.id, sequence: 0, origin };
                let id = (of.scope, of.id);
                let trade = self.mark_dirty(id, cause, application);
                self.trades.cancel(trade);
                application.timed_ids.push((id, time));
                application.amendments.push((CauseKind::Cancel, of, time, origin));
                RecordOutcome::Cancel.into()
            }
        }
    }

    fn add(&mut self, trade: Trade, cause: Cause, application: &mut Application<'_>) -> Judged {
        let id = (trade.scope, trade.id);
        let version = Version { trade, origin: cause.origin };
        self.mark_dirty(id, cause, application);
        let known_before = self.trades.add_original(id, version);
        self.observe(&trade, application);
        self.gaps.observe(trade.scope, trade.id, trade.time);
        match known_before {
            Added::First => RecordOutcome::Accepted.into(),
            Added::Known(known) => {
                let versions =
                    application.conflict_candidates.entry(id).or_insert_with(|| vec![known]);
                versions.push(version);
                let outcome = match known.trade.content() == trade.content() {
                    true => RecordOutcome::Duplicate,
                    false => RecordOutcome::Conflict,
                };
                let replaces = version.origin < known.origin && version.trade != known.trade;
                Judged { outcome, replaces }
            }
        }
    }

    fn correct(
        &mut self,
        of: TradeRef,
        with: Trade,
        cause: Cause,
        application: &mut Application<'_>,
    ) {
        let known_as = self.mark_dirty((of.scope, of.id), cause, application);
        let new_name = self.mark_dirty((with.scope, with.id), cause, application);
        let trade = self.trades.join(known_as, new_name);
        self.trades.correct(trade, Version { trade: with, origin: cause.origin });
        self.observe(&with, application);
        // Without a new id, a correction is no evidence of a trade: its trade was reported before, or is missing.
        if of != with.name() {
            self.gaps.observe(with.scope, with.id, with.time);
        }
        application.amendments.push((CauseKind::Correction, of, Some(with.time), cause.origin));
    }

    /// The trade of `id`; notes what it contributed before this commit, once, and one more cause.
    fn mark_dirty(&mut self, id: Id, cause: Cause, application: &mut Application<'_>) -> TradeNo {
        let trade = self.trades.trade_of(id);
        let first = application.dirty.insert(trade);
        let before = if first { self.trades.survivor(trade) } else { None };
        application.trade_changes.push(TradeChange { id, before, cause });
        trade
    }

    fn observe(&mut self, trade: &Trade, application: &mut Application<'_>) {
        application.spec = Some(trade.spec);
        let calendar = application.config.calendars.get(trade.spec.calendar);
        let latest = Buckets::new(calendar, application.config.base).latest(trade);
        application.timed_ids.push(((trade.scope, trade.id), Some(latest)));
        self.seen = self.seen.max(trade.time);
    }

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

    fn emit_unmatched(&mut self, application: &Application<'_>, out: &mut Vec<LedgerOut>) {
        for (kind, of, time, origin) in &application.amendments {
            let trade = self.trades.trade_of((of.scope, of.id));
            if !self.trades.is_matched(trade) {
                out.push(LedgerOut::from(AuditEvent::Unmatched(Unmatched {
                    commit: application.context.commit,
                    kind: *kind,
                    of: *of,
                    time: *time,
                    reason: UnmatchedReason::Unknown,
                    origin: *origin,
                })));
            }
        }
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
            let values = bar.values();
            bar.history.settle(key, bar.end, values.as_ref(), cause, now, out);
            self.recent.close(&config.outliers, open_time, bar.close());
        }
    }
}
