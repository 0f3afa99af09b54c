//! The operators beside the slow oracle, at every commit of random scripts.

use std::collections::BTreeMap;

use market::PortfolioId;
use oracle::portfolio::commits::{Fold, Output};
use oracle::portfolio::random::{Script, Shape, random, rebatch};
use oracle::portfolio::{Measures, RiskRow, Tables};

use super::super::harness::Saving;
use super::stage::{Manner, Rows, play};

type RiskRows = BTreeMap<PortfolioId, RiskRow>;

/// The oracle's output after each commit.
fn folded(script: &Script) -> Vec<Output> {
    let mut fold = Fold::new(script.config.clone());
    script.commits.iter().map(|commit| fold.commit(commit)).collect()
}

/// Whether the operators emitted what the oracle does, commit by commit.
pub(super) fn assert_same(place: &str, got: &[Rows], want: &[Output]) {
    assert_eq!(got.len(), want.len());
    for (commit, (got, want)) in got.iter().zip(want).enumerate() {
        let place = format!("{place}, commit {commit}");
        let got = got.output();
        assert_eq!(got.fill_faults, want.fill_faults, "{place}: faults");
        same_tables(&place, &got.tables, &want.tables);
    }
}

fn same_tables(place: &str, got: &Tables, want: &Tables) {
    each_same(&format!("{place}: positions"), &got.positions, &want.positions);
    each_same(&format!("{place}: fees"), &got.fees, &want.fees);
    each_same(&format!("{place}: portfolios"), &got.portfolios, &want.portfolios);
    each_same(&format!("{place}: drift"), &got.drift, &want.drift);
    each_same(&format!("{place}: edges"), &got.edges, &want.edges);
    each_same(&format!("{place}: risk"), &got.risk, &alike(&got.risk, &want.risk));
}

/// The oracle's risk with our `var_parametric` where it is nearly its own: its quantiles are right to ten
/// digits, and everything else to the last bit.
fn alike(got: &RiskRows, want: &RiskRows) -> RiskRows {
    let alike = |got: Option<&Measures>, want: &mut Measures| {
        let ours = got.and_then(|got| got.var_parametric);
        if let Some((ours, theirs)) = ours.zip(want.var_parametric)
            && (ours - theirs).abs() <= 1e-9 * theirs.abs()
        {
            want.var_parametric = Some(ours);
        }
    };
    let mut want = want.clone();
    for (portfolio, row) in &mut want {
        let got = got.get(portfolio);
        alike(got.map(|got| &got.portfolio), &mut row.portfolio);
        for (instrument, measures) in &mut row.positions {
            alike(got.and_then(|got| got.positions.get(instrument)), measures);
        }
    }
    want
}

fn each_same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    place: &str,
    got: &BTreeMap<K, V>,
    want: &BTreeMap<K, V>,
) {
    for (key, want) in want {
        assert_eq!(got.get(key), Some(want), "{place}: {key:?}");
    }
    assert_eq!(got.len(), want.len(), "{place}: rows that should not be there");
}

#[test]
fn one_to_three_workers_say_what_the_oracle_says_after_every_commit() {
    for seed in 0..24 {
        let extremes = seed % 4 == 3;
        let script = random(seed, &Shape { extremes, ..Shape::default() });
        let want = folded(&script);
        let workers = 1 + seed as usize % 3;
        let played = play(&script, Manner { seed, ..Manner::on(workers) });
        assert_same(&format!("seed {seed}, {workers} workers"), &played.rows, &want);
    }
}

#[test]
fn what_shows_in_the_end_does_not_depend_on_commits_and_order() {
    for seed in 100..108 {
        let script = random(seed, &Shape { extremes: seed % 2 == 1, ..Shape::default() });
        let want = folded(&script).pop().expect("scripts have commits").tables;
        for (turn, script) in
            [rebatch(&script, seed), rebatch(&script, seed + 1)].iter().enumerate()
        {
            let workers = 1 + turn * 2;
            let played = play(script, Manner { seed, ..Manner::on(workers) });
            let last = played.rows.last().expect("scripts have commits").output();
            same_tables(&format!("seed {seed}, batching {turn}"), &last.tables, &want);
        }
    }
}

#[test]
fn states_saved_at_any_commit_go_on_at_another_number_of_workers() {
    for seed in 200..208 {
        let script = random(seed, &Shape::default());
        let want = folded(&script);
        let at = (seed as usize * 7) % (script.commits.len() - 1);
        for (before, after) in [(1, 3), (3, 2)] {
            let saving = Saving::from(at, seed, script.commits.len());
            let first = play(&script, Manner { workers: before, seed, save: Some(saving) });
            let played = first.go_on(&script, saving, Manner { seed, ..Manner::on(after) });
            let place = format!("seed {seed}, {saving:?}, {before} and {after} workers");
            same_tables(&place, &played.restored.output().tables, &want[saving.last()].tables);
            assert_same(&place, &played.rows, &want[saving.last() + 1..]);
        }
    }
}
