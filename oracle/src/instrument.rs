//! The fold over commits for one instrument. The definition speaks of one at a time, so does this.

use std::collections::{BTreeMap, BTreeSet};

use market::{
    CalendarId, Candle, CandleKey, Cause, CauseKind, Commit, Event, EventTime, InstrumentId,
    Origin, Record, SourceId, TooLate, Trade, TradeRef, Unmatched, UnmatchedReason,
};

use crate::behind::{causes, conflicts, strongest};
use crate::gaps::KnownIds;
use crate::history::{History, Output};
use crate::outliers::outliers;
use crate::prints::{counted, reaches_back_to};
use crate::revise::{Bars, Revisions, changes};
use crate::set::{Joined, joined};
use crate::values;
use crate::watermark::{Watermark, less};

/// All that is known of one instrument.
#[derive(Clone, Debug)]
pub(crate) struct InstrumentFold {
    watermark: Watermark,
    /// Its calendar; the first until a record gives it.
    calendar: CalendarId,
    /// Accepted records of trades that are not forgotten.
    live: Vec<Record>,
    /// The commits that brought them.
    commit_of: BTreeMap<Origin, Commit>,
    /// What survived of forgotten trades.
    left: Vec<Trade>,
    known_ids: KnownIds,
    /// The newest time seen after each commit from 0 on.
    seen: Vec<Option<EventTime>>,
    bars: Bars,
    revisions: Revisions,
    candles: BTreeMap<CandleKey, Candle>,
    round: Round,
}

/// What is known for the larger timeframes.
#[derive(Clone, Debug)]
struct Round {
    watermark: Watermark,
    /// Sources seen since the last round ended.
    seen: Vec<SourceId>,
    /// Causes that base bars had since the last round ended.
    causes: Vec<(CandleKey, Cause)>,
    /// Base bars when the last round ended.
    base: Bars,
    /// Larger bars when the last round ended.
    bars: Bars,
    revisions: Revisions,
    candles: BTreeMap<CandleKey, Candle>,
}

/// Whether a record of a commit is no copy of a trade, or one that takes its place: of all `New`s of its id it has the
/// lowest origin, and before the commit another `New` counted, or none.
fn is_news(record: &Record, before: &[Record], accepted: &[Record]) -> bool {
    let Event::New(trade) = record.event else { return true };
    let is_copy =
        |other: &&Record| matches!(other.event, Event::New(t) if t.name() == trade.name());
    let is_lower = |other: &Record| other.origin < record.origin;
    let counted = before.iter().filter(is_copy).min_by_key(|other| other.origin);
    counted.is_none_or(|counted| !is_lower(counted) && counted.event != record.event)
        && !accepted.iter().filter(is_copy).any(is_lower)
}

impl InstrumentFold {
    /// An instrument of which no record came before `commit`.
    pub(crate) fn before(Commit(commit): Commit) -> InstrumentFold {
        InstrumentFold {
            watermark: Watermark::new(),
            calendar: CalendarId(0),
            live: Vec::new(),
            commit_of: BTreeMap::new(),
            left: Vec::new(),
            known_ids: KnownIds::default(),
            seen: (0..commit).map(|_| None).collect(),
            bars: Bars::new(),
            revisions: Revisions::default(),
            candles: BTreeMap::new(),
            round: Round {
                watermark: Watermark::new(),
                seen: Vec::new(),
                causes: Vec::new(),
                base: Bars::new(),
                bars: Bars::new(),
                revisions: Revisions::default(),
                candles: BTreeMap::new(),
            },
        }
    }

    /// Takes a commit; `records` are those of this instrument, `watermarks` those before this commit.
    pub(crate) fn commit(
        &mut self,
        history: &History,
        commit: Commit,
        records: &[Record],
        watermarks: &[Option<EventTime>],
        output: &mut Output,
    ) {
        self.watermark.advance(watermarks, history.clients);
        self.forget(history);

        let before = self.live.clone();
        let accepted = self.judge(history, commit, records, output);
        self.live.extend(&accepted);
        self.known_ids.commit(&accepted, history.gaps_max);
        self.note(commit, records, &accepted);

        let news = accepted.iter().filter(|r| is_news(r, &before, &accepted));
        output.accepted.extend(news.map(|record| (*record, self.watermark.value)));
        output.conflicts.extend(conflicts(commit, &before, &accepted));
        output.unmatched.extend(self.unmatched(commit, &accepted));
        let (was, is) = (joined(&before), joined(&self.live));
        self.show_base(history, commit, &before, &accepted, output);
        output.outliers.extend(outliers(history, commit, &self.bars, &was, &is));
    }

