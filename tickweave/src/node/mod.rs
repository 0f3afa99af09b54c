//! The running process as a value: a live job with its sources, its server and its deliveries to sinks.
//!
//! The command line, the demo, benches and tests start one and ask it; what is around a job is wired here only.

mod control;
mod server;

use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use market::{Generation, SourceId};
use node_api::ingest::{IngestApi, Keeping};
use node_api::{Health, Lineage};
use operators::NoStates;
use rows::readers::ReaderPool;
use rows::{Explainer, ViewReader};
use serving::{
    Certificates, Client, Context, Limits, LiveKeys, Posts, ResumeTokens, RouteSet, Tickets,
    TlsError, UpdateCache,
};
use tokio::sync::{Semaphore, watch};

use dataflows::config::Config;
use dataflows::delivery::{SinkSet, Undelivered};
use dataflows::explain::BoardExplainer;
use dataflows::health::HealthMonitor;
use dataflows::ingest::Stop;
use dataflows::ingest::http_ingest::HttpIngest;
use dataflows::publish::{Board, CLIENTS};
use dataflows::rules::RulesHandle;
use dataflows::run::{Job, Report, RunError, RunOptions, run_live, views_version};
use dataflows::telemetry::Metrics;

use crate::descriptors::{self, Needs};
use crate::keys::{KeyFile, KeyFileError, watched};

pub use control::{NodeControl, UnknownSource};
pub use server::{BoundServer, RunningServer, ServerError};

/// When a job has ended, sinks get the rest within this time, or not at all.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// A running node. It runs until it is stopped through its [`NodeControl`] or fails; [`Node::wait`] ends it in order.
///
/// A node that is dropped is stopped; its threads end soon after.
pub struct Node {
    server: RunningServer,
    running: JoinHandle<Result<Report, RunError>>,
    sinks: Sinks,
    control: NodeControl,
    handles: Handles,
    _stop_on_drop: StopOnDrop,
}

/// What can be asked of the job while it runs.
struct Handles {
    generation: Generation,
    board: Arc<Board>,
    reader: Arc<dyn ViewReader>,
    explainer: Arc<dyn Explainer>,
    metrics: Metrics,
    health: HealthMonitor,
    http_ingest: Option<HttpIngest>,
    lineage: Lineage,
    resume: ResumeTokens,
    control: NodeControl,
    keeping: Keeping,
    rules: RulesHandle,
}

/// The deliveries to sinks, which begin when the job is where it ended before.
#[derive(Clone, Default)]
struct Sinks(Arc<Mutex<Option<SinkSet>>>);

impl Sinks {
    fn begin(&self, sinks: SinkSet) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sinks);
    }

    /// Delivers the rest; gives what could not be delivered.
    fn finish(&self) -> Vec<Undelivered> {
        let sinks = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        sinks.map(|sinks| sinks.finish(DELIVERY_TIMEOUT)).unwrap_or_default()
    }
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The job.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The file of API keys.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The certificate of the server.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The threads that read views for clients, or the one that sequences.
    #[error("a thread of the node cannot be started")]
    Thread(#[source] std::io::Error),
}

impl Node {
    /// Starts a node: binds its address, starts workers, server and sinks, and opens the sources on a thread of its
    /// own. Setting `stop` stops it.
    ///
    /// # Errors
    /// If the address cannot be bound, the keys cannot be read, an output cannot be written or a thread cannot be
    /// started. That a source cannot be opened is said by [`Node::wait`].
    pub fn start(config: Config, mut options: RunOptions, stop: &Stop) -> Result<Node, NodeError> {
        options.followed = true;
        options.keeps_state = true;
        let has_keys = config.protection.keys.is_some();
        let mut server = BoundServer::bind(config.listen, has_keys)?;
        if let Some(management) = config.protection.management {
            server = server.with_management(management, has_keys)?;
        }
        let tls = config.protection.tls.clone().map(Certificates::load).transpose()?;
        if tls.is_none() && !config.listen.ip().to_canonical().is_loopback() {
            tracing::warn!(
                "keys and rows cross the network readable: set [http.tls], or put a proxy before it"
            );
        }
        let keys = config.protection.keys.as_deref().map(KeyFile::at);
        let keys = keys.map(|file| watched(file, server.runtime())).transpose()?;
        let job = Job::new(&config, Arc::new(NoStates), &options)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let readers = config.readers.on_cores(cores);
        let readers = ReaderPool::start(readers, job.metrics.on_refused());
        let readers = readers.map_err(NodeError::Thread)?;
        let control = control(&config, &job, stop.clone());
        let views = views_version(&config.toml, env!("CARGO_PKG_VERSION"));
        let handles = Handles {
            generation: job.generation,
            board: Arc::clone(&job.board),
            reader: Arc::new(job.reader().on(readers.clone())),
            explainer: Arc::new(BoardExplainer::new(job.reader().on(readers.clone()), &config)),
            metrics: job.metrics.clone(),
            health: job.health.clone(),
            http_ingest: job.http_ingest.clone(),
            lineage: job.lineage(),
            resume: ResumeTokens::new(job.state_id.as_bytes(), views),
            control: control.clone(),
            keeping: job.keeping,
            rules: job.rules.clone(),
        };
        let server = server.serve(handles.context(&config, readers, (keys, tls)));
        let (sinks, runtime) = (Sinks::default(), server.runtime().clone());
        let (stopped, started) = (stop.clone(), sinks.clone());
        let running = thread::Builder::new().name("sequencer".to_owned());
        let running = running.spawn(move || {
            // Sinks are told what the job comes to, not again how it came there.
            let deliver =
                |job: &Job| job.deliver(&config, runtime).map(|sinks| started.begin(sinks));
            run_live(&config, job, &options, &stopped, deliver)
        });
        Ok(Node {
            server,
            running: running.map_err(NodeError::Thread)?,
            sinks,
            control,
            handles,
            _stop_on_drop: StopOnDrop(stop.clone()),
        })
    }

