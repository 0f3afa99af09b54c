//! The state of one instrument: applies a commit to its trades and bars.
//!
//! The steps are numbered as a commit goes through them; `docs/semantics.md` has the definition that
//! they follow.

mod forgetting;
mod moves;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{
    Bucket, CandleKey, Cause, CauseKind, Conflict, Event, EventTime, InstrumentId, Origin, Record,
    Span, Timeframe, TooLate, Trade, TradeRef, Unmatched, UnmatchedReason,
};
use serde::{Deserialize, Serialize};

use super::LedgerConfig;
use super::bars::Bars;
use super::gaps::Gaps;
use super::outliers::RecentPrices;
use super::rows::RowNo;
use super::shard::InstrumentLedger;
use super::streams::Id;
use super::trades::{Added, Found, IdNo, TradeNo, Trades, Version};
use crate::context::{CommitContext, InstrumentClock, SourceSet, threshold};
use crate::lifecycle::{Now, Waiting};
use crate::output::{AuditEvent, LedgerOut, RecordOutcome};
use moves::TradeChange;

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
}

/// A bar, and a chunk of it that may have room.
#[derive(Clone, Copy, Debug)]
struct LastChunk {
    bucket: Bucket,
    chunk: u32,
}

/// An id of an amended trade that an event names, and the event's time if it carries one.
type TimedId = (IdNo, Option<EventTime>);