    /// The newest time seen so far.
    fn seen(&self) -> Option<EventTime> {
        self.seen.last().copied().flatten()
    }

    // Section *Trades and what survives*: what is forgotten at the start of a commit.

    fn forget(&mut self, history: &History) {
        let limit = less(self.watermark.value, history.correction_horizon);
        let base = history.timeframes[0];
        let calendar = history.calendars.get(self.calendar);
        for trade in joined(&self.live) {
            // None of a cancel whose time is not known yet: then the latest one is not either.
            let times: Option<Vec<_>> =
                trade.records.iter().map(|r| self.kept_for(history, r)).collect();
            let latest = times.and_then(|times| times.into_iter().max());
            let gone = latest.is_some_and(|latest| calendar.bucket(base, latest).end <= limit);
            if gone {
                self.left.extend(trade.survivor());
                self.live.retain(|record| !trade.records.contains(record));
            }
        }
    }

    /// The later of the event time of a record and of the time at which its trade counts.
    fn kept_for(&self, history: &History, record: &Record) -> Option<EventTime> {
        let counts = match &record.event {
            Event::New(trade) | Event::Correct { with: trade, .. } => {
                Some(counted(trade, &history.calendars).time)
            }
            Event::Cancel { .. } => None,
        };
        self.time_of(record).map(|time| counts.map_or(time, |counts| counts.max(time)))
    }

    /// The event time of a record; for a cancel without time, what was seen at the end of its commit
    /// or of the first one after it that had seen something.
    fn time_of(&self, record: &Record) -> Option<EventTime> {
        match record.event {
            Event::New(trade) | Event::Correct { with: trade, .. } => Some(trade.time),
            Event::Cancel { time: Some(time), .. } => Some(time),
            Event::Cancel { time: None, .. } => {
                let Commit(came) = *self.commit_of.get(&record.origin)?;
                let since = self.seen.iter().skip(came as usize);
                since.flatten().next().copied()
            }
        }
    }

    // Section *Acceptance*.

    fn judge(
        &self,
        history: &History,
        commit: Commit,
        records: &[Record],
        output: &mut Output,
    ) -> Vec<Record> {
        let watermark = self.watermark.value;
        let mut accepted = Vec::new();
        for record in records {
            match record.event {
                Event::New(trade) if trade.time < less(watermark, history.reject_after) => {
                    let origin = record.origin;
                    output.too_late.push(TooLate { commit, trade, watermark, origin });
                }
                Event::Correct { of, with }
                    if with.time < less(watermark, history.correction_horizon) =>
                {
                    output.unmatched.push(Unmatched {
                        commit,
                        kind: CauseKind::Correction,
                        of,
                        time: Some(with.time),
                        reason: UnmatchedReason::BeyondHorizon,
                        origin: record.origin,
                    });
                }
                Event::New(_) | Event::Correct { .. } | Event::Cancel { .. } => {
                    accepted.push(*record);
                }
            }
        }
        accepted
    }

    /// Keeps what a commit gives beside its trades: sources, calendar, newest time.
    fn note(&mut self, commit: Commit, records: &[Record], accepted: &[Record]) {
        for record in records {
            self.watermark.add_source(record.origin.source);
            self.round.seen.push(record.origin.source);
            if let Event::New(trade) | Event::Correct { with: trade, .. } = record.event {
                self.calendar = trade.spec.calendar;
            }
        }
        let mut seen = self.seen();
        for record in accepted {
            self.commit_of.insert(record.origin, commit);
            if let Event::New(trade) | Event::Correct { with: trade, .. } = record.event {
                seen = seen.max(Some(trade.time));
            }
        }
        self.seen.push(seen);
    }

