//! `tickweave run`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use operators::NoStates;

use super::check::layers;
use super::report::print_report;
use super::{Outcome, descriptors, runtime};
use crate::config::Config;
use crate::ingest::Stop;
use crate::ingest::sequencer::now;
use crate::run::{Job, RunOptions, run_live};
use rows::readers::ReaderPool;
use serving::ingest_api::IngestApi;
use tokio::sync::Semaphore;

use serving::{Context, Limits, Posts, UpdateCache, bind, serve};

/// Run a job live and serve its views over HTTP, until SIGINT or SIGTERM.
#[derive(Args)]
pub(super) struct Run {
    /// The configuration file.
    config: PathBuf,
    /// Worker threads.
    #[arg(short, long)]
    workers: Option<usize>,
    /// Address to serve on, such as 127.0.0.1:8080; port 0 takes a free one.
    #[arg(long)]
    listen: Option<String>,
    /// Record the run to FILE, which must not exist.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// When the run ends, write each final view to DIR/VIEW.csv, in place of those of an earlier run only.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Let --record and --out replace files that exist, whichever program wrote them; never one that the job reads.
    #[arg(long)]
    force: bool,
    /// When the run ends, print a digest of each view.
    #[arg(long)]
    digest: bool,
}

/// When a job has ended, sinks get the rest within this time, or not at all.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

impl Run {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let Run { config, workers, listen, record, out, force, digest } = self;
        let config = layers(&config)?
            .flag("job.workers", "--workers", workers)?
            .flag("http.listen", "--listen", listen)?
            .check()?;
        let options =
            RunOptions { record, out, force, digest, followed: true, ..RunOptions::default() };
        live(&config, &options, json, |_, _| Ok(()))
    }
}

/// Runs a job live and serves it until a signal comes; prints a summary. `beside` is called with the job and the
/// address; what it returns is dropped when the job has ended.
pub(super) fn live<B>(
    config: &Config,
    options: &RunOptions,
    json: bool,
    beside: impl FnOnce(&Job, SocketAddr) -> anyhow::Result<B>,
) -> anyhow::Result<Outcome> {
    let stop = Stop::default();
    let runtime = runtime(&stop)?;
    let listener = runtime.block_on(bind(config.listen))?;
    let address = listener.local_addr()?;

    let job = Job::new(config, Arc::new(NoStates), options)?;
    let finished = Arc::new(AtomicBool::new(false));
    let readers = ReaderPool::start(config.readers, job.metrics.on_refused())
        .context("the reader threads cannot be started")?;
    let context = context(config, &job, readers);
    let http = runtime.spawn(serve(listener, context, until(Arc::clone(&finished))));
    tracing::info!(
        "{} sources, {} workers; serving http://{address}/ (views: /v1/views, candles: /v1/candles/SYMBOL)",
        config.sources.len(),
        config.workers
    );
    let delivering = job.deliver(config, runtime.handle().clone())?;
    let beside = beside(&job, address)?;

    let report = run_live(config, job, options, &stop);
    delivering.finish(DELIVERY_TIMEOUT);
    drop(beside);
    finished.store(true, Ordering::SeqCst);
    let stopped = runtime.block_on(http)?;
    if stopped.cut > 0 {
        tracing::warn!("{} HTTP connections were cut", stopped.cut);
    }
    print_report("ran", &report?, json)?;
    Ok(Outcome::Done)
}

async fn until(finished: Arc<AtomicBool>) {
    while !finished.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn context(config: &Config, job: &Job, readers: ReaderPool) -> Context {
    let health = job.health.clone();
    let connections = descriptors::connections(config.connections);
    let limits = Limits { connections, ..Limits::default() };
    Context {
        views: config.job.kind.views,
        reader: Arc::new(job.reader().on(readers.clone())),
        readers,
        catalog: Arc::clone(&job.catalog),
        calendars: config.calendars.clone(),
        timeframes: config.job.timeframes().to_vec(),
        labels: config.labels(),
        metrics: Arc::new(job.metrics.clone()),
        health: Arc::new(move || health.health()),
        version: env!("CARGO_PKG_VERSION"),
        started: Instant::now(),
        updates: UpdateCache::default(),
        closing: tokio::sync::watch::channel(false).1,
        sockets: Arc::new(Semaphore::new(limits.sockets() as usize)),
        posts: Posts::new(
            job.ingest_api.clone().map(|ingest_api| Arc::new(ingest_api) as Arc<dyn IngestApi>),
        ),
        run: now().0.unsigned_abs(),
        limits,
    }
}
