//! The HTTP ingest of a live run: bodies of requests become rows of a source that has a queue like any other.
//!
//! One body is decoded at a time, so that positions ascend in the order in which rows are sent. Bounded by
//! that queue and by `WAITING_ROWS_MAX`; a request without room is refused at once.

mod accept;
mod durability;
mod senders;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connectors::entries::TYPES;
use market::{Catalog, Commit, EventTime, Generation};
use tokio::sync::oneshot;

use super::event_queues::EventSender;
use super::idempotency::{BoundPost, KeyedFault, KeyedPost, PostKeys, token};
use crate::clock::{Ahead, Binding};
use accept::Taken;
use durability::Durability;
use node_api::ingest::{IngestApi, PostError, PostFuture, PostOutcome, PostedBody, Token};

/// The name of the source that takes the rows of clients.
pub const HTTP_SOURCE: &str = "http";
/// The name of its only partition.
pub const HTTP_PARTITION: &str = "process";

/// Bounds of the requests that send rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpIngestLimits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Rows of a request.
    pub body_rows: usize,
}

/// How long a request waits for its rows to be bound.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes rows of clients into a live run. Clones share it.
#[derive(Clone)]
pub struct HttpIngest(Arc<Shared>);

struct Shared {
    limits: HttpIngestLimits,
    /// The number of its source.
    source: usize,
    catalog: Arc<Catalog>,
    ahead: Ahead,
    /// The requests that may come again.
    keys: PostKeys,
    intake: Mutex<Intake>,
    bound: Mutex<Bound>,
    /// Of a job whose commits are made durable.
    durability: Durability,
    /// Why rows are not taken for a while, if they are not.
    paused: Mutex<Option<String>>,
}

/// Where rows go. Locked while a body is decoded; by the sequencer only when it ends.
struct Intake {
    /// The position of the next row.
    next: u64,
    /// None before the run has begun and after it has ended.
    to: Option<EventSender>,
}

/// The progress of commits.
struct Bound {
    /// The start whose commits these are.
    run: Generation,
    /// The system's time as of the last commit.
    at: EventTime,
    /// The commit that ended the last round.
    round: Option<Commit>,
    /// The requests that wait for a position, in ascending order.
    waiting: VecDeque<Waiting>,
    rows: usize,
}

struct Waiting {
    last: u64,
    rows: usize,
    committed: oneshot::Sender<Token>,
}

impl HttpIngest {
    /// An HTTP ingest that is the source with the number `source`. It takes no rows before it is opened, and refuses
    /// those that are too far `ahead`. What it is answered for is of no start yet.
    pub fn new(
        limits: HttpIngestLimits,
        source: usize,
        catalog: Arc<Catalog>,
        ahead: Ahead,
    ) -> HttpIngest {
        let bound = Bound {
            run: Generation(0),
            at: EventTime::NEVER,
            round: None,
            waiting: VecDeque::new(),
            rows: 0,
        };
        HttpIngest(Arc::new(Shared {
            limits,
            source,
            catalog,
            ahead,
            keys: PostKeys::default(),
            intake: Mutex::new(Intake { next: 1, to: None }),
            bound: Mutex::new(bound),
            durability: Durability::default(),
            paused: Mutex::default(),
        }))
    }

    /// The requests that may come again.
    pub fn keys(&self) -> PostKeys {
        self.0.keys.clone()
    }

    /// Commits from now on are of this start.
    pub fn run(&self, run: Generation) {
        self.0.bound().run = run;
    }

    /// The run begins at system time `at`; rows go `to` the queue of the source, with the positions after `after`.
    pub fn open(&self, to: EventSender, at: EventTime, after: u64) {
        self.0.bound().at = at;
        let mut intake = self.0.intake();
        intake.next = after + 1;
        intake.to = Some(to);
    }

    /// Commits through this one are durable.
    pub fn durable(&self, through: Commit) {
        self.0.durability.reach(through);
    }

    /// Takes no rows for this reason, or takes them again.
    pub fn pause(&self, why: Option<String>) {
        *self.0.paused() = why;
    }

    /// Notes a dispatched commit. Requests are answered at the end of its round: before, larger timeframes and all that is
    /// computed per round do not show its rows.
    pub fn committed(&self, binding: &Binding) {
        let position = binding.positions.get(self.0.source).and_then(|all| all.first());
        let position = position.copied().unwrap_or(0);
        let mut bound = self.0.bound();
        bound.at = binding.at;
        if !binding.round {
            return;
        }
        bound.round = Some(binding.commit);
        while let Some(first) = bound.waiting.pop_front_if(|first| first.last <= position) {
            bound.rows -= first.rows;
            let _ = first.committed.send(token(bound.run, binding.commit)); // the request may have ended
        }
    }

    /// The run is ending: no rows are taken from now on. Those that were are bound, and requests wait for that.
    pub fn refuse(&self) {
        self.0.intake().to = None;
    }

    /// The run has ended: requests that wait for a commit fail, and nothing becomes durable any more.
    pub fn close(&self) {
        self.refuse();
        let mut bound = self.0.bound();
        bound.waiting.clear();
        bound.rows = 0;
        drop(bound);
        self.0.durability.end();
    }
}

impl IngestApi for HttpIngest {
    fn take(&self, sent: PostedBody) -> PostFuture<'_> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let durable_within = sent.durable_within;
            let taking = Arc::clone(&shared);
            let taken = tokio::task::spawn_blocking(move || taking.take(sent)).await;
            let (post, token, answering) = match taken.map_err(|_| PostError::Closed)?? {
                Taken::Before(BoundPost { post, token }) => {
                    return Ok(shared.outcome(&post, token, durable_within, true).await);
                }
                Taken::Sent(post, token, answering) => {
                    let token = match tokio::time::timeout(COMMIT_TIMEOUT, token).await {
                        Ok(token) => Some(token.map_err(|_| PostError::Closed)?),
                        Err(_) => None,
                    };
                    (post, token, answering)
                }
                Taken::Empty(post, token, answering) => (post, token, answering),
            };
            let outcome = shared.outcome(&post, token, durable_within, false).await;
            drop(answering); // the same request gets this answer from now on
            Ok(outcome)
        })
    }

    fn row_types(&self) -> Vec<&'static str> {
        TYPES.iter().map(|one| one.name).collect()
    }

    fn body_bytes(&self) -> usize {
        self.0.limits.body_bytes
    }
}

impl Shared {
    /// The outcome of a request, when its commit is durable or that takes too long.
    async fn outcome(
        &self,
        post: &KeyedPost,
        token: Option<Token>,
        durable_within: Duration,
        is_replayed: bool,
    ) -> PostOutcome {
        let durable = match token {
            Some(token) => self.durability.reaches(token.commit, durable_within).await,
            None => false,
        };
        PostOutcome {
            accepted: post.accepted as usize,
            rejected: post.rejected as usize,
            faults: post.faults.iter().map(KeyedFault::row_fault).collect(),
            token,
            durable,
            is_replayed,
        }
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn paused(&self) -> MutexGuard<'_, Option<String>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
