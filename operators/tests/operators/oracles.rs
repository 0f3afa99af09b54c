//! The operators beside the slow oracles, commit by commit.

use std::collections::BTreeMap;

use super::harness::{Rows, Saving, cores, run_under_timely};
use market::AcceptedEvent;
use oracle::commits::{Fold, Output};
use oracle::gaps::of_set;
use oracle::random::{Script, Shape, random, rebatch, shuffle};
use oracle::set::value_bars;

/// The oracle's output after each commit.
fn folded(script: &Script) -> Vec<Output> {
    let mut fold = Fold::new(script.history.clone());
    script.commits.iter().map(|commit| fold.commit(commit)).collect()
}

fn assert_same(seed: u64, got: &[Rows], want: &[Output]) {
    assert_eq!(got.len(), want.len());
    for (commit, (got, want)) in got.iter().zip(want).enumerate() {
        let place = format!("seed {seed}, commit {commit}");
        for (key, candle) in &want.candles {
            assert_eq!(got.candles.get(key), Some(candle), "{place}: {key:?}");
        }
        assert_eq!(got.candles, want.candles, "{place}: rows that should not be there");
        assert_eq!(got.gaps, want.gaps, "{place}: gaps");
        assert_eq!(got.conflicts, want.conflicts, "{place}: conflicts");
        assert_eq!(got.too_late, want.too_late, "{place}: too late");
        assert_eq!(got.unmatched, want.unmatched, "{place}: unmatched");
        assert_eq!(got.revisions, want.revisions, "{place}: revisions");
        assert_eq!(got.outliers, want.outliers, "{place}: outliers");
        let emitted = want.accepted.iter().map(|(record, at)| AcceptedEvent::of(record, *at));
        let emitted: Vec<_> = emitted.collect();
        assert_eq!(got.emitted, emitted, "{place}: what was accepted");
    }
}

#[test]
fn pure_cores_say_what_the_oracle_says_after_every_commit() {
    for seed in 0..60 {
        let script = random(seed, &Shape::default());
        assert_same(seed, &cores(&script), &folded(&script));
    }
}

#[test]
fn a_few_instruments_with_much_happening_to_each() {
    for seed in 100..130 {
        let shape = Shape { instruments: 3, records_per_commit: 30, ..Shape::default() };
        let script = random(seed, &shape);
        assert_same(seed, &cores(&script), &folded(&script));
    }
}

#[test]
fn one_to_three_workers_say_what_the_oracle_says_after_every_commit() {
    for seed in 200..206 {
        let script = random(seed, &Shape::default());
        let want = folded(&script);
        for workers in 1..=3 {
            let run = run_under_timely(&script, workers, None, seed);
            assert!(run.keys_held.iter().all(|keys| *keys > 0), "a worker held nothing: {run:?}");
            assert_same(seed, &run.rows, &want);
        }
    }
}

#[test]
fn value_columns_are_a_function_of_the_set_of_records() {
    for seed in 300..312 {
        let shape = Shape { horizons: false, ..Shape::default() };
        let script = random(seed, &shape);
        let records = shuffle(&script.records(), seed);
        let want = value_bars(&records, &script.history.timeframes, &script.history.calendars);
        let gaps = of_set(&records);
        for (turn, script) in [script.clone(), rebatch(&script, seed), rebatch(&script, seed + 1)]
            .into_iter()
            .enumerate()
        {
            let workers = 1 + turn % 3;
            let run = run_under_timely(&script, workers, None, seed);
            let last = run.rows.last().expect("scripts have commits");
            let got: BTreeMap<_, _> =
                last.candles.iter().map(|(key, candle)| (*key, candle.bar)).collect();
            assert_eq!(got, want, "seed {seed}, batching {turn}, {workers} workers");
            assert_eq!(last.gaps, gaps, "seed {seed}, batching {turn}, {workers} workers");
        }
    }
}

#[test]
fn state_saved_at_any_commit_goes_on_at_another_number_of_workers() {
    for seed in 400..406 {
        let script = random(seed, &Shape::default());
        let want = folded(&script);
        let at = (seed as usize * 7) % (script.commits.len() - 1);
        for (before, after) in [(1, 3), (2, 1), (3, 2)] {
            let saving = Saving::from(at, seed + before as u64, script.commits.len());
            let first = run_under_timely(&script, before, Some(saving), seed);
            let run = first.restored_on(&script, after, seed);
            assert_same(seed, &run.rows, &want[saving.last() + 1..]);
        }
    }
}
