//! Explanations of bars beside the oracle: the trades of each bar, and what changed it between two commits.

use std::collections::BTreeMap;

use market::{
    Bar, CandleKey, Commit, Event, EventTime, InstrumentSpec, Record, Revision, Timeframe, Trade,
    Updates,
};
use operators::ledger::explain::{
    BarQuestion, BarRecords, BarTrades, CountedTrade, LoggedRecord, RelatedIds, Removal,
};
use oracle::commits::Fold;
use oracle::prints::counted;
use oracle::random::{Script, Shape, random};

use super::harness::{Rows, cores};

/// What a job has logged, and what the oracle says of each commit.
struct Told {
    script: Script,
    rows: Vec<Rows>,
    /// By commit and instrument: the trades that show.
    surviving: Vec<BTreeMap<market::InstrumentId, Vec<Trade>>>,
    revisions: Vec<Vec<Revision>>,
}

fn told(seed: u64, shape: &Shape) -> Told {
    let script = random(seed, shape);
    let mut fold = Fold::new(script.history.clone());
    let (mut surviving, mut revisions) = (Vec::new(), Vec::new());
    let instruments: Vec<_> =
        script.records().iter().map(|record| record.event.instrument()).collect();
    for commit in &script.commits {
        revisions.push(fold.commit(commit).revisions);
        surviving.push(instruments.iter().map(|id| (*id, fold.surviving(*id))).collect());
    }
    Told { rows: cores(&script), script, surviving, revisions }
}

impl Told {
    fn question(&self, key: &CandleKey, spec: InstrumentSpec, end: EventTime) -> BarQuestion<'_> {
        let history = &self.script.history;
        BarQuestion {
            instrument: key.instrument,
            open: key.open_time,
            end,
            calendar: history.calendars.get(spec.calendar),
            base: history.timeframes[0],
            correction_horizon: history.correction_horizon,
        }
    }

    /// The records of a bar, from commit `from` on; `left_out` leaves some out.
    fn records(
        &self,
        question: &BarQuestion<'_>,
        from: usize,
        left_out: impl Fn(&LoggedRecord) -> bool,
    ) -> BarRecords {
        let commits = || (0_u64..).zip(&self.rows).skip(from);
        let mut related = RelatedIds::default();
        for (_, rows) in commits() {
            rows.emitted.iter().for_each(|event| related.look_at(question, event).unwrap());
        }
        let (related, mut records) = (related.closed(), BarRecords::default());
        for (commit, rows) in commits() {
            for event in &rows.emitted {
                let record = LoggedRecord { commit: Commit(commit), event: *event };
                if !left_out(&record) {
                    records.take(question, &related, record).unwrap();
                }
            }
            rows.conflicts.iter().for_each(|copy| records.take_copy(&related, copy));
        }
        records
    }

    /// The trades that show in a bar after a commit, in a fixed order.
    fn shown(&self, commit: usize, key: &CandleKey, end: EventTime) -> Vec<Trade> {
        let calendars = &self.script.history.calendars;
        let mut own = self.surviving[commit][&key.instrument].clone();
        own.retain(|trade| {
            let at = counted(trade, calendars).time;
            key.open_time <= at && at < end && !trade.updates.is_nothing()
        });
        own.sort();
        own
    }
}

fn listed(trades: &BarTrades) -> Vec<Trade> {
    let mut own: Vec<Trade> = trades.trades.iter().map(|counted| counted.trade).collect();
    own.sort();
    own
}

/// The commit whose end a row of a timeframe shows at the end of `commit`: its own, or that of the last round.
fn as_of(told: &Told, commit: usize, timeframe: Timeframe) -> Option<usize> {
    if timeframe == told.script.history.timeframes[0] {
        return Some(commit);
    }
    (0..=commit).rev().find(|commit| told.script.commits[*commit].round)
}

