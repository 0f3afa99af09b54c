//! The records of a bar, commit by commit, and what survives of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use market::{AcceptedEvent, Cause, CauseKind, Commit, Conflict, EventTime, Trade, TradeRef};

use super::related::{RelatedIds, id_of};
use super::{
    BarEffect, BarQuestion, BarTrades, EXPLAINED_RECORDS_MAX, LoggedRecord, TooManyRecords,
};
use crate::context::threshold;
use crate::ledger::buckets::Buckets;
use crate::ledger::plain::trades::{Id, TradeNo, Trades, Version};

/// The records that name the trades of a bar, and what else decides when these are forgotten. Commits ascend.
#[derive(Debug, Default)]
pub struct BarRecords {
    commits: BTreeMap<Commit, CommitRecords>,
    records: usize,
    /// The newest event time of the instrument.
    seen: Option<EventTime>,
    /// The first commit that saw something, and the newest time that it saw.
    first_seen: Option<(Commit, EventTime)>,
}

#[derive(Debug, Default)]
struct CommitRecords {
    events: Vec<AcceptedEvent>,
    copies: Vec<Conflict>,
    /// The newest event time of the instrument at the end of the commit.
    seen: Option<EventTime>,
}

/// The replay: what the ledger knows of the related trades after a commit.
struct Replay<'a> {
    question: &'a BarQuestion<'a>,
    buckets: Buckets<'a>,
    trades: Trades,
    /// By the end of the base bar that holds their latest time; entries may be outdated.
    to_forget: BTreeSet<(EventTime, TradeNo)>,
    /// Ids that were cancelled without a time before any time was seen.
    undated: Vec<Id>,
    /// All records of each trade.
    records: BTreeMap<TradeNo, Vec<LoggedRecord>>,
    found: BarTrades,
}

/// What a commit does to trades, as the ledger has it.
#[derive(Default)]
struct Touched {
    numbers: HashSet<TradeNo>,
    /// Per event and id: what survived of the trade before, when it is touched first, and why.
    changes: Vec<(Id, Option<Trade>, Cause)>,
    /// The ids that events name, and the times that these carry.
    timed: Vec<(Id, Option<EventTime>)>,
}

impl BarRecords {
    /// Takes an event of the log, if it names one of these ids.
    ///
    /// # Errors
    ///
    /// If they are more than can be explained.
    pub fn take(
        &mut self,
        question: &BarQuestion<'_>,
        related: &RelatedIds,
        LoggedRecord { commit, event }: LoggedRecord,
    ) -> Result<(), TooManyRecords> {
        if event.instrument != question.instrument {
            return Ok(());
        }
        self.see(commit, event.trade().map(|trade| trade.time));
        if related.has(&event) {
            self.commits.entry(commit).or_default().events.push(event);
            self.records += 1;
        }
        self.note_seen(commit);
        match self.records > EXPLAINED_RECORDS_MAX {
            true => Err(TooManyRecords),
            false => Ok(()),
        }
    }

    /// Takes a copy of a trade that the log leaves out, in the commit that brought it: it may keep its trade from being
    /// forgotten.
    pub fn take_copy(&mut self, related: &RelatedIds, copy: &Conflict) {
        let name = copy.kept.name();
        self.see(copy.commit, Some(copy.dropped.time));
        if related.has_id(name) {
            self.commits.entry(copy.commit).or_default().copies.push(*copy);
        }
        self.note_seen(copy.commit);
    }

    fn see(&mut self, commit: Commit, time: Option<EventTime>) {
        let Some(time) = time else { return };
        self.seen = self.seen.max(Some(time));
        match &mut self.first_seen {
            Some((first, newest)) if *first == commit => *newest = (*newest).max(time),
            Some((first, _)) if *first < commit => {}
            first => *first = Some((commit, time)),
        }
    }

    fn note_seen(&mut self, commit: Commit) {
        if let Some(records) = self.commits.get_mut(&commit) {
            records.seen = self.seen;
        }
    }

    /// What is behind the bar after commit `through`.
    pub fn explain(&self, question: &BarQuestion<'_>, through: Commit) -> BarTrades {
        let mut replay = Replay {
            question,
            buckets: Buckets::new(question.calendar, question.base),
            trades: Trades::default(),
            to_forget: BTreeSet::new(),
            undated: Vec::new(),
            records: BTreeMap::new(),
            found: BarTrades::default(),
        };
        for (commit, records) in self.commits.range(..=through) {
            if let Some((_, seen)) = self.first_seen.filter(|(first, _)| first < commit) {
                replay.date(seen);
            }
            replay.commit(*commit, records);
        }
        replay.finish()
    }
}

