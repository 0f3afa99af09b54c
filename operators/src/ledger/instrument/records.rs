//! Judges each record of a commit and applies it to ids and versions.

use market::{
    Cause, CauseKind, Event, Origin, Record, SessionKind, SessionPrint, Stretch, TooLate, Trade,
    TradeRef, Unmatched, UnmatchedReason,
};

use super::application::{Application, TradeChange};
use super::{InstrumentState, LastChunk};
use crate::context::threshold;
use crate::ledger::LedgerConfig;
use crate::ledger::rows::RowNo;
use crate::ledger::streams::Id;
use crate::ledger::trades::{Added, Found, IdNo, TradeNo};
use crate::ledger::version::Version;
use crate::output::{AuditEvent, Judged, LedgerOut, RecordOutcome};

impl InstrumentState {
    /// Judges `record`, the one at `place` in its commit, by the watermark; applies it if it is accepted.
    pub(super) fn apply(
        &mut self,
        record: &Record,
        place: u32,
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
                let id = self.amended((of.scope, of.id), application);
                let trade = self.mark_dirty(id, cause, application);
                self.trades.cancel(trade);
                application.timed_ids.push((id, time));
                application.amend(id, of, (CauseKind::Cancel, origin), time);
                RecordOutcome::Cancel.into()
            }
        }
    }

    fn add(
        &mut self,
        trade: &Trade,
        cause: Cause,
        place: u32,
        application: &mut Application<'_>,
    ) -> Judged {
        let (id, origin) = ((trade.scope, trade.id), cause.origin);
        self.observe(trade, application.config);
        self.gaps.observe(trade.scope, trade.id, trade.time);
        let id = match self.find(id, application) {
            found @ (Found::Highest | Found::Nothing) => {
                let is_highest = matches!(found, Found::Highest);
                if let Some(row) = self.add_plain(trade, origin, is_highest, application.config) {
                    application.fresh.push((row, place));
                    return RecordOutcome::Accepted.into();
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
                    return RecordOutcome::Duplicate.into();
                }
                self.promote(row, application)
            }
            Found::Amended(id) => id,
        };
        self.mark_dirty(id, cause, application);
        let latest = self.bars.buckets(application.config).latest(trade);
        application.timed_ids.push((id, Some(latest)));
        let version = Version { trade: *trade, origin };
        match self.trades.add_original(id, version) {
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
        self.observe(&with, application.config);
        let of_id = self.amended((of.scope, of.id), application);
        let with_id = self.amended((with.scope, with.id), application);
        let known_as = self.mark_dirty(of_id, cause, application);
        let new_name = self.mark_dirty(with_id, cause, application);
        let trade = self.trades.join(known_as, new_name);
        self.trades.correct(trade, Version { trade: with, origin: cause.origin });
        let latest = self.bars.buckets(application.config).latest(&with);
        application.timed_ids.push((with_id, Some(latest)));
        // Without a new id, a correction is no evidence of a trade: its trade was reported before, or is missing.
        if of != with.name() {
            self.gaps.observe(with.scope, with.id, with.time);
        }
        application.amend(of_id, of, (CauseKind::Correction, cause.origin), Some(with.time));
    }

    /// Stores a new trade as plain; its bar gets it when all records are applied. None
    /// if it must be stored as an amended trade, as what counts in another bar than that of its time.
    fn add_plain(
        &mut self,
        trade: &Trade,
        origin: Origin,
        is_highest: bool,
        config: &LedgerConfig,
    ) -> Option<RowNo> {
        if !self.counts_at_its_time(trade, config) {
            return None;
        }
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

    fn counts_at_its_time(&mut self, trade: &Trade, config: &LedgerConfig) -> bool {
        let print = trade.updates.print();
        let holds = |stretch: &Stretch| stretch.open <= trade.time && trade.time < stretch.end;
        let is_known =
            print == SessionPrint::Ordinary && self.not_regular.as_ref().is_some_and(holds);
        if print == SessionPrint::Unsaid || is_known {
            return true;
        }
        let buckets = self.bars.buckets(config);
        let stretch = buckets.calendar().stretch(trade.time);
        self.not_regular = Some(stretch).filter(|own| own.kind != SessionKind::Regular);
        buckets.counted(trade).time == trade.time
    }

    /// The number of an id of an amended trade; a plain trade of that id is promoted.
    pub(super) fn amended(&mut self, id: Id, application: &mut Application<'_>) -> IdNo {
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
}
