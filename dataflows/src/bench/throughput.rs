//! Ticks per second of the whole job, fed from memory through the handover, beside the plain loop.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::bail;
use market::CandleKey;

use super::clocks::quantile;
use super::rig::{Batches, COMMIT_ROWS, Job, config, start};
use super::{Asked, Figures, Measurement, differences};
use crate::run::Wishes;
use crate::workload::Workload;

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "throughput",
    doc: "ticks per second, in memory: deduplication, six timeframes, five indicators and portfolios, \
          beside the same job as one plain loop",
    run: measure,
};

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let workload = Workload {
        rows: asked.rows,
        seed: asked.seed,
        corrections: 0.001,
        cancels: 0.001,
        ..Workload::default()
    };
    let mut plain = Vec::new();
    let mut engine: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for repeat in 0..asked.repeats.max(1) {
        for workers in 1..=asked.workers.max(1) {
            let (of_loop, of_engine, wrong) = compare(&workload, workers, repeat == 0)?;
            if let Some(wrong) = wrong.first() {
                bail!("the loop and {workers} workers do not agree, on {wrong:?} for one");
            }
            plain.push(of_loop);
            engine.entry(workers).or_default().push(of_engine);
        }
    }
    let plain = quantile(&mut plain, 0.5);
    let by: BTreeMap<usize, f64> =
        engine.into_iter().map(|(workers, mut runs)| (workers, quantile(&mut runs, 0.5))).collect();
    eprintln!("throughput, million ticks/s\n  plain loop {:>8.3}", plain / 1e6);
    for (workers, ticks) in &by {
        let ratio = ticks / plain;
        eprintln!("  {workers} workers  {:>8.3}   {ratio:.2} × the loop", ticks / 1e6);
        let name = if *workers == 1 { "worker" } else { "workers" };
        figures.tell(&format!("cost_ratio_{workers}_{name}"), ratio);
    }
    figures.by_workers("ticks_per_s", &by);
    figures.tell("cost_loop_ticks_per_s", plain);
    Ok(())
}

/// Rows per second of the plain loop and of the engine on a workload, and where their final rows differ if that is
/// asked for.
pub fn compare(
    workload: &Workload,
    workers: usize,
    looks: bool,
) -> anyhow::Result<(f64, f64, Vec<CandleKey>)> {
    let config = config(Job::J3, workers, "")?;
    let batches = Batches::of(workload, Job::J3, COMMIT_ROWS, &config)?;
    let mut plain = Job::J3.cost_loop(&batches.accounts)?;
    let begun = Instant::now();
    for (_, records) in &batches.commits {
        plain.commit(records);
    }
    let of_loop = batches.rows as f64 / begun.elapsed().as_secs_f64();
    if !looks {
        drop(std::mem::replace(&mut plain, Job::J3.cost_loop(&[])?));
    }

    let sealed = batches.sealed();
    let (started, reader) = start(&config)?;
    let mut of_engine = 0.0;
    started.drive(&Wishes::default(), |handover| {
        let begun = Instant::now();
        for sealed in sealed {
            handover.hand_over(sealed)?;
        }
        handover.drain()?;
        of_engine = batches.rows as f64 / begun.elapsed().as_secs_f64();
        Ok(true)
    })?;
    let wrong = if looks { differences(&reader, &config.catalog, &plain)? } else { Vec::new() };
    Ok((of_loop, of_engine, wrong))
}