    /// The address that it serves.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The address of health and metrics alone, if there is one.
    pub fn management(&self) -> Option<SocketAddr> {
        self.server.management()
    }

    /// The number of this start.
    pub fn generation(&self) -> Generation {
        self.handles.generation
    }

    /// Reads its views, on threads for clients.
    pub fn reader(&self) -> &Arc<dyn ViewReader> {
        &self.handles.reader
    }

    /// What its workers publish.
    pub fn board(&self) -> &Arc<Board> {
        &self.handles.board
    }

    /// Its metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.handles.metrics
    }

    /// Its present health.
    pub fn health(&self) -> Health {
        self.handles.health.health()
    }

    /// What says how it is, also after it was moved to another thread.
    pub fn health_monitor(&self) -> HealthMonitor {
        self.handles.health.clone()
    }

    /// Takes rows of clients; none if the configuration turns that off.
    pub fn ingest(&self) -> Option<Arc<dyn IngestApi>> {
        let ingest = self.handles.http_ingest.clone()?;
        Some(Arc::new(ingest))
    }

    /// Controls its sources, and stops it.
    pub fn control(&self) -> &NodeControl {
        &self.control
    }

    /// Waits until the job has ended, delivers the rest to the sinks, stops the server, and reports.
    ///
    /// # Errors
    /// Why the job has failed.
    pub fn wait(self) -> Result<Report, RunError> {
        let Node { server, running, sinks, .. } = self;
        let report = running.join();
        let undelivered = sinks.finish();
        server.stop();
        let report = report.unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok(Report { undelivered, ..report })
    }
}

fn control(config: &Config, job: &Job, stop: Stop) -> NodeControl {
    let named =
        |source: &dataflows::config::ConfiguredSource| (source.names.name.clone(), source.id);
    let sources: Vec<(String, SourceId)> = config.sources.iter().map(named).collect();
    NodeControl::new(sources, job.paused.clone(), job.checkpoints.clone(), stop)
}

impl Handles {
    /// What the routes answer from.
    fn context(
        &self,
        config: &Config,
        readers: ReaderPool,
        (keys, tls): (Option<LiveKeys>, Option<Certificates>),
    ) -> Context {
        let health = self.health.clone();
        let connections = descriptors::connections(config.connections, Needs::of(config));
        let clients = config.protection.limits;
        let limits = Limits { connections, clients, ..Limits::default() };
        let ingest = self.http_ingest.clone();
        let updates = UpdateCache::default();
        self.board.also_retains(CLIENTS, updates.meter());
        Context {
            views: config.job.kind.views,
            reader: Arc::clone(&self.reader),
            explainer: Arc::clone(&self.explainer),
            readers,
            catalog: Arc::clone(&config.catalog),
            calendars: config.calendars.clone(),
            timeframes: config.job.timeframes().to_vec(),
            labels: config.labels(),
            metrics: Arc::new(self.metrics.clone()),
            health: Arc::new(move || health.health()),
            version: env!("CARGO_PKG_VERSION"),
            started: Instant::now(),
            updates,
            closing: watch::channel(false).1,
            sockets: Arc::new(Semaphore::new(limits.sockets() as usize)),
            posts: Posts::new(ingest.map(|ingest| Arc::new(ingest) as Arc<dyn IngestApi>)),
            run: self.generation,
            lineage: self.lineage.clone(),
            resume: self.resume.clone(),
            keeping: self.keeping,
            control: Arc::new(self.control.clone()),
            rules: Arc::new(self.rules.clone()),
            access: Arc::new(config.access.clone()),
            keys,
            tls,
            routes: RouteSet::All,
            tickets: Tickets::default(),
            client: Client::default(),
            limits,
        }
    }
}