/// A commit while it is applied to the instrument's state.
struct Application<'a> {
    config: &'a LedgerConfig,
    /// Plain trades that came, with the places of their records. Some may be amended by now.
    fresh: Vec<(RowNo, u32)>,
    /// Whether some are.
    some_are_amended: bool,
    watermark: EventTime,
    /// Trades whose latest bar ends at or before it are forgotten.
    horizon: EventTime,
    context: &'a CommitContext,
    trade_changes: Vec<TradeChange>,
    dirty: BTreeSet<TradeNo>,
    /// Per id, the versions that met in this commit.
    conflict_candidates: BTreeMap<IdNo, Vec<Version>>,
    /// Corrections and cancels, to be looked at when all is applied.
    amendments: Vec<(IdNo, Unmatched)>,
    /// Ids of amended trades that events named, to schedule when their trades are forgotten.
    timed_ids: Vec<TimedId>,
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
        count: &mut impl FnMut(&Record, RecordOutcome),
        out: &mut Vec<LedgerOut>,
    ) {
        let watermark = self.clock.watermark(&context.watermarks);

        // 1. Trades whose latest bar has left the horizon are forgotten before anything is decided.
        let horizon = threshold(watermark, config.correction_horizon);
        self.forget(config, horizon);

        // 2. Each record is judged by the watermark and, if accepted, applied to ids and versions.
        let mut application = Application {
            config,
            fresh: Vec::with_capacity(records.len()),
            some_are_amended: false,
            watermark,
            horizon,
            context,
            trade_changes: Vec::new(),
            dirty: BTreeSet::new(),
            conflict_candidates: BTreeMap::new(),
            amendments: Vec::new(),
            timed_ids: Vec::new(),
        };
        for (place, record) in (0..).zip(records) {
            let outcome = self.apply(record, place, &mut application, out);
            count(record, outcome);
        }

        // 3. What disagreed, found no trade or is missing is known only now that all is applied.
        self.emit_conflicts(&application, out);
        self.emit_unmatched(&application, out);
        self.gaps.settle(self.instrument, config.gaps_max, out);

        // 4. What survives moves between bars; outliers are emitted.
        let mut changed = BTreeMap::new();
        self.add_plain_trades(&application, records, &mut changed, out);
        self.move_between_bars(&application, &mut changed, out);

        // 5. When each dirty trade will be forgotten.
        self.schedule_forgetting(&mut application);

        // 6. Time passes: bars become provisional and final; then every changed bar is put out.
        let sources = records
            .iter()
            .fold(SourceSet::default(), |set, record| set.and(SourceSet::of(record.origin.source)));
        self.settle(config, context, (watermark, sources), changed, out);

        // 7. The sources seen in this commit count from the next one on.
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
    fn apply(
        &mut self,
        record: &Record,
        place: u32,
        application: &mut Application<'_>,
        out: &mut Vec<LedgerOut>,
    ) -> RecordOutcome {
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
                    })));
                    return RecordOutcome::Late;
                }
                let cause = Cause { kind: CauseKind::Trade, id: trade.id, sequence: 0, origin };
                self.add(&trade, cause, place, application)
            }
            Event::Correct { of, with } => {
                if with.time < threshold(application.watermark, config.correction_horizon) {
                    out.push(LedgerOut::from(AuditEvent::Unmatched(Unmatched {
                        commit: application.context.commit,
                        kind: CauseKind::Correction,
                        of,
                        time: Some(with.time),
                        reason: UnmatchedReason::BeyondHorizon,
                    })));
                    return RecordOutcome::Late;
                }
                let sequence = with.sequence;
                let cause = Cause { kind: CauseKind::Correction, id: of.id, sequence, origin };
                self.correct(of, with, cause, application);
                RecordOutcome::Correction
            }
            Event::Cancel { of, time } => {
                let cause = Cause { kind: CauseKind::Cancel, id: of.id, sequence: 0, origin };
                let id = self.amended((of.scope, of.id), application);
                let trade = self.mark_dirty(id, cause, application);
                self.trades.cancel(trade);
                application.timed_ids.push((id, time));
                application.amend(id, of, CauseKind::Cancel, time);
                RecordOutcome::Cancel
            }
        }
    }

    fn add(
        &mut self,
        trade: &Trade,
        cause: Cause,
        place: u32,
        application: &mut Application<'_>,
    ) -> RecordOutcome {
        let (id, origin) = ((trade.scope, trade.id), cause.origin);
        self.observe(trade, application.config);
        self.gaps.observe(trade.scope, trade.id, trade.time);
        let id = match self.find(id, application) {
            found @ (Found::Highest | Found::Nothing) => {
                let is_highest = matches!(found, Found::Highest);
                if let Some(row) = self.add_plain(trade, origin, is_highest, application.config) {
                    application.fresh.push((row, place));
                    return RecordOutcome::Accepted;
                }
                self.trades.begin(id)
            }
            Found::Plain(row) => {
                let known = self.trades.rows.version(row);
                let is_copy = known.trade.content() == trade.content();
                // A copy that counts from now on may have another place in the order of trades. A plain trade cannot.
                let stays = known.origin < origin
                    || known.trade == *trade && self.trades.rows.set_origin(row, id, origin);
                if is_copy && stays {
                    return RecordOutcome::Duplicate;
                }
                self.promote(row, application)
            }
            Found::Amended(id) => id,
        };
        self.mark_dirty(id, cause, application);
        application.timed_ids.push((id, Some(trade.time)));
        let version = Version { trade: *trade, origin };
        match self.trades.add_original(id, version) {
            Added::First => RecordOutcome::Accepted,
            Added::Known(known) => {
                let versions =
                    application.conflict_candidates.entry(id).or_insert_with(|| vec![known]);
                versions.push(version);
                match known.trade.content() == trade.content() {
                    true => RecordOutcome::Duplicate,
                    false => RecordOutcome::Conflict,
                }
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
        self.observe(&with, application.config);
        let of_id = self.amended((of.scope, of.id), application);
        let with_id = self.amended((with.scope, with.id), application);
        let known_as = self.mark_dirty(of_id, cause, application);
        let new_name = self.mark_dirty(with_id, cause, application);
        let trade = self.trades.join(known_as, new_name);
        self.trades.correct(trade, Version { trade: with, origin: cause.origin });
        application.timed_ids.push((with_id, Some(with.time)));
        // Without a new id, a correction is no evidence of a trade: its trade was reported before, or is missing.
        if of != with.name() {
            self.gaps.observe(with.scope, with.id, with.time);
        }
        application.amend(of_id, of, CauseKind::Correction, Some(with.time));
    }

    /// Stores a new trade as plain; its bar gets it when all records are applied. None
    /// if it must be stored as an amended trade.
    fn add_plain(
        &mut self,
        trade: &Trade,
        origin: Origin,
        is_highest: bool,
        config: &LedgerConfig,
    ) -> Option<RowNo> {
        let stream = self.trades.rows.stream(trade, origin)?;
        let last_chunk = self.last_chunk.filter(|LastChunk { bucket, chunk }| {
            bucket.open <= trade.time
                && trade.time < bucket.end
                && self.trades.rows.has_room(*chunk)
        });
        let chunk = match last_chunk {
            Some(last_chunk) => last_chunk.chunk,
            None => {
                let bucket = self.bars.buckets(config).of(trade.time);
                let (chunk, made) = self.bars.chunk(bucket, trade.spec, &mut self.trades.rows);
                if made {
                    self.waiting.add(bucket.end, bucket.open);
                }
                self.last_chunk = chunk.map(|chunk| LastChunk { bucket, chunk });
                chunk?
            }
        };
        Some(self.trades.add_plain(chunk, stream, trade, origin, is_highest))
    }

    /// The number of an id of an amended trade; a plain trade of that id is promoted.
    fn amended(&mut self, id: Id, application: &mut Application<'_>) -> IdNo {
        match self.find(id, application) {
            Found::Highest | Found::Nothing => self.trades.begin(id),
            Found::Plain(row) => self.promote(row, application),
            Found::Amended(id) => id,
        }
    }

    /// Promotes a plain trade to an amended one; its contribution to its bar stays the same.
    fn promote(&mut self, row: RowNo, application: &mut Application<'_>) -> IdNo {
        let rows = &self.trades.rows;
        let (Version { trade, origin }, end, is_new) =
            (rows.version(row), rows.end(row), rows.is_new(row));
        let id = self.trades.promote(row);
        let number = self.trades.trade_of(id);
        self.to_forget.insert((end, number));
        if is_new {
            let cause = Cause { kind: CauseKind::Trade, id: trade.id, sequence: 0, origin };
            application.dirty.insert(number);
            application.trade_changes.push(TradeChange { id, before: None, cause });
            application.some_are_amended = true;
        } else {
            let bucket = self.bars.buckets(application.config).of(trade.time);
            self.bars.promote(bucket.open, &trade);
        }
        id
    }

    /// The trade of `id`; notes what it contributed before this commit, once, and one more cause.
    fn mark_dirty(&mut self, id: IdNo, cause: Cause, application: &mut Application<'_>) -> TradeNo {
        let trade = self.trades.trade_of(id);
        let first = application.dirty.insert(trade);
        let before = if first { self.trades.survivor(trade) } else { None };
        application.trade_changes.push(TradeChange { id, before, cause });
        trade
    }

    fn observe(&mut self, trade: &Trade, config: &LedgerConfig) {
        self.seen = self.seen.max(trade.time);
        if self.bars.learn(trade.spec) {
            self.reschedule_forgetting(config);
        }
    }

    fn emit_conflicts(&self, application: &Application<'_>, out: &mut Vec<LedgerOut>) {
        let commit = application.context.commit;
        for (id, versions) in &application.conflict_candidates {
            let Some(kept) = self.trades.original(*id).map(|version| version.trade.content())
            else {
                continue;
            };
            let contents = versions.iter().map(|version| version.trade.content());
            let dropped: BTreeSet<Trade> = contents.filter(|content| *content != kept).collect();
            out.extend(dropped.into_iter().map(|dropped| {
                LedgerOut::from(AuditEvent::Conflict(Conflict { commit, kept, dropped }))
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
        let now = Now { commit: context.commit, watermark, seen: self.seen, whole_from };
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

impl Application<'_> {
    /// Notes a correction or a cancel, to be emitted if no trade is found when all is applied.
    fn amend(&mut self, id: IdNo, of: TradeRef, kind: CauseKind, time: Option<EventTime>) {
        let (commit, reason) = (self.context.commit, UnmatchedReason::Unknown);
        self.amendments.push((id, Unmatched { commit, kind, of, time, reason }));
    }
}
