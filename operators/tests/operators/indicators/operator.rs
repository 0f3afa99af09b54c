//! The indicators behind the ledger and the roll-ups: as pure cores, and under timely on several workers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{BarState, CandleKey, InstrumentId, Timeframe};
use operators::IndicatorsConfig;
use oracle::commits::Fold;
use oracle::random::{Script, Shape, random};

use super::bars::{Bars, Dice, Numbers, assert_as_defined, random_config};
use crate::harness::{Rows, Saving, cores_with_indicators, run_under_timely_with_indicators};

type Lines = BTreeMap<(InstrumentId, Timeframe), Bars>;

fn config(seed: u64, script: &Script) -> Arc<IndicatorsConfig> {
    random_config(&mut Dice(seed), &script.history.calendars)
}

/// The oracle's candles after each round, without partial bars, by line; none for a commit that ends no round.
fn lines(script: &Script) -> Vec<Option<Lines>> {
    let mut fold = Fold::new(script.history.clone());
    let after = script.commits.iter().map(|commit| {
        let candles = fold.commit(commit).candles;
        let mut lines = Lines::new();
        let whole = candles.into_iter().filter(|(_, candle)| candle.state != BarState::Partial);
        for (CandleKey { instrument, timeframe, open_time }, candle) in whole {
            lines.entry((instrument, timeframe)).or_default().insert(open_time, candle);
        }
        commit.round.then_some(lines)
    });
    after.collect()
}

fn assert_same(seed: u64, config: &IndicatorsConfig, got: &[Rows], want: &[Option<Lines>]) {
    assert_eq!(got.len(), want.len());
    let mut before = &Numbers::new();
    for (commit, (got, want)) in got.iter().zip(want).enumerate() {
        let place = format!("seed {seed}, commit {commit}");
        match want {
            Some(lines) => {
                for (line, bars) in lines {
                    assert_as_defined(&place, config, *line, bars, &got.numbers);
                }
                let lines: BTreeSet<_> = lines.keys().copied().collect();
                let of = |line| lines.contains(&line);
                let strange =
                    got.numbers.keys().find(|(key, _)| !of((key.instrument, key.timeframe)));
                assert_eq!(strange, None, "{place}: a number without a bar");
            }
            None if commit > 0 => assert_eq!(&got.numbers, before, "{place}: between rounds"),
            None => assert!(got.numbers.is_empty() || before.is_empty(), "{place}"),
        }
        before = &got.numbers;
    }
}

#[test]
fn pure_cores_say_what_the_definitions_say_of_the_oracles_candles_at_every_round() {
    for seed in 0..12 {
        let shape = Shape { instruments: 5, ..Shape::default() };
        let script = random(seed, &shape);
        let config = config(seed, &script);
        let got = cores_with_indicators(&script, &config);
        assert_same(seed, &config, &got, &lines(&script));
        let numbers = got.last().map_or(0, |rows| rows.numbers.len());
        assert!(numbers > 100, "seed {seed} gave {numbers} numbers");
    }
}

#[test]
fn one_to_three_workers_say_the_same_and_go_on_from_saved_states() {
    for seed in 500..503 {
        let script = random(seed, &Shape { instruments: 12, ..Shape::default() });
        let config = config(seed, &script);
        let want = cores_with_indicators(&script, &config);
        let numbers =
            |rows: &[Rows]| rows.iter().map(|rows| rows.numbers.clone()).collect::<Vec<_>>();
        let want = numbers(&want);
        for workers in 1..=3 {
            let at = (seed as usize * 7 + workers) % (script.commits.len() - 1);
            let saving = Saving::from(at, seed + workers as u64, script.commits.len());
            let save = Some(saving);
            let run = run_under_timely_with_indicators(&script, workers, save, seed, &config);
            assert!(numbers(&run.rows) == want, "seed {seed}, {workers} workers");
            let run = run.restored_on(&script, 1 + workers % 3, seed);
            assert!(numbers(&run.rows) == want[saving.last() + 1..], "seed {seed}, {saving:?}");
        }
    }
}
