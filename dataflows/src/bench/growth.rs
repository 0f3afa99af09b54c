//! What a tick costs as one thing grows and all else stays: symbols, timeframes, portfolios, skew, amendments; beside the plain loop, whose
//! growth is that of the work.

use serde_json::{Map, Value, json};

use super::clocks::quantile;
use super::rig::Job;
use super::throughput::compare_job;
use super::{Asked, Figures, Measurement};
use crate::workload::Workload;

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "growth",
    doc: "CPU time of a tick with one worker, in memory, as symbols, timeframes, portfolios, skew or amendments grow, \
          beside the plain loop; only when asked for",
    by_default: false,
    run: measure,
};

/// Rows of each pass, or `--rows` if those are fewer.
const ROWS: u64 = 250_000;

/// One thing that grows.
struct Axis {
    name: &'static str,
    /// What it is at, and what is computed on what then.
    points: Vec<(String, Job, Workload)>,
}

/// What a tick costs at one point, in nanoseconds of CPU time of the process, the thread that hands over included.
#[derive(Clone, Copy)]
struct Costs {
    engine: f64,
    plain: f64,
    /// Bars that came of a thousand rows: what larger markets have more of.
    bars: f64,
}

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = ROWS.min(asked.rows);
    let base = Workload { rows, seed: asked.seed, ..Workload::default() };
    eprintln!(
        "growth, CPU ns a tick of {rows}           engine            plain loop     bars of 1,000 ticks"
    );
    for Axis { name, points } in axes(&base) {
        let mut told = Map::new();
        let mut before = None;
        for (at, job, workload) in points {
            let costs = costs(job, &workload, asked.repeats)?;
            let of = before.unwrap_or(costs);
            eprintln!(
                "  {name:<20} {at:>8} {:>9.0} × {:.2} {:>12.0} × {:.2} {:>12.1}",
                costs.engine,
                costs.engine / of.engine,
                costs.plain,
                costs.plain / of.plain,
                costs.bars,
            );
            let Costs { engine, plain, bars } = costs;
            told.insert(
                at,
                json!({ "cpu_ns": engine, "cost_loop_cpu_ns": plain, "bars_per_1000": bars }),
            );
            before = Some(costs);
        }
        figures.tell(&format!("growth_{name}"), Value::Object(told));
    }
    Ok(())
}

/// What grows. All else is as in [`Job::J3`] on `base`; timeframes grow without portfolios, whose risk would be that of the largest one.
fn axes(base: &Workload) -> Vec<Axis> {
    let of = |at: String, workload| (at, Job::J3, workload);
    let symbols = [200, 800, 3_200]
        .map(|symbols| of(symbols.to_string(), Workload { symbols, ..base.clone() }));
    let timeframes = [&["1m"][..], &["1m", "5m", "15m"], Job::J2.timeframes].map(|timeframes| {
        (timeframes.len().to_string(), Job { timeframes, ..Job::J2 }, base.clone())
    });
    let portfolios = [0, 50, 200]
        .map(|portfolios| (portfolios.to_string(), Job { portfolios, ..Job::J3 }, base.clone()));
    let hot = [None, Some(0.5), Some(0.9)].map(|hot| {
        let share = hot.map_or("none".to_owned(), |hot: f64| hot.to_string());
        of(share, Workload { hot, ..base.clone() })
    });
    // Half of them correct and half cancel any of the last 65,536 trades.
    let amended = [0.0, 0.001, 0.01].map(|share: f64| {
        let (corrections, cancels) = (share / 2.0, share / 2.0);
        let workload = Workload { corrections, cancels, of_closes: 0.0, ..base.clone() };
        of(share.to_string(), workload)
    });
    [
        ("symbols", symbols),
        ("timeframes", timeframes),
        ("portfolios", portfolios),
        ("hot", hot),
        ("corrections", amended),
    ]
    .map(|(name, points)| Axis { name, points: points.into() })
    .into()
}

/// Medians of so many passes.
fn costs(job: Job, workload: &Workload, repeats: usize) -> anyhow::Result<Costs> {
    let (mut engine, mut plain, mut bars) = (Vec::new(), Vec::new(), 0);
    for _ in 0..repeats.max(1) {
        let compared = compare_job(job, workload, 1, false)?;
        engine.push(compared.engine.cpu_ns);
        plain.push(compared.plain.cpu_ns);
        bars = compared.bars;
    }
    Ok(Costs {
        engine: quantile(&mut engine, 0.5),
        plain: quantile(&mut plain, 0.5),
        bars: bars as f64 * 1e3 / workload.rows.max(1) as f64,
    })
}
