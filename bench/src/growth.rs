//! What a tick costs as one thing grows and all else stays: symbols, timeframes, portfolios, skew, amendments; beside the plain loop, whose
//! growth is that of the work.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::clocks::quantile;
use super::rig::{BenchJob, in_own_process};
use super::throughput::compare_job;
use super::{Asked, Figures, Measurement};
use workload::Workload;

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "growth",
    doc: "CPU time of a tick with one worker, in memory, as symbols, timeframes, portfolios, skew or amendments grow, \
          beside the plain loop; only when asked for",
    by_default: false,
    run: measure,
};

/// Rows of each pass, or `--rows` if those are fewer.
const ROWS: u64 = 250_000;

/// What the flag of the process is called that measures.
const FLAG: &str = "--point";

/// One thing that grows.
struct Axis {
    name: &'static str,
    /// What it is at, and what is computed on what then.
    points: Vec<(String, BenchJob, Workload)>,
}

/// What a tick costs at one point, in nanoseconds of CPU time of the process, the thread that hands over included.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Costs {
    /// Of the engine with one worker.
    pub cpu_ns: f64,
    /// Of the plain loop.
    pub cost_loop_cpu_ns: f64,
    /// Bars that commits of 10,000 rows change, per 1,000 rows: the work that rows make, which grows with symbols and timeframes.
    pub changed_bars_per_1000: f64,
}

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = ROWS.min(asked.rows);
    say!(
        "growth, CPU ns a tick of {rows}           engine            plain loop   changed bars of 1,000"
    );
    for Axis { name, points } in axes(rows, asked.seed) {
        let mut output = Map::new();
        let mut before = None;
        for (at, ..) in points {
            let costs = median(&format!("{name}:{at}"), rows, asked)?;
            let of = before.unwrap_or(costs);
            say!(
                "  {name:<20} {at:>8} {:>9.0} × {:.2} {:>12.0} × {:.2} {:>12.0}",
                costs.cpu_ns,
                costs.cpu_ns / of.cpu_ns,
                costs.cost_loop_cpu_ns,
                costs.cost_loop_cpu_ns / of.cost_loop_cpu_ns,
                costs.changed_bars_per_1000,
            );
            output.insert(at, serde_json::to_value(costs)?);
            before = Some(costs);
        }
        figures.report(&format!("growth_{name}"), Value::Object(output));
    }
    Ok(())
}

/// Medians of as many passes as are asked for, each in a process of its own: memory that was freed before would make later points cheaper.
fn median(of: &str, rows: u64, asked: &Asked) -> anyhow::Result<Costs> {
    let (rows, seed) = (rows.to_string(), asked.seed.to_string());
    let mut passes = Vec::new();
    for _ in 0..asked.repeats.max(1) {
        let output = in_own_process(&[FLAG, of, "--rows", &rows, "--seed", &seed])?;
        passes.push(serde_json::from_value::<Costs>(output)?);
    }
    let median =
        |of: fn(&Costs) -> f64| quantile(&mut passes.iter().map(of).collect::<Vec<_>>(), 0.5);
    Ok(Costs {
        cpu_ns: median(|pass| pass.cpu_ns),
        cost_loop_cpu_ns: median(|pass| pass.cost_loop_cpu_ns),
        changed_bars_per_1000: median(|pass| pass.changed_bars_per_1000),
    })
}

/// What a tick costs at one point, written `symbols:800`, in this process, which should have done nothing before.
pub fn point(of: &str, rows: u64, seed: u64) -> anyhow::Result<Costs> {
    let axes = axes(rows, seed);
    let found = axes.iter().find_map(|axis| {
        let at = of.strip_prefix(axis.name)?.strip_prefix(':')?;
        axis.points.iter().find(|point| point.0 == at)
    });
    let (_, job, workload) = found.with_context(|| {
        let axes: Vec<_> = axes.iter().map(|axis| axis.name).collect();
        format!("{FLAG} {of}: write one of {}, a colon and where it is", axes.join(", "))
    })?;
    let compared = compare_job(*job, workload, 1, false)?;
    Ok(Costs {
        cpu_ns: compared.engine.cpu_ns,
        cost_loop_cpu_ns: compared.plain.cpu_ns,
        changed_bars_per_1000: compared.changed as f64 * 1e3 / rows.max(1) as f64,
    })
}

/// What grows. All else is as in [`BenchJob::J3`] on the default workload; timeframes grow without portfolios, whose risk would be that of the largest one.
fn axes(rows: u64, seed: u64) -> Vec<Axis> {
    let base = Workload { rows, seed, ..Workload::default() };
    let of = |at: String, workload| (at, BenchJob::J3, workload);
    let symbols = [200, 800, 3_200]
        .map(|symbols| of(symbols.to_string(), Workload { symbols, ..base.clone() }));
    let timeframes =
        [&["1m"][..], &["1m", "5m", "15m"], BenchJob::J2.timeframes].map(|timeframes| {
            (timeframes.len().to_string(), BenchJob { timeframes, ..BenchJob::J2 }, base.clone())
        });
    let portfolios = [0, 50, 200].map(|portfolios| {
        (portfolios.to_string(), BenchJob { portfolios, ..BenchJob::J3 }, base.clone())
    });
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
