//! CPU time of a worker per commit, at the size that commits have live.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use operators::{CommitContext, NoStates, ReadFrom, RulesInForce, StateError, Watermarks};

use super::clocks::{of_thread, quantile};
use super::rig::{Batches, BenchJob, config};
use super::{Asked, Figures, Measurement};
use dataflows::config::Config;
use dataflows::ingest::{Delivery, FeedSender};
use dataflows::jobs::JobContext;
use dataflows::publish::{Board, BoardConfig, Publisher};
use dataflows::telemetry::Metrics;
use dataflows::view_list::entries;
use workload::Workload;

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "commits",
    doc: "CPU time of one worker per commit of 5 ms at the load's rate, ends of rounds included",
    by_default: true,
    run: measure,
};

/// A round ends with so many commits of 5 ms.
const ROUND: usize = 20;

fn measure(asked: &Asked, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = (asked.rate as usize / 200).max(1);
    let config = config(BenchJob::J3, 1, "")?;
    let workload = Workload {
        rows: u64::from(asked.rate) * u64::from(asked.seconds.max(1)),
        // As much event time as it would take live.
        span: i64::from(asked.seconds.max(1)) * 1_000_000_000,
        late_by: 1_000_000_000,
        seed: asked.seed,
        corrections: 0.01,
        cancels: 0.001,
        ..Workload::default()
    };
    let batches = Batches::of(&workload, BenchJob::J3, rows, &config)?;
    let mut spent = milliseconds(&config, batches)?;
    // The first round holds the fills, and the last commit ends the input.
    spent.pop();
    spent.drain(..ROUND.min(spent.len()));
    let of = |spent: &mut [f64], share| quantile(spent, share);
    let (p50, p99, p999) = (of(&mut spent, 0.5), of(&mut spent, 0.99), of(&mut spent, 0.999));
    let mean = spent.iter().sum::<f64>() / spent.len().max(1) as f64;
    say!(
        "worker CPU per commit of {rows} ticks, ms\n  mean {mean:.2}   p50 {p50:.2}   p99 {p99:.2}   p99.9 {p999:.2}   ({} commits)",
        spent.len()
    );
    figures.report("commit_cpu_mean_ms", mean);
    figures.report("commit_cpu_p50_ms", p50);
    figures.report("commit_cpu_p99_ms", p99);
    figures.report("commit_cpu_p999_ms", p999);
    Ok(())
}

/// What each commit takes of a worker's CPU time until all views are complete.
fn milliseconds(config: &Config, batches: Batches) -> Result<Vec<f64>, StateError> {
    let board = Arc::new(board(config));
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let (job, Batches { mut accounts, commits, .. }) = (config.job.clone(), batches);
    timely::execute_directly(move |worker| {
        let (sender, deliveries) = sync_channel(4);
        let activator = Arc::new(Mutex::new(None));
        let feed = FeedSender::new(sender, Arc::clone(&activator));
        let views = worker.dataflow_named("bench", |scope| {
            job.build(
                scope,
                JobContext {
                    deliveries,
                    activator: &activator,
                    board: &board,
                    metrics: &metrics,
                    sources: Arc::from(["bench".to_owned()]),
                    states: Arc::new(NoStates),
                },
            )
        })?;
        let mut publisher = Publisher::new(0, views, Arc::clone(&board), metrics.clone());
        let (mut watermarks, mut round_watermarks) = (Watermarks::none(1), Watermarks::none(1));
        let mut spent = Vec::with_capacity(commits.len());
        for (number, (binding, records)) in commits.into_iter().enumerate() {
            let (commit, round) = (binding.commit, number % ROUND == ROUND - 1);
            let context = CommitContext {
                commit,
                at: binding.at,
                round,
                watermarks,
                round_watermarks,
                read_from: ReadFrom::default(),
                saves: 0..0,
                rules: RulesInForce::default(),
            };
            let context = Arc::new(context);
            watermarks = Watermarks::new(binding.watermarks.clone());
            round_watermarks =
                if round { watermarks.clone() } else { context.round_watermarks.clone() };
            board.announce(commit, binding.at, round, None);
            let accounts = std::mem::take(&mut accounts);
            let begun = of_thread();
            feed.send(Delivery { context, records, accounts });
            while board.complete_before() <= commit.0 {
                worker.step();
                publisher.step();
            }
            spent.push((of_thread() - begun).as_secs_f64() * 1e3);
        }
        drop(feed);
        while !publisher.step() {
            worker.step_or_park(Some(Duration::from_millis(1)));
        }
        Ok(spent)
    })
}

/// Like the board of a run with subscribers, but without the trade log.
fn board(config: &Config) -> Board {
    Board::new(BoardConfig {
        views: entries(config.job.kind.views).iter().map(|entry| &entry.stored).collect(),
        workers: 1,
        operators: config.job.kind.operators,
        labels: config.labels(),
        log_bytes_max: config.log_bytes,
        trade_log_bytes_max: 0,
        read_log_bytes_max: 0,
        ring_bytes_max: config.ring_bytes,
        history_bytes_max: config.history_bytes,
        digests: false,
    })
}
