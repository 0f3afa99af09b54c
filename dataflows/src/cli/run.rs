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
use crate::ingest::drive::now;
use crate::inlet::Inlet;
use crate::readers::ReaderPool;
use crate::run::{Started, Wishes, run_live};
use tokio::sync::Semaphore;

use crate::serve::{Context, Limits, Posts, UpdateCache, bind, serve};

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
    /// Let --record and --out replace files that exist, whoever wrote them; never one that the job reads.
    #[arg(long)]
    force: bool,
    /// When the run ends, print a digest of each view.
    #[arg(long)]
    digest: bool,
}

/// When a job has ended, sinks get the rest within this time, or not at all.
const DELIVERED_WITHIN: Duration = Duration::from_secs(10);

impl Run {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let Run { config, workers, listen, record, out, force, digest } = self;
        let config = layers(&config)?
            .flag("job.workers", "--workers", workers)?
            .flag("http.listen", "--listen", listen)?
            .check()?;
        let wishes = Wishes { record, out, force, digest, followed: true, ..Wishes::default() };
        live(&config, &wishes, json, |_, _| Ok(()))
    }
}

/// Runs a job live and serves it until a signal comes; prints a summary. `beside` is told what runs and
/// where it serves; what it gives is dropped when the job has ended.
pub(super) fn live<B>(
    config: &Config,
    wishes: &Wishes,
    json: bool,
    beside: impl FnOnce(&Started, SocketAddr) -> anyhow::Result<B>,
) -> anyhow::Result<Outcome> {
    let stop = Stop::default();
    let runtime = runtime(&stop)?;
    let listener = runtime.block_on(bind(config.listen))?;
    let address = listener.local_addr()?;

    let started = Started::new(config, Arc::new(NoStates), wishes)?;
    let finished = Arc::new(AtomicBool::new(false));
    let readers = ReaderPool::start(config.readers, started.metrics.clone())
        .context("the reader threads cannot be started")?;
    let context = context(config, &started, readers);
    let http = runtime.spawn(serve(listener, context, until(Arc::clone(&finished))));
    tracing::info!(
        "{} sources, {} workers; serving http://{address}/ (views: /v1/views, candles: /v1/candles/SYMBOL)",
        config.sources.len(),
        config.workers
    );
    let delivering = started.deliver(config, runtime.handle().clone())?;
    let beside = beside(&started, address)?;

    let report = run_live(config, started, wishes, &stop);
    delivering.finish(DELIVERED_WITHIN);
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

fn context(config: &Config, started: &Started, readers: ReaderPool) -> Context {
    let health = started.health.clone();
    let connections = descriptors::connections(config.connections);
    let limits = Limits { connections, ..Limits::default() };
    Context {
        reader: Arc::new(started.reader().on(readers.clone())),
        readers,
        catalog: Arc::clone(&started.catalog),
        calendars: config.calendars.clone(),
        timeframes: config.job.timeframes().to_vec(),
        labels: config.labels(),
        metrics: started.metrics.clone(),
        health: Arc::new(move || health.health()),
        version: env!("CARGO_PKG_VERSION"),
        started: Instant::now(),
        updates: UpdateCache::default(),
        closing: tokio::sync::watch::channel(false).1,
        sockets: Arc::new(Semaphore::new(limits.sockets() as usize)),
        posts: Posts::new(started.inlet.clone().map(|inlet| Arc::new(inlet) as Arc<dyn Inlet>)),
        run: now().0.unsigned_abs(),
        limits,
    }
}
