//! The inlet of a live run: bodies of requests become rows of a source, behind the same channel as those of
//! all pumps.
//!
//! One body is decoded at a time, so that positions ascend in the order in which rows are passed on. Bounded by
//! that channel and by `WAITING_ROWS`; whoever comes when there is no room is turned away at once.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connectors::entries::{self, BodyError, BodyRow, Decoder, TYPES, Type, decode_body};
use connectors::{Decoded, Row};
use market::{AdmissionError, Catalog, Commit, EventTime, InputEvent, Rejection, UnknownNames};
use tokio::sync::oneshot;

use super::pump::Pumped;
use crate::clock::{Ahead, Binding};
use crate::config::{self, Config};
use crate::inlet::{Form, Inlet, RowFault, Sent, Taken, Taking, TurnedAway};

/// Rows that may wait for their commit, unless they are all of one request.
const WAITING_ROWS: usize = 65_536;
/// Nobody waits longer than this for rows to be bound.
const BOUND_WITHIN: Duration = Duration::from_secs(10);

/// The inlet of a live run. Clones share it.
#[derive(Clone)]
pub struct HttpInlet(Arc<Shared>);

struct Shared {
    limits: config::Inlet,
    /// The number of the source that it is.
    source: usize,
    catalog: Arc<Catalog>,
    ahead: Ahead,
    intake: Mutex<Intake>,
    bound: Mutex<Bound>,
    /// Whether sources pause because operators retain too much.
    paused: AtomicBool,
}

/// Where rows go. Held while a body is decoded; never by the thread that drives commits.
struct Intake {
    /// The position of the next row.
    next: u64,
    /// None before the run has begun and after it has ended.
    to: Option<SyncSender<Pumped>>,
}

/// How far commits are.
struct Bound {
    /// The system's time as of the last commit.
    at: EventTime,
    /// The commit that ended the last round.
    round: Option<Commit>,
    /// Who waits for which position, in ascending order.
    waiting: VecDeque<Waiting>,
    rows: usize,
}

struct Waiting {
    last: u64,
    rows: usize,
    tell: oneshot::Sender<Commit>,
}

/// What was passed on, and where its commit will be told.
struct PassedOn {
    accepted: usize,
    rejected: Vec<RowFault>,
    told: Option<oneshot::Receiver<Commit>>,
}

/// The places that are held in the catalog for the rows of a body; given back unless the rows are passed on.
struct Held<'a> {
    catalog: &'a Catalog,
    names: Vec<UnknownNames>,
}

impl Held<'_> {
    fn hold(&mut self, names: &UnknownNames) -> Result<(), AdmissionError> {
        self.catalog.hold(names)?;
        self.names.push(names.clone());
        Ok(())
    }

    /// Leaves the places to whoever binds the rows.
    fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.names.iter().for_each(|names| self.catalog.release(names));
    }
}

impl HttpInlet {
    /// The inlet of a configured run, if it has one. It takes nothing before it is opened.
    pub fn new(config: &Config) -> Option<HttpInlet> {
        let limits = config.inlet?;
        let bound = Bound { at: EventTime::NEVER, round: None, waiting: VecDeque::new(), rows: 0 };
        Some(HttpInlet(Arc::new(Shared {
            limits,
            source: config.sources.len(),
            catalog: Arc::clone(&config.catalog),
            ahead: config.ahead_live(),
            intake: Mutex::new(Intake { next: 1, to: None }),
            bound: Mutex::new(bound),
            paused: AtomicBool::new(false),
        })))
    }

    /// The run begins at system time `at`; rows go `to` where those of all sources do.
    pub fn open(&self, to: SyncSender<Pumped>, at: EventTime) {
        self.0.bound().at = at;
        self.0.intake().to = Some(to);
    }

    /// Whether sources pause.
    pub fn pause(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::Relaxed);
    }

    /// A commit has been handed over. Who waits is told at the end of its round: before, larger timeframes and all
    /// that is made per round do not show its rows.
    pub fn sealed(&self, binding: &Binding) {
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
            let _ = first.tell.send(binding.commit); // nobody may wait any more
        }
    }

    /// The run has ended: whoever waits is told so, and nothing is taken from now on.
    pub fn close(&self) {
        self.0.intake().to = None;
        let mut bound = self.0.bound();
        bound.waiting.clear();
        bound.rows = 0;
    }
}

