//! The engine: worker threads that run a job's dataflow and publish what it puts out.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use operators::{StateError, StateStore};
use timely::CommunicationConfig;
use timely::communication::WorkerGuards;
use timely::worker::Worker;

use crate::ingest::dispatcher::FEED_DELIVERIES;
use crate::ingest::{Delivery, FeedSender};
use crate::jobs::{JobContext, JobPlan};
use crate::publish::{Board, Publisher};
use crate::telemetry::Metrics;

/// A worker looks at its arrangement at least this often; it parks in between.
const PARK_MAX: Duration = Duration::from_millis(5);

/// Why the engine does not start or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Threads could not be started.
    #[error("cannot start {workers} workers: {problem}")]
    Start {
        /// How many were asked for.
        workers: usize,
        /// The error of timely.
        problem: String,
    },
    /// A worker panicked.
    #[error("worker {worker} failed: {problem}")]
    Worker {
        /// Which one.
        worker: usize,
        /// The message of its panic.
        problem: String,
    },
    /// A saved state does not fit.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Running workers.
pub struct Engine {
    guards: WorkerGuards<Result<(), StateError>>,
}

/// What all workers share.
struct Shared {
    job: JobPlan,
    board: Arc<Board>,
    metrics: Metrics,
    sources: Arc<[String]>,
    states: Arc<dyn StateStore>,
    slots: Vec<WorkerSlot>,
}

/// What one worker takes when it starts.
struct WorkerSlot {
    deliveries: Mutex<Option<Receiver<Delivery>>>,
    activator: Arc<Mutex<Option<timely::scheduling::SyncActivator>>>,
}

impl Engine {
    /// Starts `workers` workers; returns the feeds to them too. Workers end when their feeds are dropped.
    pub fn start(
        job: JobPlan,
        workers: usize,
        board: Arc<Board>,
        metrics: Metrics,
        sources: Arc<[String]>,
        states: Arc<dyn StateStore>,
    ) -> Result<(Engine, Vec<FeedSender>), EngineError> {
        let (mut slots, mut feeds) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (sender, receiver) = sync_channel(FEED_DELIVERIES);
            let activator = Arc::default();
            feeds.push(FeedSender::new(sender, Arc::clone(&activator)));
            slots.push(WorkerSlot { deliveries: Mutex::new(Some(receiver)), activator });
        }
        let shared = Shared { job, board, metrics, sources, states, slots };
        let config = timely::Config {
            communication: CommunicationConfig::Process(workers),
            worker: timely::WorkerConfig::default(),
        };
        let guards = timely::execute(config, move |worker| run(worker, &shared))
            .map_err(|problem| EngineError::Start { workers, problem })?;
        Ok((Engine { guards }, feeds))
    }

    /// Waits until all workers have ended.
    pub fn join(self) -> Result<(), EngineError> {
        let mut outcome = Ok(());
        for (worker, ended) in self.guards.join().into_iter().enumerate() {
            let ended = match ended {
                Ok(ended) => ended.map_err(EngineError::State),
                Err(problem) => Err(EngineError::Worker { worker, problem }),
            };
            outcome = outcome.and(ended);
        }
        outcome
    }
}

/// Watermarks the board as failed if its worker ends without having finished.
struct Alarm<'a> {
    board: &'a Board,
    finished: bool,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.board.fail();
        }
    }
}

fn run(worker: &mut Worker, shared: &Shared) -> Result<(), StateError> {
    let mut alarm = Alarm { board: &shared.board, finished: false };
    let index = worker.index();
    let slot = &shared.slots[index];
    let deliveries = slot.deliveries.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(deliveries) = deliveries else { unreachable!("timely runs each worker once") };

    let views = worker.dataflow_named(&format!("{}-{index}", shared.job.kind.name), |scope| {
        shared.job.build(
            scope,
            JobContext {
                deliveries,
                activator: &slot.activator,
                board: &shared.board,
                metrics: &shared.metrics,
                sources: Arc::clone(&shared.sources),
                states: Arc::clone(&shared.states),
            },
        )
    })?;

    let mut publisher =
        Publisher::new(index, views, Arc::clone(&shared.board), shared.metrics.clone());
    while !publisher.step() {
        if shared.board.has_failed() {
            return Ok(());
        }
        worker.step_or_park(Some(PARK_MAX));
    }
    alarm.finished = true;
    Ok(())
}
