//! Something to measure, served on a free port by the server that every node has.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use market::{Calendars, EventTime, Generation, NameOrder, SourceId, Span, Timeframe};
use tokio::sync::{Semaphore, watch};

use super::echo::Echo;
use super::paced::{Schedule, partition_name, probe_source};
use crate::rig::{BenchJob, config};
use dataflows::clock::{Coverage, SourceTiming};
use dataflows::config::{Config, ConfiguredSource};
use dataflows::ingest::Stop;
use dataflows::ingest::sequencer::SourceNames;
use dataflows::jobs::JOBS;
use dataflows::rules::RulesHandle;
use dataflows::run::RunOptions;
use dataflows::telemetry::Metrics;
use node_api::ingest::Keeping;
use node_api::{Health, Lineage, Readiness};
use rows::readers::{Bounds, ReaderPool};
use rows::{
    ExplainQuestion, Explained, Explainer, Frontier, Labels, PartitionNames, ReadFuture, ViewReader,
};
use serving::{Client, Context, Limits, Posts, ResumeTokens, RouteSet, Tickets, UpdateCache};
use tickweave::node::{BoundServer, Node, NodeControl, RunningServer};

/// The most connections of a server that is measured.
const CONNECTIONS: usize = 4_096;

/// A server, and what feeds it.
pub(crate) enum Served {
    /// The echo of a load.
    Echo {
        /// The server.
        server: RunningServer,
        /// The thread that feeds it.
        feeding: JoinHandle<()>,
    },
    /// A node.
    Node(Box<Node>),
}

impl Served {
    /// The echo of a load.
    pub(super) fn start(echo: &Echo) -> anyhow::Result<Served> {
        let feeding = echo.load()?;
        let server = BoundServer::bind(free_port(), false)?;
        Ok(Served::Echo { server: server.serve(context(echo)?), feeding })
    }

    /// A live run of the engine.
    pub(crate) fn run(config: Config, source: ConfiguredSource) -> anyhow::Result<Served> {
        Ok(Served::Node(Box::new(start_node(config, source)?)))
    }

    /// The address that it serves.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Served::Echo { server, .. } => server.address(),
            Served::Node(node) => node.address(),
        }
    }

    /// Ends it all.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        match self {
            Served::Echo { server, feeding } => {
                feeding.join().map_err(|_| anyhow::anyhow!("what feeds the server panicked"))?;
                server.stop();
            }
            Served::Node(node) => {
                node.control().stop();
                node.wait()?;
            }
        }
        Ok(())
    }
}

/// Starts a live run of the engine with this source alone.
pub(crate) fn start_node(mut config: Config, source: ConfiguredSource) -> anyhow::Result<Node> {
    config.sources.clear();
    config.sources.push(source);
    config.listen = free_port();
    config.connections = CONNECTIONS;
    Ok(Node::start(config, RunOptions::default(), &Stop::default())?)
}

fn free_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The configuration of a run under the load of a schedule, and the source that is the load; `more` begins with keys of
/// `[job]`.
pub(crate) fn engine(
    schedule: &Arc<Schedule>,
    more: &str,
) -> anyhow::Result<(Config, ConfiguredSource)> {
    let config = config(BenchJob::J2, 1, more)?;
    let source = probe_source(schedule, &config.catalog)?;
    let source = ConfiguredSource {
        id: SourceId(0),
        kind: "bench".to_owned(),
        names: SourceNames {
            name: "bench".to_owned(),
            rank: 0,
            order: NameOrder::default(),
            partitions: PartitionNames::new(partition_name),
        },
        required: true,
        timing: SourceTiming {
            disorder: Span::secs(5),
            idle_after: None,
            give_up_after: None,
            clients: None,
            is_awaited: false,
            back_fills: false,
            coverage: Coverage::All,
            historic: false,
            partitions: schedule.partitions as usize,
        },
        play: None,
        source,
    };
    Ok((config, source))
}

/// An echo computes nothing, so nothing is behind its rows.
struct NothingBehind;

impl Explainer for NothingBehind {
    fn explain(&self, _question: ExplainQuestion) -> ReadFuture<'static, Explained> {
        let frontier = Frontier { commit: None, at: EventTime::NEVER };
        Box::pin(async move { Ok(Explained::NoRow(frontier)) })
    }
}

/// What routes answer from when the echo is served.
fn context(echo: &Echo) -> anyhow::Result<Context> {
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
    Ok(Context {
        views: JOBS[0].views,
        reader: Arc::clone(&echo.reader) as Arc<dyn ViewReader>,
        explainer: Arc::new(NothingBehind),
        readers: ReaderPool::start(Bounds::default(), metrics.on_refused())?,
        catalog: Arc::clone(&echo.catalog),
        calendars: Calendars::utc(),
        timeframes: vec![Timeframe::MINUTE],
        labels: Labels::default(),
        metrics: Arc::new(metrics),
        health: Arc::new(|| Health { readiness: Readiness::Ready, ..Health::default() }),
        version: env!("CARGO_PKG_VERSION"),
        started: Instant::now(),
        limits,
        updates: UpdateCache::default(),
        closing: watch::channel(false).1,
        sockets: Arc::new(Semaphore::new(limits.sockets() as usize)),
        posts: Posts::new(None),
        run: Generation(1),
        lineage: Lineage::of(Generation(1)),
        resume: ResumeTokens::new(b"bench", 0),
        keeping: Keeping::Nothing,
        control: Arc::new(NodeControl::default()),
        rules: Arc::new(RulesHandle::default()),
        access: Arc::default(),
        keys: None,
        tls: None,
        routes: RouteSet::All,
        tickets: Tickets::default(),
        client: Client::default(),
    })
}
