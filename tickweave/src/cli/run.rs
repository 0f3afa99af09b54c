//! `tickweave run`.

use std::path::PathBuf;

use clap::Args;

use super::check::{going_on, layers};
use super::report::{fails_by_recording, fails_by_refusals, fails_by_sinks, print_report};
use super::results::ResultFlags;
use super::screen::Beside;
use super::{Outcome, signals};
use crate::node::{Node, NodeError};
use crate::supervisor::Supervisor;
use dataflows::config::Config;
use dataflows::ingest::Stop;
use dataflows::run::RunOptions;
use market::plural;

/// Run a job live and serve its views over HTTP, until SIGINT or SIGTERM.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tickweave run job.toml
  tickweave run job.toml --listen 127.0.0.1:0 --record today.twrec --out results

Signals: the first SIGINT, SIGTERM or SIGHUP stops the job in order, the second ends the process at once.")]
pub(super) struct Run {
    /// The configuration file.
    config: PathBuf,
    /// Worker threads.
    #[arg(short, long)]
    workers: Option<usize>,
    /// Address to serve on, such as 127.0.0.1:8080; port 0 takes a free one.
    #[arg(long)]
    listen: Option<String>,
    /// How many instruments there may be [default: 100000].
    #[arg(long, value_name = "COUNT")]
    max_instruments: Option<usize>,
    /// Record the run to FILE, which must not exist.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Keep the state of the job in DIR, and go on with what is there; replaces `state.dir`.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Go on with the state although rows that were to come next are gone, or a file is another one.
    #[arg(long)]
    accept_gaps: bool,
    /// Begin anew: set the state in the directory aside, and read the sources again from their start.
    #[arg(long)]
    state_from_sources: bool,
    #[command(flatten)]
    results: ResultFlags,
    /// Let --record and --out replace files that exist, whichever program wrote them; never one that the job reads.
    #[arg(long)]
    force: bool,
    /// When the run ends, print a digest of each view.
    #[arg(long)]
    digest: bool,
    /// Exit with 0 also if more of the input was refused than `job.refused_share` allows.
    #[arg(long)]
    lenient: bool,
}

impl Run {
    pub(super) fn run(self, json: bool) -> anyhow::Result<Outcome> {
        let Run { config, workers, listen, max_instruments, record, state, results, .. } = self;
        let Run { force, digest, lenient, accept_gaps, state_from_sources, .. } = self;
        let state = state.map(std::path::absolute).transpose()?;
        let layers = layers(&config)?
            .flag("job.workers", "--workers", workers)?
            .flag("http.listen", "--listen", listen)?
            .flag("limits.instruments", "--max-instruments", max_instruments)?
            .flag("state.dir", "--state", state)?
            .flag("state.accept_gaps", "--accept-gaps", accept_gaps.then_some(true))?;
        let layers = if state_from_sources { layers } else { going_on(layers)? };
        let config = layers.check()?;
        let mut options = RunOptions { record, force, digest, ..RunOptions::default() };
        options.begins_anew = state_from_sources;
        options.summary = !json;
        results.choose(&config, &mut options)?;
        live(config, options, (json, lenient), |_| Ok(()))
    }
}

/// Tells the supervisor of the process how the node is, until what this gives is dropped. One that cannot be reached
/// is a warning: it ends the process when it must hear of it.
fn supervised(node: &Node, stop: &Stop) -> anyhow::Result<Option<Beside>> {
    let mut supervisor = match Supervisor::of_environment() {
        Ok(Some(supervisor)) => supervisor,
        Ok(None) => return Ok(None),
        Err(error) => {
            tracing::warn!(%error, "the supervisor that NOTIFY_SOCKET names is not told anything");
            return Ok(None);
        }
    };
    supervisor.ready();
    let (health, stop) = (node.health_monitor(), stop.clone());
    let period = supervisor.period();
    let tell = move || supervisor.tell(&health.health(), stop.is_set());
    Ok(Some(Beside::every(period, tell)?))
}

/// Runs a node until a signal comes; prints a summary. `beside` is called with it; what it returns is dropped when the
/// job has ended.
pub(super) fn live<B>(
    config: Config,
    options: RunOptions,
    (json, lenient): (bool, bool),
    beside: impl FnOnce(&Node) -> anyhow::Result<B>,
) -> anyhow::Result<Outcome> {
    let stop = Stop::default();
    let _signals = signals(&stop)?;
    let (sources, workers) = (config.sources.len(), config.workers);
    let scheme = if config.protection.tls.is_some() { "https" } else { "http" };
    let node = Node::start(config, options, &stop).map_err(|error| match error {
        NodeError::Run(error) => anyhow::Error::new(error), // decides the exit code
        NodeError::Keys(error) => anyhow::Error::new(error), // this, too,
        NodeError::Tls(error) => anyhow::Error::new(error), // and this
        error => anyhow::Error::new(error),
    })?;
    tracing::info!(
        "run {}: {}, {}; serving {scheme}://{}/ (views: /v1/views, candles: /v1/candles/SYMBOL)",
        node.generation(),
        plural(sources as u64, "source"),
        plural(workers as u64, "worker"),
        node.address(),
    );
    if let Some(management) = node.management() {
        tracing::info!(
            "health and metrics: {scheme}://{management}/health, {scheme}://{management}/metrics"
        );
    }
    let beside = (beside(&node)?, supervised(&node, &stop)?);
    let report = node.wait();
    drop(beside);
    let report = report?;
    print_report("ran", &report, json)?;
    let is_refused = fails_by_refusals(&report, lenient);
    let is_unrecorded = fails_by_recording(&report);
    Ok(match () {
        () if fails_by_sinks(&report) => Outcome::Undelivered,
        () if is_unrecorded => Outcome::Unrecorded,
        () if is_refused => Outcome::Refused,
        () => Outcome::Done,
    })
}
