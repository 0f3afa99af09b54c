//! What becomes of a body: its rows are decoded and checked, and sent to the sequencer.

use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::Instant;

use connectors::entries::{self, BodyError, BodyRow, Decoder, Type, decode_body, written_entry};
use connectors::{Decoded, Row};
use market::{
    AdmissionError, Catalog, EventTime, InputEvent, Rejection, RejectionReason, UnknownNames,
};
use node_api::ingest::{
    FAULTS_MAX, FIELD_MAX, PostError, PostKey, PostedBody, PostedFormat, Token,
};
use tokio::sync::oneshot;

use super::{HTTP_PARTITION, HTTP_SOURCE, Shared, Waiting, senders};
use crate::ingest::event_queues::EventSender;
use crate::ingest::idempotency::{Answering, BoundPost, KeyState, KeyedFault, KeyedPost, token};
use crate::ingest::input::SourceEvent;

/// Rows that may wait for their commit, unless they are all of one request.
const WAITING_ROWS_MAX: usize = 65_536;

/// A request that was taken.
pub(super) enum Taken {
    /// Nothing was: the same request came before.
    Before(BoundPost),
    /// Its rows were sent to the sequencer; the channel receives the token of their commit.
    Sent(Arc<KeyedPost>, oneshot::Receiver<Token>, Option<Answering>),
    /// There is nothing to be bound. The token is that of the last commit.
    Empty(Arc<KeyedPost>, Option<Token>, Option<Answering>),
}

/// What became of the rows of a request.
enum Accepted {
    /// Its rows were sent to the sequencer; the channel receives the token of their commit.
    Sent(Arc<KeyedPost>, oneshot::Receiver<Token>),
    /// There is nothing to be bound.
    Empty(Arc<KeyedPost>),
}

/// The places that are reserved in the catalog for the rows of a body; released unless the rows are sent.
pub(super) struct HeldNames<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) names: Vec<UnknownNames>,
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

impl Shared {
    /// Takes a request, unless its key has come before.
    pub(super) fn take(&self, sent: PostedBody) -> Result<Taken, PostError> {
        let mut answering = match &sent.key {
            None => None,
            Some(key) => match self.look_up(key)? {
                KeyState::New(answering) => Some(answering),
                KeyState::Answered(bound) => return Ok(Taken::Before(bound)),
                KeyState::InProgress => return Err(PostError::InProgress),
                KeyState::Other => return Err(PostError::OtherRequest),
            },
        };
        let accepted = self.accept(sent)?;
        answering.iter_mut().for_each(Answering::taken);
        match accepted {
            Accepted::Sent(post, token) => Ok(Taken::Sent(post, token, answering)),
            Accepted::Empty(post) => {
                let bound = self.bound();
                let token = bound.round.map(|commit| token(bound.run, commit));
                answering.iter().for_each(|one| one.remember(&post, token));
                Ok(Taken::Empty(post, token, answering))
            }
        }
    }

    /// Looks a key up. Before the run has begun it may not be known yet.
    fn look_up(&self, key: &PostKey) -> Result<KeyState, PostError> {
        match self.intake().to {
            Some(_) => Ok(self.keys.begin(key)),
            None => Err(PostError::Closed),
        }
    }

    fn accept(&self, sent: PostedBody) -> Result<Accepted, PostError> {
        let mut intake = self.intake();
        let to = intake.to.clone().ok_or(PostError::Closed)?;
        self.check_room(0)?;
        let first = intake.next;
        let rows = self.decode(sent.form, sent.body, sent.row_type.as_deref(), first)?;
        senders::check(&rows, &sent.limits)?;
        let at = self.bound().at;
        let (mut rejected, mut faults) = (0, Vec::new());
        let mut passed = Vec::with_capacity(rows.len());
        let mut held = HeldNames { catalog: &self.catalog, names: Vec::new() };
        for (row, read) in rows.into_iter().enumerate() {
            let further = further(&read);
            let judged = self.check_row(read, at, &mut held).map_err(|(field, rejection)| {
                rejected += 1;
                let first = (field, rejection.reason, rejection.detail.clone());
                for (field, reason, detail) in [first].into_iter().chain(further) {
                    if faults.len() < FAULTS_MAX {
                        let field = field.chars().take(FIELD_MAX).collect();
                        faults.push(KeyedFault { row: row as u64, field, reason, detail });
                    }
                }
                rejection
            });
            passed.push(Row::of(first + row as u64, judged));
        }
        let count = passed.len();
        if sent.atomic && rejected > 0 {
            let rows = faults.iter().map(KeyedFault::row_fault).collect();
            return Err(PostError::Refused { rows, rejected, of: count });
        }
        let has_key = sent.key.is_some();
        let PostKey { key, request_hash } = sent.key.unwrap_or_default();
        let (accepted, rejected) = ((count - rejected) as u64, rejected as u64);
        let post = Arc::new(KeyedPost { key, request_hash, accepted, rejected, faults });
        if passed.is_empty() {
            return Ok(Accepted::Empty(post));
        }
        self.check_room(count)?;
        let token = self.send(to, passed, has_key.then(|| Arc::clone(&post)))?;
        held.keep();
        intake.next = first + count as u64;
        Ok(Accepted::Sent(post, token))
    }

    /// Sends rows to the sequencer; returns the channel that receives the token of their commit.
    fn send(
        &self,
        to: EventSender,
        passed: Vec<Row>,
        post: Option<Arc<KeyedPost>>,
    ) -> Result<oneshot::Receiver<Token>, PostError> {
        let count = passed.len();
        let last = passed.last().map_or(0, |row| row.position);
        let (committed, commit) = oneshot::channel();
        let received_at = Instant::now();
        let event = SourceEvent::Posted { rows: passed, received_at, post };
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

    pub(super) fn decode(
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
    pub(super) fn check_row(
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
}

/// What is wrong with a row that could not be decoded, beside the first: field, reason, and words.
fn further(row: &BodyRow) -> Vec<(String, RejectionReason, String)> {
    let Err(error) = &row.decoded else { return Vec::new() };
    let further = error.further.iter();
    further.map(|error| (error.field.to_string(), error.reason, error.detail.clone())).collect()
}