#[test]
fn the_trades_of_each_bar_are_those_of_the_oracle() {
    let (mut bars, mut removed, mut corrected) = (0, [0; 4], 0);
    for seed in 0..10 {
        let shape = Shape { instruments: 3, records_per_commit: 30, ..Shape::default() };
        let told = told(seed, &shape);
        let last = told.rows.len() - 1;
        for commit in [last / 3, last / 2, last] {
            for (key, candle) in &told.rows[commit].candles {
                let (spec, end) = (candle.bar.spec, candle.bar.end_time);
                let question = told.question(key, spec, end);
                let records = told.records(&question, 0, |_| false);
                let through = as_of(&told, commit, key.timeframe).expect("a row is of a round");
                let trades = records.explain(&question, Commit(through as u64));
                let place = format!("seed {seed}, commit {commit}, {key:?}");
                assert_eq!(listed(&trades), told.shown(through, key, end), "{place}");
                assert_eq!(trades.fold(spec, end), Some(candle.bar), "{place}: adds up");
                bars += 1;
                corrected += trades.trades.iter().filter(|one| one.correction.is_some()).count();
                for gone in &trades.removed {
                    let kinds = ["cancelled", "moved", "joined", "updates_nothing"];
                    let name = gone.removal.name();
                    removed[kinds.iter().position(|kind| *kind == name).unwrap()] += 1;
                    let is_told = gone.by.is_some() || gone.removal == Removal::UpdatesNothing;
                    assert!(is_told, "{place}: {gone:?}");
                }
            }
        }
    }
    assert!(bars > 300 && corrected > 20, "{bars} bars, {corrected} corrected trades");
    assert!(removed.iter().all(|kind| *kind > 0), "{removed:?}");
}

#[test]
fn what_changed_a_final_bar_is_named() {
    let mut revisions = 0;
    for seed in 100..112 {
        let shape = Shape { instruments: 3, records_per_commit: 30, ..Shape::default() };
        let told = told(seed, &shape);
        let base = told.script.history.timeframes[0];
        for (commit, rows) in told.revisions.iter().enumerate() {
            for row in rows.iter().filter(|row| row.key.timeframe == base) {
                let bar = row.after.or(row.before).expect("one of both differs");
                let question = told.question(&row.key, bar.spec, bar.end_time);
                let records = told.records(&question, 0, |_| false);
                let trades = records.explain(&question, Commit(commit as u64));
                let own = trades.effects.iter().filter(|effect| effect.commit == row.commit);
                let strongest = own.map(|effect| effect.cause).reduce(market::Cause::stronger);
                assert_eq!(strongest, Some(row.cause), "seed {seed}, {row:?}");
                let fold = |through| {
                    let then = records.explain(&question, Commit(through));
                    then.fold(bar.spec, bar.end_time)
                };
                assert_eq!(fold(commit as u64), row.after.as_ref().map(Bar::shown));
                assert_eq!(fold(commit as u64 - 1), row.before.as_ref().map(Bar::shown));
                revisions += 1;
            }
        }
    }
    assert!(revisions > 20, "{revisions}");
}

/// A trade that is left out of the log does not go unnoticed.
#[test]
fn a_trade_less_does_not_add_up() {
    let mut tried = 0;
    for seed in 200..210 {
        let told = told(seed, &Shape { instruments: 2, ..Shape::default() });
        let last = told.rows.len() - 1;
        let base = told.script.history.timeframes[0];
        for (key, candle) in told.rows[last].candles.iter().filter(|(key, _)| key.timeframe == base)
        {
            let (spec, end) = (candle.bar.spec, candle.bar.end_time);
            let question = told.question(key, spec, end);
            let through = Commit(last as u64);
            let whole = told.records(&question, 0, |_| false).explain(&question, through);
            // A print without volume between the extremes leaves no trace in a bar.
            let has_volume = |one: &&CountedTrade| one.trade.updates.has(Updates::VOLUME);
            let Some(first) = whole.trades.iter().find(has_volume).map(|one| one.report) else {
                continue;
            };
            let one_less = told.records(&question, 0, |record| *record == first);
            let one_less = one_less.explain(&question, through);
            // Another copy may have come of it that counts then, and looks alike.
            if listed(&one_less).len() < listed(&whole).len() {
                assert_ne!(one_less.fold(spec, end), Some(candle.bar), "seed {seed}, {key:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried}");
}

/// Each trade of the list is what the record says that it names.
#[test]
fn records_are_those_of_the_input() {
    let told = told(300, &Shape::default());
    let input: BTreeMap<_, Record> =
        told.script.records().into_iter().map(|record| (record.origin, record)).collect();
    let mut trades = 0;
    for (key, candle) in &told.rows[told.rows.len() - 1].candles {
        let question = told.question(key, candle.bar.spec, candle.bar.end_time);
        let records = told.records(&question, 0, |_| false);
        for one in records.explain(&question, Commit(u64::MAX)).trades {
            let record = input[&one.correction.unwrap_or(one.report).event.origin];
            let named = match record.event {
                Event::New(trade) | Event::Correct { with: trade, .. } => Some(trade),
                Event::Cancel { .. } => None,
            };
            assert_eq!(named, Some(one.trade));
            trades += 1;
        }
    }
    assert!(trades > 100, "{trades}");
}