impl Inlet for HttpInlet {
    fn take(&self, sent: Sent) -> Taking<'_> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let passed_on = tokio::task::spawn_blocking(move || shared.pass_on(sent));
            let passed_on = passed_on.await.map_err(|_| TurnedAway::Closed)??;
            let PassedOn { accepted, rejected, told } = passed_on;
            let commit = match told {
                None => self.0.bound().round,
                Some(told) => match tokio::time::timeout(BOUND_WITHIN, told).await {
                    Ok(told) => Some(told.map_err(|_| TurnedAway::Closed)?),
                    Err(_) => None,
                },
            };
            Ok(Taken { accepted, rejected, commit })
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
    fn pass_on(&self, sent: Sent) -> Result<PassedOn, TurnedAway> {
        let mut intake = self.intake();
        let to = intake.to.clone().ok_or(TurnedAway::Closed)?;
        self.check_room(0)?;
        let first = intake.next;
        let rows = self.decode(sent.form, sent.body, sent.row_type.as_deref(), first)?;
        let at = self.bound().at;
        let mut rejected = Vec::new();
        let mut passed = Vec::with_capacity(rows.len());
        let mut held = Held { catalog: &self.catalog, names: Vec::new() };
        for (row, read) in rows.into_iter().enumerate() {
            let judged = self.judge(read, at, &mut held).map_err(|(field, rejection)| {
                let (code, detail) = (rejection.reason.name(), rejection.detail.clone());
                rejected.push(RowFault { row, field, code, detail });
                rejection
            });
            passed.push(Row::of(first + row as u64, judged));
        }
        let count = passed.len();
        if sent.atomic && !rejected.is_empty() {
            return Err(TurnedAway::Refused { rows: rejected, of: count });
        }
        let accepted = count - rejected.len();
        if passed.is_empty() {
            return Ok(PassedOn { accepted, rejected, told: None });
        }
        self.check_room(count)?;
        let told = self.send(to, passed)?;
        held.keep();
        intake.next = first + count as u64;
        Ok(PassedOn { accepted, rejected, told: Some(told) })
    }

    /// Passes rows on; their commit will be told.
    fn send(
        &self,
        to: SyncSender<Pumped>,
        passed: Vec<Row>,
    ) -> Result<oneshot::Receiver<Commit>, TurnedAway> {
        let count = passed.len();
        let last = passed.last().map_or(0, |row| row.position);
        let (tell, told) = oneshot::channel();
        let pumped = Pumped {
            source: self.source,
            partition: 0,
            rows: passed,
            since: Instant::now(),
            ended: false,
            incidents: Vec::new(),
            drained_at: None,
        };
        // Who waits is noted first: the rows may be bound before this thread goes on.
        let mut bound = self.bound();
        bound.waiting.push_back(Waiting { last, rows: count, tell });
        bound.rows += count;
        if let Err(error) = to.try_send(pumped) {
            bound.waiting.pop_back();
            bound.rows -= count;
            return Err(match error {
                TrySendError::Full(_) => {
                    TurnedAway::Busy("commits are behind the input".to_owned())
                }
                TrySendError::Disconnected(_) => TurnedAway::Closed,
            });
        }
        Ok(told)
    }

    fn check_room(&self, rows: usize) -> Result<(), TurnedAway> {
        if self.paused.load(Ordering::Relaxed) {
            let why = "sources pause: operators retain more than `limits.state_bytes` allows";
            return Err(TurnedAway::Busy(why.to_owned()));
        }
        let waiting = self.bound().rows;
        if waiting > 0 && waiting + rows > WAITING_ROWS {
            return Err(TurnedAway::Busy(format!("{waiting} rows wait for their commit already")));
        }
        Ok(())
    }

    fn decode(
        &self,
        form: Form,
        body: Vec<u8>,
        row_type: Option<&str>,
        first: u64,
    ) -> Result<Vec<BodyRow>, TurnedAway> {
        let form = match form {
            Form::Json => entries::Form::Json,
            Form::Ndjson => entries::Form::Ndjson,
            Form::Csv => entries::Form::Csv,
        };
        let row_type = row_type.map(Type::named).transpose().map_err(TurnedAway::Unreadable)?;
        let partition = format!("{}/process", config::Inlet::SOURCE);
        let decoder = Decoder::new(Arc::clone(&self.catalog), row_type, &partition);
        let rows = decode_body(form, body, self.limits.body_rows, &decoder, first);
        rows.map_err(|error| match error {
            BodyError::TooManyRows { limit } => TurnedAway::TooManyRows { limit },
            BodyError::Unreadable(problem) => TurnedAway::Unreadable(problem),
        })
    }

    /// What is passed on of a row. A time too far ahead, and a name for which there is no place, are refused here and
    /// not when rows are bound, so that the client hears of it: the clock allows no less, since the time of commits never
    /// goes back, and the places are held until then.
    fn judge(
        &self,
        row: BodyRow,
        at: EventTime,
        held: &mut Held<'_>,
    ) -> Result<Decoded<InputEvent>, (String, Box<Rejection>)> {
        let BodyRow { decoded, raw } = row;
        let record = decoded.map_err(|fault| (fault.field.to_string(), fault.rejection(&raw)))?;
        let refused = |field: &str, reason, detail| {
            let rejection = Rejection::new(reason, detail, format!("{:?}", record.says).as_bytes());
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

    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
