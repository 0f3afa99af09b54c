//! The HTTP ingest of a live run: bodies of requests become rows of a source that has a queue like any other.
//!
//! One body is decoded at a time, so that positions ascend in the order in which rows are sent. Bounded by
//! that queue and by `WAITING_ROWS_MAX`; a request without room is refused at once.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connectors::entries::{
    self, BodyError, BodyRow, Decoder, TYPES, Type, decode_body, written_entry,
};
use connectors::{Decoded, Row};
use market::{AdmissionError, Catalog, Commit, EventTime, InputEvent, Rejection, UnknownNames};
use tokio::sync::oneshot;

use super::event_queues::EventSender;
use super::input::SourceEvent;
use crate::clock::{Ahead, Binding};
use node_api::ingest::{
    IngestApi, PostError, PostFuture, PostOutcome, PostedBody, PostedFormat, RowFault,
};

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

/// Rows that may wait for their commit, unless they are all of one request.
const WAITING_ROWS_MAX: usize = 65_536;
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
    intake: Mutex<Intake>,
    bound: Mutex<Bound>,
    /// Why rows are not taken for a while, if they are not.
    paused: Mutex<Option<String>>,
}

/// Where rows go. Locked while a body is decoded; never by the sequencer.
struct Intake {
    /// The position of the next row.
    next: u64,
    /// None before the run has begun and after it has ended.
    to: Option<EventSender>,
}

/// The progress of commits.
struct Bound {
    /// The system's time as of the last commit.
    at: EventTime,
    /// The commit that ended the last round.
    round: Option<Commit>,
    /// The requests that wait for a position, in ascending order.
    waiting: VecDeque<Waiting>,
    rows: usize,
    /// Of a job whose commits are made durable.
    durability: Option<Durability>,
}

/// The requests whose rows are bound and not durable yet, by the commit that ends their round, in ascending order.
#[derive(Default)]
struct Durability {
    through: Option<Commit>,
    waiting: VecDeque<(Commit, oneshot::Sender<Commit>)>,
}

impl Durability {
    /// Commits through this one are durable.
    fn reach(&mut self, through: Commit) {
        self.through = self.through.max(Some(through));
        while let Some((commit, request)) =
            self.waiting.pop_front_if(|(commit, _)| Some(*commit) <= self.through)
        {
            let _ = request.send(commit); // the request may have ended
        }
    }

    fn wait_for(&mut self, commit: Commit, request: oneshot::Sender<Commit>) {
        self.waiting.push_back((commit, request));
        if let Some(through) = self.through {
            self.reach(through);
        }
    }
}

struct Waiting {
    last: u64,
    rows: usize,
    committed: oneshot::Sender<Commit>,
}

/// Rows that were sent to the sequencer, and the channel that receives their commit.
struct Accepted {
    accepted: usize,
    rejected: Vec<RowFault>,
    commit: Option<oneshot::Receiver<Commit>>,
}

/// The places that are reserved in the catalog for the rows of a body; released unless the rows are sent.
struct HeldNames<'a> {
    catalog: &'a Catalog,
    names: Vec<UnknownNames>,
}

impl HeldNames<'_> {
    fn hold(&mut self, names: &UnknownNames) -> Result<(), AdmissionError> {
        self.catalog.hold(names)?;
        self.names.push(names.clone());
        Ok(())
    }

    /// Leaves the places to the thread that binds the rows.
    fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for HeldNames<'_> {
    fn drop(&mut self) {
        self.names.iter().for_each(|names| self.catalog.release(names));
    }
}

impl HttpIngest {
    /// An HTTP ingest that is the source with the number `source`. It takes no rows before it is opened, and refuses
    /// those that are too far `ahead`.
    pub fn new(
        limits: HttpIngestLimits,
        source: usize,
        catalog: Arc<Catalog>,
        ahead: Ahead,
    ) -> HttpIngest {
        let bound = Bound {
            at: EventTime::NEVER,
            round: None,
            waiting: VecDeque::new(),
            rows: 0,
            durability: None,
        };
        HttpIngest(Arc::new(Shared {
            limits,
            source,
            catalog,
            ahead,
            intake: Mutex::new(Intake { next: 1, to: None }),
            bound: Mutex::new(bound),
            paused: Mutex::default(),
        }))
    }

    /// The run begins at system time `at`; rows go `to` the queue of the source, with the positions after `after`.
    pub fn open(&self, to: EventSender, at: EventTime, after: u64) {
        self.0.bound().at = at;
        let mut intake = self.0.intake();
        intake.next = after + 1;
        intake.to = Some(to);
    }

    /// Commits are made durable: from now on requests are answered when theirs is.
    pub fn waits_for_durability(&self) {
        self.0.bound().durability = Some(Durability::default());
    }

    /// Commits through this one are durable.
    pub fn durable(&self, through: Commit) {
        if let Some(durability) = &mut self.0.bound().durability {
            durability.reach(through);
        }
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
            match &mut bound.durability {
                Some(durability) => durability.wait_for(binding.commit, first.committed),
                None => drop(first.committed.send(binding.commit)), // the request may have ended
            }
        }
    }

    /// The run has ended: requests that wait fail, and no rows are taken from now on.
    pub fn close(&self) {
        self.0.intake().to = None;
        let mut bound = self.0.bound();
        bound.waiting.clear();
        bound.rows = 0;
        bound.durability.iter_mut().for_each(|durability| durability.waiting.clear());
    }
}