impl Replay<'_> {
    fn commit(&mut self, commit: Commit, records: &CommitRecords) {
        let mut events = records.events.clone();
        events.sort_by_key(|event| event.origin);
        let watermark = events.iter().find_map(|event| event.terms).map(|terms| terms.watermark);
        if let Some(watermark) = watermark {
            self.forget(threshold(watermark, self.question.correction_horizon));
        }
        let mut touched = Touched::default();
        for event in &events {
            self.apply(commit, event, &mut touched);
        }
        for copy in &records.copies {
            touched.timed.push((id_of(copy.kept.name()), Some(self.buckets.latest(&copy.dropped))));
        }
        self.note_effects(commit, touched.changes);
        for (id, time) in touched.timed {
            match time.or(records.seen) {
                Some(time) => self.schedule(id, time),
                None => self.undated.push(id),
            }
        }
    }

    fn apply(&mut self, commit: Commit, event: &AcceptedEvent, touched: &mut Touched) {
        let record = LoggedRecord { commit, event: *event };
        let named = event.named().map(|name| self.touch(name, record, touched));
        let Some(trade) = event.trade() else {
            let Some((of, number)) = named else { return }; // of an earlier version
            self.trades.cancel(number);
            self.records.entry(number).or_default().push(record);
            touched.timed.push((of, Some(event.time).filter(|time| *time != EventTime::NEVER)));
            return;
        };
        let version = Version { trade, origin: event.origin };
        let (id, mut number) = self.touch(trade.name(), record, touched);
        touched.timed.push((id, Some(self.buckets.latest(&trade))));
        match named {
            None => {
                self.trades.add_original(id, version);
            }
            Some((_, known_as)) => {
                number = self.join(known_as, number);
                self.trades.correct(number, version);
            }
        }
        self.records.entry(number).or_default().push(record);
    }

    /// The trade of a name; notes what counted of it before the commit.
    fn touch(
        &mut self,
        name: TradeRef,
        record: LoggedRecord,
        touched: &mut Touched,
    ) -> (Id, TradeNo) {
        let id = id_of(name);
        let number = self.trades.trade_of(id);
        let is_first = touched.numbers.insert(number);
        let before = if is_first { self.trades.survivor(number) } else { None };
        touched.changes.push((id, before, record.cause()));
        (id, number)
    }

    fn join(&mut self, one: TradeNo, other: TradeNo) -> TradeNo {
        let kept = self.trades.join(one, other);
        let gone = if kept == one { other } else { one };
        if gone != kept {
            let moved = self.records.remove(&gone).unwrap_or_default();
            self.records.entry(kept).or_default().extend(moved);
        }
        kept
    }

    /// Compares what counts in the bar with what did before the commit.
    fn note_effects(&mut self, commit: Commit, changes: Vec<(Id, Option<Trade>, Cause)>) {
        let mut by_trade: BTreeMap<TradeNo, (Vec<Trade>, Cause)> = BTreeMap::new();
        for (id, before, cause) in changes {
            let number = self.trades.trade_of(id);
            let (befores, strongest) =
                by_trade.entry(number).or_insert_with(|| (Vec::new(), cause));
            befores.extend(before);
            *strongest = strongest.stronger(cause);
        }
        let question = self.question;
        for (number, (mut before, cause)) in by_trade {
            let mut after = self.trades.survivor(number);
            before.retain(|trade| question.alone(trade).is_some());
            after = after.filter(|trade| question.alone(trade).is_some());
            let was = before.iter().filter_map(|trade| question.alone(trade));
            let is = after.iter().filter_map(|trade| question.alone(trade));
            if !was.eq(is) {
                self.found.effects.push(BarEffect { commit, cause, before, after });
            }
        }
    }

    fn schedule(&mut self, id: Id, time: EventTime) {
        let number = self.trades.trade_of(id);
        if let Some(latest) = self.trades.extend_latest(number, time) {
            self.to_forget.insert((self.buckets.of(latest).end, number));
        }
    }

    /// Gives a time to the cancels that had none.
    fn date(&mut self, time: EventTime) {
        for id in std::mem::take(&mut self.undated) {
            self.schedule(id, time);
        }
    }

    /// Forgets the trades whose latest base bar ends at or before `horizon`, as the ledger does.
    fn forget(&mut self, horizon: EventTime) {
        while let Some((end, number)) =
            self.to_forget.first().copied().filter(|(end, _)| *end <= horizon)
        {
            self.to_forget.pop_first();
            let is_undated = self.undated.iter().any(|id| self.trades.is_of(*id, number));
            let latest = self.trades.latest(number);
            if is_undated || latest.is_none_or(|latest| self.buckets.of(latest).end != end) {
                continue; // outdated: a later event names it
            }
            self.conclude(number);
            self.trades.forget(number);
        }
    }

    fn conclude(&mut self, number: TradeNo) {
        let records = self.records.remove(&number).unwrap_or_default();
        let surviving = self.trades.surviving(number);
        let is_matched = self.trades.is_matched(number);
        self.found.conclude(self.question, records, surviving.filter(|_| is_matched));
    }

    fn finish(mut self) -> BarTrades {
        let numbers: Vec<TradeNo> = self.records.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.conclude(number));
        self.found.removed.sort_by_key(|gone| (gone.report.commit, gone.report.event.origin));
        self.found.effects.sort_by_key(|effect| (effect.commit, effect.cause.origin));
        self.found.with_roles()
    }
}

/// Whether a record is a cancel.
pub(super) fn is_cancel(record: &LoggedRecord) -> bool {
    record.event.kind == CauseKind::Cancel
}
