//! One partition of a topic being read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};

use super::client::{Client, Connection, Context};
use super::kafka_state::Noted;
use super::skip::Skip;
use super::status::{HeldBack, PartitionStatus};
use crate::mapping::Packing;
use crate::messages::{Message, MessageDecoder, Original};
use crate::source::{
    BATCH_ROWS, HeldBy, HeldRows, Incident, IncidentKind, Link, PartitionReader, PartitionState,
    Progress, Row, SourceError,
};

/// Reads on from an offset. A row's position is the offset of its message and one, and, after the topic was made anew,
/// what had been read before.
pub(super) struct KafkaReader {
    /// The names of source and partition, for errors.
    pub(super) source: Arc<str>,
    pub(super) partition_name: String,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) connection: Arc<Connection>,
    pub(super) client: Client,
    pub(super) queue: PartitionQueue<Context>,
    pub(super) status: Arc<PartitionStatus>,
    pub(super) decoder: MessageDecoder,
    /// Whether offsets are committed to a group.
    pub(super) commits: bool,
    /// How positions of rows come from those of messages.
    pub(super) packing: Packing,
    /// Rows up to this position were read before.
    pub(super) after: u64,
    /// The offset of the next message.
    pub(super) next: i64,
    /// What positions have on top of offsets.
    pub(super) base: u64,
    /// How often the topic was made anew when its offsets began.
    pub(super) made_anew: u64,
    /// Whether that was the first offset of all when it was opened.
    pub(super) from_beginning: bool,
    /// Whether the end was reached and nothing has come since: the last offsets may be no messages.
    pub(super) at_end: bool,
    /// Whether the last incident said that it is connected.
    pub(super) was_up: bool,
    /// Whether the last incident of them said that transactions hold messages back.
    pub(super) was_held: bool,
    pub(super) error_state: Option<PartitionError>,
    /// How often in a row the next message was not there, nor was it gone.
    pub(super) beyond: u32,
    pub(super) incidents: Vec<Incident>,
    /// What another process was told that it needs.
    pub(super) noted: Noted,
}

/// Why nothing comes, though the broker is reached.
pub(super) enum PartitionError {
    /// The next message is not there; the reader asks where the partition goes on.
    OffsetOutOfRange,
    /// The partition has lost its end, and got another one.
    Truncated,
    /// The next messages cannot be read, and the end of them is searched for.
    Unreadable(Search),
    /// The library left out what does not agree with its checksum; where it goes on is seen by the next message.
    LeftOut(i64),
    /// Reading is not allowed; it holds until a message comes.
    Forbidden(String),
    /// Another error; it holds until the broker has sent so many reports.
    Other(String, u64),
}

/// A search under way.
pub(super) struct Search {
    pub(super) skip: Skip,
    /// What the library said.
    pub(super) why: String,
    /// The offset that was asked for, and when.
    pub(super) asked: Option<(i64, Instant)>,
}

/// How long the first message of a batch is waited for; others are not waited for.
pub(super) const WAIT: Duration = Duration::from_millis(100);
/// Messages that are held back for so long are told.
const HELD_TOLD_AFTER: Duration = Duration::from_secs(5);

impl PartitionReader for KafkaReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        self.report_link();
        self.report_held();
        if !self.client.is_usable() {
            self.renew_client()?;
            return Ok(Progress::More);
        }
        if self.status.made_anew() != self.made_anew {
            self.begin_anew();
            return Ok(Progress::More);
        }
        match &self.error_state {
            Some(PartitionError::OffsetOutOfRange | PartitionError::Truncated) => {
                self.seek()?;
                return Ok(Progress::More);
            }
            Some(PartitionError::Unreadable(_)) => {
                self.search(rows)?;
                return Ok(Progress::More);
            }
            _ => {}
        }
        self.read_batch(rows)?;
        self.status.set_read_to(self.next);
        Ok(Progress::More)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        self.incidents.extend(self.decoder.warnings());
        std::mem::take(&mut self.incidents)
    }

    fn state(&mut self) -> Option<PartitionState> {
        self.noted.note(self.client.topic_id(&self.topic), self.base, self.next)
    }

    fn is_from_beginning(&self) -> bool {
        self.from_beginning
    }

    fn position(&self) -> Option<u64> {
        u64::try_from(self.next).ok().map(|next| self.packing.last(next))
    }

    fn link(&self) -> Option<Link> {
        let behind = match self.at_end {
            true => Some(0),
            false => self.status.high().map(|high| u64::try_from(high - self.next).unwrap_or(0)),
        };
        let held = self.held().map(|held| HeldRows {
            rows: held.offsets,
            since: held.since,
            by: HeldBy::Transaction,
        });
        // What transactions hold back will be read, so the end is not reached.
        let at_end = self.was_up && self.at_end && held.is_none();
        Some(Link { is_up: self.was_up, behind, at_end, held })
    }
}