impl IngestApi for HttpIngest {
    fn take(&self, sent: PostedBody) -> PostFuture<'_> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let sender = tokio::task::spawn_blocking(move || shared.accept(sent));
            let sender = sender.await.map_err(|_| PostError::Closed)??;
            let Accepted { accepted, rejected, commit } = sender;
            let (commit, is_told) = match commit {
                None => (self.0.bound().round, false),
                Some(commit) => match tokio::time::timeout(COMMIT_TIMEOUT, commit).await {
                    Ok(commit) => (Some(commit.map_err(|_| PostError::Closed)?), true),
                    Err(_) => (None, false),
                },
            };
            let durable = is_told && self.0.bound().durability.is_some();
            Ok(PostOutcome { accepted, rejected, commit, durable })
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
    fn accept(&self, sent: PostedBody) -> Result<Accepted, PostError> {
        let mut intake = self.intake();
        let to = intake.to.clone().ok_or(PostError::Closed)?;
        self.check_room(0)?;
        let first = intake.next;
        let rows = self.decode(sent.form, sent.body, sent.row_type.as_deref(), first)?;
        let at = self.bound().at;
        let mut rejected = Vec::new();
        let mut passed = Vec::with_capacity(rows.len());
        let mut held = HeldNames { catalog: &self.catalog, names: Vec::new() };
        for (row, read) in rows.into_iter().enumerate() {
            let judged = self.check_row(read, at, &mut held).map_err(|(field, rejection)| {
                let (code, detail) = (rejection.reason.name(), rejection.detail.clone());
                rejected.push(RowFault { row, field, code, detail });
                rejection
            });
            passed.push(Row::of(first + row as u64, judged));
        }
        let count = passed.len();
        if sent.atomic && !rejected.is_empty() {
            return Err(PostError::Refused { rows: rejected, of: count });
        }
        let accepted = count - rejected.len();
        if passed.is_empty() {
            return Ok(Accepted { accepted, rejected, commit: None });
        }
        self.check_room(count)?;
        let commit = self.send(to, passed)?;
        held.keep();
        intake.next = first + count as u64;
        Ok(Accepted { accepted, rejected, commit: Some(commit) })
    }

    /// Sends rows to the sequencer; returns the channel that receives their commit.
    fn send(
        &self,
        to: EventSender,
        passed: Vec<Row>,
    ) -> Result<oneshot::Receiver<Commit>, PostError> {
        let count = passed.len();
        let last = passed.last().map_or(0, |row| row.position);
        let (committed, commit) = oneshot::channel();
        let received_at = Instant::now();
        let event = SourceEvent::Rows { partition: 0, rows: passed, received_at };
        // The request is noted first: the rows may be bound before this thread goes on.
        let mut bound = self.bound();
        bound.waiting.push_back(Waiting { last, rows: count, committed });
        bound.rows += count;
        if let Err(error) = to.try_send(event) {
            bound.waiting.pop_back();
            bound.rows -= count;
            return Err(match error {
                TrySendError::Full(_) => PostError::Busy("commits are behind the input".to_owned()),
                TrySendError::Disconnected(_) => PostError::Closed,
            });
        }
        Ok(commit)
    }

    fn check_room(&self, rows: usize) -> Result<(), PostError> {
        if let Some(why) = self.paused().clone() {
            return Err(PostError::Busy(why));
        }
        let waiting = self.bound().rows;
        if waiting > 0 && waiting + rows > WAITING_ROWS_MAX {
            return Err(PostError::Busy(format!("{waiting} rows wait for their commit already")));
        }
        Ok(())
    }

    fn decode(
        &self,
        form: PostedFormat,
        body: Vec<u8>,
        row_type: Option<&str>,
        first: u64,
    ) -> Result<Vec<BodyRow>, PostError> {
        let form = match form {
            PostedFormat::Json => entries::BodyFormat::Json,
            PostedFormat::Ndjson => entries::BodyFormat::Ndjson,
            PostedFormat::Csv => entries::BodyFormat::Csv,
        };
        let row_type = row_type.map(Type::named).transpose().map_err(PostError::Unreadable)?;
        let partition = format!("{HTTP_SOURCE}/{HTTP_PARTITION}");
        let decoder = Decoder::new(Arc::clone(&self.catalog), row_type, &partition);
        let rows = decode_body(form, body, self.limits.body_rows, &decoder, first);
        rows.map_err(|error| match error {
            BodyError::TooManyRows { limit } => PostError::TooManyRows { limit },
            BodyError::Unreadable(problem) => PostError::Unreadable(problem),
        })
    }

    /// Checks a row before it is sent. A time too far ahead, and a name for which there is no place, are refused here and
    /// not when rows are bound, so that the client receives the error: the clock allows no less, since the time of commits never
    /// goes back, and the places are held until then.
    fn check_row(
        &self,
        row: BodyRow,
        at: EventTime,
        held: &mut HeldNames<'_>,
    ) -> Result<Decoded<InputEvent>, (String, Box<Rejection>)> {
        let BodyRow { decoded, raw } = row;
        let record = decoded.map_err(|fault| (fault.field.to_string(), fault.rejection(&raw)))?;
        let refused = |field: &str, reason, detail| {
            let text = written_entry(
                &record.says,
                record.unknown.as_deref(),
                &record.id_texts,
                &self.catalog,
            );
            let rejection = Rejection::new(reason, detail, text.as_bytes());
            (field.to_owned(), Box::new(rejection))
        };
        if let Some(Err(rejection)) = record.says.time().map(|time| self.ahead.check(time, at)) {
            return Err(refused("time", rejection.reason, rejection.detail));
        }
        if let Some(unknown) = &record.unknown {
            let places = held.hold(unknown);
            places.map_err(|why| refused(why.field(), why.reason(), why.to_string()))?;
        }
        Ok(record)
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
