//! Something to measure, served on a free port by the server that every run has.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use market::{Calendars, Span, Timeframe};
use operators::NoStates;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot, watch};

use super::echo::Echo;
use super::paced::{Schedule, probe_source};
use crate::bench::rig::{BenchJob, config};
use crate::clock::{Coverage, SourceTiming};
use crate::config::{Config, ConfiguredSource};
use crate::ingest::Stop;
use crate::ingest::sequencer::SourceNames;
use crate::jobs::JOBS;
use crate::run::{Job, RunError, RunOptions, run_live};
use crate::telemetry::Metrics;
use rows::readers::{Bounds, ReaderPool};
use rows::{Labels, PartitionNames, ViewReader};
use serving::{Context, Health, Limits, Posts, Readiness, Stopped, UpdateCache, bind, serve};

/// A server, and what feeds it.
pub(in crate::bench) struct Served {
    pub(in crate::bench) address: SocketAddr,
    runtime: Runtime,
    serving: tokio::task::JoinHandle<Stopped>,
    end: oneshot::Sender<()>,
    feeding: JoinHandle<Result<(), RunError>>,
    stop: Stop,
}

impl Served {
    /// The echo of a load.
    pub(super) fn start(echo: &Echo) -> anyhow::Result<Served> {
        let loading = echo.load()?;
        let feeding = std::thread::spawn(move || {
            let _ = loading.join();
            Ok(())
        });
        let reader: Arc<dyn ViewReader> = Arc::clone(&echo.reader) as Arc<dyn ViewReader>;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let timeframes = vec![Timeframe::MINUTE];
        let catalog = Arc::clone(&echo.catalog);
        let readers = ReaderPool::start(Bounds::default(), metrics.on_refused())?;
        let context = context(reader, readers, catalog, metrics, timeframes, Labels::default());
        Served::serve(context, feeding, Stop::default())
    }

    /// A live run of the engine.
    pub(in crate::bench) fn run(
        mut config: Config,
        source: ConfiguredSource,
    ) -> anyhow::Result<Served> {
        config.sources.clear();
        config.sources.push(source);
        let options = RunOptions { followed: true, ..RunOptions::default() };
        let started = Job::new(&config, Arc::new(NoStates), &options)?;
        let readers = ReaderPool::start(config.readers, started.metrics.on_refused())?;
        let context = context(
            Arc::new(started.reader().on(readers.clone())),
            readers,
            Arc::clone(&started.catalog),
            started.metrics.clone(),
            config.job.timeframes().to_vec(),
            config.labels(),
        );
        let stop = Stop::default();
        let stopping = stop.clone();
        let feeding =
            std::thread::spawn(move || run_live(&config, started, &options, &stopping).map(|_| ()));
        Served::serve(context, feeding, stop)
    }

    fn serve(
        context: Context,
        feeding: JoinHandle<Result<(), RunError>>,
        stop: Stop,
    ) -> anyhow::Result<Served> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("serve")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(bind(SocketAddr::from(([127, 0, 0, 1], 0))))?;
        let address = listener.local_addr()?;
        let (end, ended) = oneshot::channel();
        let serving = runtime.spawn(serve(listener, context, async {
            let _ = ended.await;
        }));
        Ok(Served { address, runtime, serving, end, feeding, stop })
    }

    /// Ends it all.
    pub(in crate::bench) fn stop(self) -> anyhow::Result<()> {
        let Served { runtime, serving, end, feeding, stop, .. } = self;
        stop.set();
        let fed = feeding.join().map_err(|_| anyhow::anyhow!("what feeds the server panicked"))?;
        let _ = end.send(());
        runtime.block_on(serving)?;
        Ok(fed?)
    }
}

/// The configuration of a run under the load of a schedule, and the source that is the load.
pub(in crate::bench) fn engine(
    schedule: &Arc<Schedule>,
) -> anyhow::Result<(Config, ConfiguredSource)> {
    let config = config(BenchJob::J2, 1, "")?;
    let source = probe_source(schedule, &config.catalog)?;
    let source = ConfiguredSource {
        kind: "bench".to_owned(),
        names: SourceNames {
            name: "bench".to_owned(),
            rank: 0,
            partitions: PartitionNames::one("load"),
        },
        required: true,
        timing: SourceTiming {
            disorder: Span::secs(5),
            idle_after: None,
            coverage: Coverage::All,
            historic: false,
            partitions: 1,
        },
        play: None,
        source,
    };
    Ok((config, source))
}

fn context(
    reader: Arc<dyn ViewReader>,
    readers: ReaderPool,
    catalog: Arc<market::Catalog>,
    metrics: Metrics,
    timeframes: Vec<Timeframe>,
    labels: Labels,
) -> Context {
    let limits = Limits { connections: 4_096, ..Limits::default() };
    Context {
        views: JOBS[0].views,
        reader,
        readers,
        catalog,
        calendars: Calendars::utc(),
        timeframes,
        labels,
        metrics: Arc::new(metrics),
        health: Arc::new(|| Health { checks: [].into(), readiness: Readiness::Ready }),
        version: env!("CARGO_PKG_VERSION"),
        started: Instant::now(),
        limits,
        updates: UpdateCache::default(),
        closing: watch::channel(false).1,
        sockets: Arc::new(Semaphore::new(limits.sockets() as usize)),
        posts: Posts::new(None),
        run: 1,
    }
}
