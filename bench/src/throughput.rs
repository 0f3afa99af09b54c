//! Ticks per second of the whole job, fed from memory through the dispatcher, beside the plain loop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use market::CandleKey;

use super::clocks::{of_process, quantile};
use super::rig::{Batches, BenchJob, COMMIT_ROWS, config, start};
use super::{Asked, Figures, Measurement, differences};
use dataflows::run::RunOptions;
use workload::Workload;

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "throughput",
    doc: "ticks per second, in memory: deduplication, six timeframes, five indicators and portfolios, \
          beside the same job as one plain loop",
    by_default: true,
    run: measure,
};

/// What came of a workload.
pub struct Compared {
    /// Of the plain loop.
    pub plain: Pass,
    /// Of the engine.
    pub engine: Pass,
    /// Of all commits, how many bars each changed.
    pub changed: usize,
    /// The bars at which their final rows differ, if that was looked at.
    pub wrong: Vec<CandleKey>,
}

/// One pass over a workload.
#[derive(Clone, Copy)]
pub struct Pass {
    /// Rows per second.
    pub rate: f64,
    /// CPU time of the process per row in nanoseconds; more reliable on a busy machine.
    pub cpu_ns: f64,
}

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let workload = Workload {
        rows: asked.rows,
        seed: asked.seed,
        corrections: 0.001,
        cancels: 0.001,
        ..Workload::default()
    };
    let mut plain = Vec::new();
    let mut engine: BTreeMap<usize, Vec<Pass>> = BTreeMap::new();
    for repeat in 0..asked.repeats.max(1) {
        for workers in 1..=asked.workers.max(1) {
            let compared = compare(&workload, workers, repeat == 0)?;
            if let Some(wrong) = compared.wrong.first() {
                bail!("the loop and {workers} workers do not agree, on {wrong:?} for one");
            }
            plain.push(compared.plain);
            engine.entry(workers).or_default().push(compared.engine);
        }
    }
    let median = |passes: &[Pass], of: fn(&Pass) -> f64| {
        quantile(&mut passes.iter().map(of).collect::<Vec<_>>(), 0.5)
    };
    let rate = |passes: &[Pass]| median(passes, |pass| pass.rate);
    let cpu = |passes: &[Pass]| median(passes, |pass| pass.cpu_ns);
    say!("throughput           million ticks/s      CPU ns a tick");
    say!("  plain loop {:>20.3} {:>18.0}", rate(&plain) / 1e6, cpu(&plain));
    let (mut rates, mut cpus) = (BTreeMap::new(), BTreeMap::new());
    for (workers, passes) in &engine {
        let ratio = rate(passes) / rate(&plain);
        let of_cpu = cpu(&plain) / cpu(passes);
        say!(
            "  {workers} workers  {:>20.3} {:>18.0}   {ratio:.2} × the loop; by CPU {of_cpu:.2}",
            rate(passes) / 1e6,
            cpu(passes)
        );
        let name = if *workers == 1 { "worker" } else { "workers" };
        figures.report(&format!("cost_ratio_{workers}_{name}"), ratio);
        figures.report(&format!("cost_cpu_ratio_{workers}_{name}"), of_cpu);
        rates.insert(*workers, rate(passes));
        cpus.insert(*workers, cpu(passes));
    }
    figures.by_workers("ticks_per_s", &rates);
    figures.by_workers("cpu_ns_per_tick", &cpus);
    figures.report("cost_loop_ticks_per_s", rate(&plain));
    figures.report("cost_loop_cpu_ns_per_tick", cpu(&plain));
    Ok(())
}

/// The plain loop and the engine on a workload; `looks` at whether their final rows are the same.
pub fn compare(workload: &Workload, workers: usize, looks: bool) -> anyhow::Result<Compared> {
    compare_job(BenchJob::J3, workload, workers, looks)
}

/// The same of any job.
pub(super) fn compare_job(
    computed: BenchJob,
    workload: &Workload,
    workers: usize,
    looks: bool,
) -> anyhow::Result<Compared> {
    let config = config(computed, workers, "")?;
    let batches = Batches::of(workload, computed, COMMIT_ROWS, &config)?;
    let rows = batches.rows as f64;
    let mut job = computed.cost_loop(&batches.accounts)?;
    let watch = Watch::start();
    let mut changed = 0;
    for (_, records) in &batches.commits {
        job.commit(records);
        changed += job.changes.candles.len();
    }
    let plain = watch.pass(rows);
    let plain_job = looks.then_some(job);

    let closed = batches.closed();
    drop(batches);
    let (job, reader) = start(&config)?;
    let mut engine = None;
    job.sequence(&RunOptions::default(), |dispatcher| {
        let watch = Watch::start();
        for closed in closed {
            dispatcher.dispatch(closed)?;
        }
        dispatcher.drain()?;
        engine = Some(watch.pass(rows));
        Ok(true)
    })?;
    let engine = engine.context("nothing was handed over")?;
    let wrong = match &plain_job {
        Some(job) => differences(&reader, &config.catalog, job)?,
        None => Vec::new(),
    };
    Ok(Compared { plain, engine, changed, wrong })
}

/// Time and CPU time of the process, from a beginning.
struct Watch {
    begun: Instant,
    cpu: Duration,
}

impl Watch {
    fn start() -> Watch {
        Watch { begun: Instant::now(), cpu: of_process() }
    }

    fn pass(self, rows: f64) -> Pass {
        let cpu = of_process().saturating_sub(self.cpu);
        let rate = rows / self.begun.elapsed().as_secs_f64().max(1e-9);
        Pass { rate, cpu_ns: cpu.as_secs_f64() * 1e9 / rows }
    }
}