impl KafkaReader {
    fn read_batch(&mut self, rows: &mut Vec<Row>) -> Result<(), SourceError> {
        let mut wait = WAIT;
        let begun = rows.len();
        while rows.len() - begun < BATCH_ROWS {
            match self.queue.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    wait = Duration::ZERO;
                    let offset = message.offset();
                    if offset < self.next {
                        continue; // fetched before it was assigned anew
                    }
                    // Looked at after the message was taken, which may be of the new topic.
                    if self.status.made_anew() != self.made_anew {
                        break;
                    }
                    let left_out = match self.error_state.take() {
                        Some(PartitionError::LeftOut(from)) => Some((from, offset)),
                        _ => None,
                    };
                    (self.next, self.at_end) = (offset + 1, false);
                    let number = position(self.base, offset);
                    let (after, begun) = (self.after, rows.len());
                    decode(&mut self.decoder, &self.topic, &message, number, &mut |row| {
                        if row.position > after {
                            rows.push(row);
                        }
                    });
                    if let Some((from, end)) = left_out {
                        let mut own = rows.split_off(begun);
                        self.leave_out(from, end, "does not agree with its checksum", rows);
                        rows.append(&mut own);
                    }
                }
                Some(Err(error)) => {
                    self.handle_error(&error, rows)?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Handles an error that came instead of a message.
    fn handle_error(&mut self, error: &KafkaError, rows: &mut Vec<Row>) -> Result<(), SourceError> {
        if let KafkaError::PartitionEOF(_) = error {
            if let Some(PartitionError::LeftOut(from)) = self.error_state.take() {
                let end = self.status.high().unwrap_or(from).max(from + 1);
                self.leave_out(from, end, "does not agree with its checksum", rows);
                self.next = end;
            }
            self.at_end = true;
            return Ok(());
        }
        if let KafkaError::MessageConsumptionFatal(_) = error {
            self.client.note_failed();
            return Err(self.cannot(self.client.describe(error)));
        }
        self.at_end = false;
        let why = self.client.describe(error);
        self.error_state = Some(match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                PartitionError::OffsetOutOfRange
            }
            Some(RDKafkaErrorCode::LogTruncation) => PartitionError::Truncated,
            Some(RDKafkaErrorCode::BadCompression) => {
                PartitionError::Unreadable(Search { skip: Skip::new(self.next), why, asked: None })
            }
            Some(RDKafkaErrorCode::BadMessage) => match self.error_state.take() {
                Some(PartitionError::LeftOut(from)) => PartitionError::LeftOut(from),
                _ => PartitionError::LeftOut(self.next),
            },
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => PartitionError::Forbidden(why),
            _ => PartitionError::Other(why, self.status.ups()),
        });
        Ok(())
    }

    /// Reports each change between connected and disconnected once.
    fn report_link(&mut self) {
        if let Some(PartitionError::Other(_, reports)) = &self.error_state
            && self.status.ups() > reports + 2
        {
            self.error_state = None;
        }
        let why = match &self.error_state {
            _ if self.status.is_missing() => Some("it does not exist, or not any more".to_owned()),
            Some(PartitionError::Forbidden(detail) | PartitionError::Other(detail, _)) => {
                Some(detail.clone())
            }
            _ if self.status.is_unresponsive() => Some("its broker does not answer".to_owned()),
            _ if !self.status.is_up() => Some(match self.client.reason() {
                reason if reason.is_empty() => "its broker is not reached".to_owned(),
                reason => reason,
            }),
            _ => None,
        };
        match why {
            None if !self.was_up => {
                self.was_up = true;
                let detail = format!("reading from offset {}", self.next);
                self.push_incident(IncidentKind::Connected, detail);
            }
            Some(why) if self.was_up => {
                self.was_up = false;
                self.push_incident(IncidentKind::Disconnected, why);
            }
            _ => {}
        }
    }

    /// What open transactions hold back, once everything before it was read.
    fn held(&self) -> Option<HeldBack> {
        self.status.held().filter(|held| self.at_end && self.next <= held.from)
    }

    /// Reports once that messages are held back, and once that they are not any more.
    fn report_held(&mut self) {
        let held = self.held().filter(|held| held.since.elapsed() >= HELD_TOLD_AFTER);
        match (held, self.was_held) {
            (Some(HeldBack { from, offsets, .. }), false) => {
                let detail = format!(
                    "an open transaction holds back what follows, {offsets} offsets from {from} on: it is read when \
                     the transaction ends, or when the broker aborts it"
                );
                self.push_incident(IncidentKind::Warning, detail);
            }
            (None, true) if self.held().is_none() => {
                let detail = "no transaction holds back what follows any more".to_owned();
                self.push_incident(IncidentKind::Warning, detail);
            }
            _ => return,
        }
        self.was_held = held.is_some();
    }

    pub(super) fn push_incident(&mut self, kind: IncidentKind, detail: String) {
        self.incidents.push(Incident { kind, lost: None, detail });
    }

    pub(super) fn cannot(&self, problem: impl std::fmt::Display) -> SourceError {
        SourceError::Server {
            name: self.source.to_string(),
            problem: format!("{}: {problem}", self.partition_name),
            retryable: false,
        }
    }
}

/// The position of the message at an offset.
pub(super) fn position(base: u64, offset: i64) -> u64 {
    base.saturating_add(u64::try_from(offset + 1).unwrap_or(0))
}

/// The rows of a message.
fn decode(
    decoder: &mut MessageDecoder,
    topic: &str,
    message: &BorrowedMessage<'_>,
    number: u64,
    take: &mut dyn FnMut(Row),
) {
    let header = |name: &str| {
        let mut headers = message.headers()?.iter();
        headers.find(|header| header.key == name)?.value
    };
    let read = Message {
        payload: message.payload(),
        key: message.key(),
        channel: topic,
        headers: &header,
        fields: &[],
    };
    decoder.decode_each(&read, number, &mut |mut row| {
        if let Err(rejection) = &mut row.event {
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            rejection.original = Some(
                Original::new()
                    .number("offset", message.offset())
                    .number("time_ms", message.timestamp().to_millis())
                    .bytes("key", message.key())
                    .pairs("headers", headers.map(|header| (header.key.as_bytes(), header.value)))
                    .payload(message.payload())
                    .finish(),
            );
        }
        take(row);
    });
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        if self.commits {
            self.client.commit_last(&self.topic, self.partition, &self.status);
        }
        self.client.release(&self.topic, self.partition);
    }
}
