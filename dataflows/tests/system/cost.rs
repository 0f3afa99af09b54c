//! The job as one plain loop and the engine come to the same rows: bars, indicators, positions, portfolios.

use dataflows::bench::compare;
use dataflows::workload::{Ids, Workload};

/// A small market in which much is amended.
fn workload(seed: u64) -> Workload {
    Workload {
        seed,
        rows: 30_000,
        symbols: 23,
        duplicates: 0.05,
        late: 0.05,
        late_by: 400_000_000_000,
        corrections: 0.05,
        cancels: 0.05,
        ..Workload::default()
    }
}

#[test]
fn the_plain_loop_and_the_engine_agree() {
    let hashed = Workload { ids: Ids::Hashed, hot: Some(0.5), ..workload(2) };
    for (workload, workers) in [(workload(1), 1), (hashed, 2), (workload(3), 3)] {
        let (_, _, wrong) = compare(&workload, workers, true).unwrap();
        assert!(
            wrong.is_empty(),
            "{} rows differ: {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
    }
}