    /// Accepted corrections and cancels whose trade is not matched at the end of the commit.
    fn unmatched(&self, commit: Commit, accepted: &[Record]) -> Vec<Unmatched> {
        let mut rows = Vec::new();
        for trade in joined(&self.live) {
            if trade.matched() {
                continue;
            }
            for record in trade.records.iter().filter(|r| accepted.contains(r)) {
                let (kind, of) = match record.event {
                    Event::New(_) => continue,
                    Event::Correct { of, .. } => (CauseKind::Correction, of),
                    Event::Cancel { of, .. } => (CauseKind::Cancel, of),
                };
                rows.push(Unmatched {
                    commit,
                    kind,
                    of,
                    time: record.event.time(),
                    reason: UnmatchedReason::Unknown,
                    origin: record.origin,
                });
            }
        }
        rows
    }

    // Section *Bars*.

    /// The trades that show: what survives, and what forgotten ones left.
    pub(crate) fn shown(&self) -> Vec<Trade> {
        let live = joined(&self.live);
        let survivors = live.iter().filter_map(Joined::survivor);
        self.left.iter().copied().chain(survivors).collect()
    }

    fn show_base(
        &mut self,
        history: &History,
        commit: Commit,
        before: &[Record],
        accepted: &[Record],
        output: &mut Output,
    ) {
        let base = history.timeframes[0];
        let bars = values::bars(&self.shown(), base, &history.calendars);
        let calendar = history.calendars.get(self.calendar);
        let first_print = |open| reaches_back_to(calendar, open);
        let causes = causes(history, &joined(before), &joined(&self.live), accepted);
        let times = (self.watermark.value, self.watermark.whole_from(&history.read_from));
        let (rows, behind) =
            self.revisions.revise(commit, times, (&self.bars, &bars), first_print, |key| {
                strongest(causes.iter().filter(|(k, _)| k == key).map(|(_, c)| *c))
            });
        self.round.causes.extend(behind);
        output.revisions.extend(rows);
        self.candles = self.revisions.candles(&bars, self.watermark.value, self.seen());
        self.bars = bars;
    }

    // Section *Larger timeframes*.

    /// Ends a round with `commit`, which has been taken; `watermarks` are those of the round before.
    pub(crate) fn round(
        &mut self,
        history: &History,
        commit: Commit,
        watermarks: &[Option<EventTime>],
        output: &mut Output,
    ) {
        let shown = self.shown();
        let newest = self.newest_base_bar(history);
        let round = &mut self.round;
        round.watermark.advance(watermarks, history.clients);
        for source in round.seen.drain(..) {
            round.watermark.add_source(source);
        }

        let bars: Bars = history.timeframes[1..]
            .iter()
            .flat_map(|timeframe| values::bars(&shown, *timeframe, &history.calendars))
            .collect();
        let changed = changes(&round.base, &self.bars);
        let differs = |key: &CandleKey| changed.iter().any(|(changed, ..)| changed == key);
        let calendar = history.calendars.get(self.calendar);
        let first_print = |open| reaches_back_to(calendar, open);
        let under = |small: &CandleKey, large: &CandleKey| {
            calendar.bucket(large.timeframe, small.open_time).open == large.open_time
        };
        let times = (round.watermark.value, round.watermark.whole_from(&history.read_from));
        let (rows, _) =
            round.revisions.revise(commit, times, (&round.bars, &bars), first_print, |large| {
                let causes = round.causes.iter();
                let behind = causes.filter(|(key, _)| under(key, large) && differs(key));
                strongest(behind.map(|(_, cause)| *cause))
            });
        output.revisions.extend(rows);
        round.candles = round.revisions.candles(&bars, round.watermark.value, newest);
        round.causes.clear();
        round.base.clone_from(&self.bars);
        round.bars = bars;
    }

    /// The first instant of the base bar that holds the newest time seen.
    fn newest_base_bar(&self, history: &History) -> Option<EventTime> {
        let calendar = history.calendars.get(self.calendar);
        let open = |time| calendar.bucket(history.timeframes[0], time).open;
        self.seen().map(open)
    }

    /// Adds the rows that show.
    pub(crate) fn show(&self, instrument: InstrumentId, output: &mut Output) {
        output.gaps.extend(self.known_ids.rows(instrument));
        output.candles.extend(&self.candles);
        output.candles.extend(&self.round.candles);
    }

    pub(crate) fn forgotten(&self) -> usize {
        self.left.len()
    }

    pub(crate) fn known_ids(&self) -> BTreeSet<TradeRef> {
        joined(&self.live).into_iter().flat_map(|t| t.ids).collect()
    }
}
