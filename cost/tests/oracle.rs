//! The loop beside the oracle over the set of records: same trades, same bars.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use cost::Loop;
use market::{Bar, CandleKey, Event, Record};
use oracle::random::{Shape, random, shuffle};
use oracle::set::value_bars;

/// Only instruments of the first calendar, which is UTC.
fn in_utc(records: &[Record]) -> Vec<Record> {
    let utc = |record: &&Record| match record.event {
        Event::New(trade) | Event::Correct { with: trade, .. } => {
            trade.spec.calendar == market::CalendarId(0)
        }
        Event::Cancel { .. } => true,
    };
    records.iter().filter(utc).copied().collect()
}

#[test]
fn bars_are_those_of_the_definition_after_every_commit() {
    let (mut bars, mut amended) = (0, 0);
    for seed in 0..60 {
        let shape = Shape { instruments: 12, horizons: false, ..Shape::default() };
        let script = random(seed, &shape);
        // The loop has no bars longer than a day, and none that are no union of shorter ones.
        let mut timeframes = Vec::new();
        for timeframe in &script.history.timeframes {
            timeframes.push(*timeframe);
            if Loop::new(&timeframes).is_err() {
                timeframes.pop();
            }
        }
        let timeframes = &timeframes;
        let mut job = Loop::new(timeframes).unwrap();
        let mut known = Vec::new();
        let mut rows: BTreeMap<CandleKey, Bar> = BTreeMap::new();
        for (number, commit) in script.commits.iter().enumerate() {
            let records = in_utc(&commit.records);
            amended += records.iter().filter(|r| !matches!(r.event, Event::New(_))).count();
            job.commit(&records);
            known.extend(records);
            for (key, before, after) in &job.changes.candles {
                assert_eq!(rows.get(key), before.as_ref(), "seed {seed}, commit {number}");
                match after {
                    Some(after) => rows.insert(*key, *after),
                    None => rows.remove(key),
                };
            }
            if number % 8 == 7 || number + 1 == script.commits.len() {
                let want = value_bars(&known, timeframes, &script.history.calendars);
                assert_eq!(rows, want, "seed {seed}, commit {number}");
                bars += want.len();
            }
        }
        let views: BTreeMap<_, _> = job.views.candles.iter().map(|(k, bar)| (*k, *bar)).collect();
        assert_eq!(views, rows);

        let mut again = Loop::new(timeframes).unwrap();
        shuffle(&known, seed).chunks(17).for_each(|records| again.commit(records));
        let again: BTreeMap<_, _> = again.views.candles.iter().map(|(k, b)| (*k, *b)).collect();
        assert_eq!(again, rows, "seed {seed}, in another order");
    }
    assert!(bars > 10_000 && amended > 5_000, "{bars} bars, {amended} amendments");
}
