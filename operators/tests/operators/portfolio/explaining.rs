//! Explanations of positions: the fills behind each, what changed it, and what that made of its profit.

use std::collections::BTreeMap;

use market::{Candle, CandleKey, Commit, InstrumentId, Price};
use operators::Core;
use operators::portfolio::explain::{
    LoggedFill, PositionFills, PositionQuestion, PositionRecords, mark_effect,
};
use operators::portfolio::{Fills, FillsOut, PortfolioConfig, Position, PositionKey};
use oracle::portfolio::random::{Shape, random};

use super::stage::{Manner, Rows, Script, config, context, play};

/// What a job has logged and shown.
struct Told {
    script: Script,
    config: PortfolioConfig,
    log: Vec<LoggedFill>,
    rows: Vec<Rows>,
    /// By commit: the marks at the end of the last round.
    marks: Vec<BTreeMap<InstrumentId, Price>>,
}

fn told(seed: u64) -> Told {
    let script = random(seed, &Shape { extremes: seed % 5 == 4, ..Shape::default() });
    let config = config(&script);
    let mut fills = Fills::new(config.ids_by_side).emitting_accepted(true);
    let (mut log, mut marks) = (Vec::new(), Vec::new());
    let (mut bars, mut now) = (BTreeMap::<CandleKey, Candle>::new(), BTreeMap::new());
    for (number, commit) in script.commits.iter().enumerate() {
        let mut out = Vec::new();
        fills.commit(
            &context(&script.commits, number, None),
            &mut commit.records.clone(),
            &mut out,
        );
        log.extend(out.into_iter().filter_map(|out| match out {
            FillsOut::Accepted(record) => {
                Some(LoggedFill { commit: Commit(number as u64), record: *record })
            }
            FillsOut::Line { .. } | FillsOut::Fault(_) => None,
        }));
        for (key, candle) in &commit.bars {
            match candle {
                Some(candle) => bars.insert(*key, *candle),
                None => bars.remove(key),
            };
        }
        if commit.round {
            let base = bars.iter().filter(|(key, _)| key.timeframe == config.base);
            let closes = base.filter_map(|(key, candle)| {
                Some((key.instrument, candle.bar.close.map(|(_, price)| price)?))
            });
            now = closes.collect(); // of one instrument the last remains
        }
        marks.push(now.clone());
    }
    let rows = play(&script, Manner { seed, ..Manner::on(1) }).rows;
    Told { script, config, log, rows, marks }
}

impl Told {
    fn question(&self, key: &PositionKey) -> PositionQuestion<'_> {
        let PositionKey { portfolio, instrument } = *key;
        PositionQuestion { portfolio, instrument, config: &self.config }
    }

    fn records(
        &self,
        key: &PositionKey,
        left_out: impl Fn(&LoggedFill) -> bool,
    ) -> PositionRecords {
        let (question, mut records) = (self.question(key), PositionRecords::default());
        self.log.iter().for_each(|logged| records.look_at(&question, &logged.record).unwrap());
        let kept = self.log.iter().filter(|logged| !left_out(logged));
        kept.for_each(|logged| records.take(&question, *logged).unwrap());
        records
    }

    /// The rounds: the commits that end one.
    fn rounds(&self) -> Vec<usize> {
        let commits = self.script.commits.iter().enumerate();
        commits.filter(|(_, commit)| commit.round).map(|(number, _)| number).collect()
    }

    fn made(&self, key: &PositionKey, commit: usize, fills: &PositionFills) -> Option<Position> {
        let marks = &self.marks[commit];
        let mark = |instrument: InstrumentId| marks.get(&instrument).copied();
        let (contract, held) = (fills.contract()?, fills.held.as_ref()?);
        self.question(key).value(contract, held, mark(key.instrument), mark)
    }
}

#[test]
fn fills_marks_and_rates_make_exactly_the_row() {
    let (mut positions, mut removed, mut corrected, mut moved) = (0, 0, 0, 0);
    for seed in 0..12 {
        let told = told(seed);
        for commit in told.rounds().into_iter().rev().step_by(3) {
            for (key, row) in &told.rows[commit].positions {
                let fills = told.records(key, |_| false);
                let fills = fills.explain(&told.question(key), Commit(commit as u64));
                let place = format!("seed {seed}, commit {commit}, {key:?}");
                assert_eq!(told.made(key, commit, &fills), Some(*row), "{place}");
                assert_eq!(row.fills, fills.fills.len() as u64, "{place}");
                let realised: i128 = fills.fills.iter().map(|one| one.realised).sum();
                assert_eq!(realised, row.realised, "{place}");
                let last = fills.fills.last().unwrap();
                assert_eq!((last.quantity_after, last.basis_after), (row.quantity, row.basis));
                positions += 1;
                corrected += fills.fills.iter().filter(|one| one.correction.is_some()).count();
                removed += fills.removed.iter().filter(|gone| gone.by.is_some()).count();
                moved += fills.removed.iter().filter(|gone| gone.moved_to.is_some()).count();
            }
        }
    }
    assert!(
        positions > 100 && corrected > 10,
        "{positions} positions, {corrected} corrected fills"
    );
    assert!(removed > 10 && moved > 0, "{removed} removed, {moved} of them moved");
}

#[test]
fn what_changed_comes_to_the_change_of_profit() {
    let mut compared = 0;
    for seed in 20..32 {
        let told = told(seed);
        let rounds = told.rounds();
        let (then, now) = (rounds[rounds.len() / 2], rounds[rounds.len() - 1]);
        for (key, row) in &told.rows[now].positions {
            let (question, records) = (told.question(key), told.records(key, |_| false));
            let fills = records.explain(&question, Commit(now as u64));
            let at = Commit(then as u64);
            let was = records.explain(&question, at);
            let before = told.rows[then].positions.get(key);
            let changes = fills.changes_since(&records, (&was, at), row.mark);
            let is_named = |change: &operators::portfolio::explain::FillChange| {
                change.by.is_some_and(|by| by.commit > at)
            };
            assert!(changes.iter().all(is_named), "seed {seed}, {key:?}: {changes:?}");
            let profit = |row: &Position| row.realised.checked_add(row.unrealised?);
            let was = before.map_or(Some(0), profit);
            let held = before.map_or(0, |row| row.quantity);
            let marks = (before.and_then(|row| row.mark), row.mark);
            let by_mark = mark_effect(row.contract, held, marks);
            let by_fills = changes.iter().try_fold(0_i128, |sum, one| sum.checked_add(one.profit?));
            if let (Some(is), Some(was), Some(by_mark), Some(by_fills)) =
                (profit(row), was, by_mark, by_fills)
            {
                assert_eq!(was + by_fills + by_mark, is, "seed {seed}, {key:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn a_fill_less_does_not_add_up() {
    let mut tried = 0;
    for seed in 40..46 {
        let told = told(seed);
        let now = *told.rounds().last().unwrap();
        for (key, row) in &told.rows[now].positions {
            let (question, at) = (told.question(key), Commit(now as u64));
            let whole = told.records(key, |_| false).explain(&question, at);
            let first = whole.fills[0].report;
            let less = told.records(key, |logged| *logged == first).explain(&question, at);
            if less.fills.len() < whole.fills.len() {
                assert_ne!(told.made(key, now, &less), Some(*row), "seed {seed}, {key:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 10, "{tried}");
}
