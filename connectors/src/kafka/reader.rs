//! One partition of a topic being read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};

use super::client::{Client, Context, PartitionStatus};
use super::place::RetainedRange;
use crate::messages::{Message, MessageDecoder};
use crate::source::{
    BATCH_ROWS, Incident, IncidentKind, Link, PartitionReader, Progress, Row, SourceError,
};

/// Reads on from an offset. A row's position is the offset of its message and one.
pub(super) struct KafkaReader {
    /// The names of source and partition, for errors.
    pub(super) source: Arc<str>,
    pub(super) partition_name: String,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) client: Client,
    pub(super) queue: PartitionQueue<Context>,
    pub(super) status: Arc<PartitionStatus>,
    pub(super) decoder: MessageDecoder,
    /// The offset of the next message.
    pub(super) next: i64,
    /// Whether that was the first offset of all when it was opened.
    pub(super) from_beginning: bool,
    /// Whether the end was reached and nothing has come since: the last offsets may be no messages.
    pub(super) at_end: bool,
    /// Whether the last incident said that it is connected.
    pub(super) was_up: bool,
    pub(super) error_state: Option<PartitionError>,
    /// How often in a row the next message was not there, nor was it gone.
    pub(super) beyond: u32,
    pub(super) incidents: Vec<Incident>,
}

/// Why nothing comes, though the broker is reached.
pub(super) enum PartitionError {
    /// The next message is not there; the reader asks where the partition goes on.
    OffsetOutOfRange,
    /// Reading is not allowed; it holds until a message comes.
    Forbidden(String),
    /// Another error; it holds until the broker has sent so many reports.
    Other(String, u64),
}

/// How long the first message of a batch is waited for; others are not waited for.
const WAIT: Duration = Duration::from_millis(100);
/// The timeout of a question for the offsets that there are, and the pause between two.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a restarted broker is asked for its end, which it may not know at once.
const END_ATTEMPTS_MAX: u32 = 10;

impl PartitionReader for KafkaReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        self.report_link();
        if matches!(self.error_state, Some(PartitionError::OffsetOutOfRange)) {
            self.seek()?;
            return Ok(Progress::More);
        }
        let mut wait = WAIT;
        for _ in 0..BATCH_ROWS {
            match self.queue.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    wait = Duration::ZERO;
                    let offset = message.offset();
                    if offset < self.next {
                        continue; // fetched before it was assigned anew
                    }
                    self.next = offset + 1;
                    rows.extend(decode(&mut self.decoder, &self.topic, &message));
                    (self.error_state, self.at_end) = (None, false);
                }
                Some(Err(error)) => {
                    self.handle_error(&error)?;
                    break;
                }
            }
        }
        self.status.read_to.store(self.next, Ordering::Relaxed);
        Ok(Progress::More)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents)
    }

    fn is_from_beginning(&self) -> bool {
        self.from_beginning
    }

    fn position(&self) -> Option<u64> {
        u64::try_from(self.next).ok()
    }

    fn link(&self) -> Option<Link> {
        let behind = match self.at_end {
            true => Some(0),
            false => self.status.high().map(|high| u64::try_from(high - self.next).unwrap_or(0)),
        };
        Some(Link { is_up: self.was_up, behind, at_end: self.was_up && self.at_end })
    }
}

/// The row of a message; none if it is left out.
fn decode(decoder: &mut MessageDecoder, topic: &str, message: &BorrowedMessage<'_>) -> Option<Row> {
    let header = |name: &str| {
        let mut headers = message.headers()?.iter();
        headers.find(|header| header.key == name)?.value
    };
    let position = u64::try_from(message.offset() + 1).unwrap_or(0);
    let message = Message {
        payload: message.payload(),
        key: message.key(),
        channel: topic,
        headers: &header,
        fields: &[],
    };
    decoder.decode(&message, position)
}

impl KafkaReader {
    /// Handles an error that came instead of a message.
    fn handle_error(&mut self, error: &KafkaError) -> Result<(), SourceError> {
        if let KafkaError::PartitionEOF(_) = error {
            self.at_end = true;
            self.error_state = None;
            return Ok(());
        }
        if let KafkaError::MessageConsumptionFatal(_) = error {
            return Err(self.cannot(self.client.describe(error)));
        }
        self.at_end = false;
        let detail = self.client.describe(error);
        self.error_state = Some(match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::LogTruncation,
            ) => PartitionError::OffsetOutOfRange,
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => PartitionError::Forbidden(detail),
            _ => PartitionError::Other(detail, self.status.ups()),
        });
        Ok(())
    }

    /// Continues with the oldest message there is, and reports what was lost. A partition that was made shorter cannot be
    /// read on: its positions would begin again.
    fn seek(&mut self) -> Result<(), SourceError> {
        let Ok(retained) = RetainedRange::ask(&self.client, &self.topic, self.partition, PAUSE)
        else {
            // It is asked again: the answer, or its absence, has taken its time.
            return Ok(());
        };
        if self.next > retained.high {
            self.beyond += 1;
            if self.beyond > END_ATTEMPTS_MAX {
                let problem = format!(
                    "it was read up to offset {} and ends before {} now: it was made anew or has lost its end; \
                     start again to read what is there",
                    self.next, retained.high
                );
                return Err(self.cannot(problem));
            }
            std::thread::sleep(PAUSE);
            return Ok(());
        }
        if self.next < retained.low {
            let lost = (self.next.cast_unsigned() + 1, retained.low.cast_unsigned());
            self.incidents.push(Incident {
                kind: IncidentKind::Gap,
                lost: Some(lost),
                detail: format!(
                    "the server keeps nothing before offset {}, and {} was to be read next",
                    retained.low, self.next
                ),
            });
            self.next = retained.low;
        }
        match self.client.assign(&self.topic, self.partition, self.next) {
            Ok(()) => {
                self.error_state = None;
                self.beyond = 0;
                Ok(())
            }
            Err(error) => Err(self.cannot(self.client.describe(&error))),
        }
    }

    /// Reports each change between connected and disconnected once.
    fn report_link(&mut self) {
        if let Some(PartitionError::Other(_, reports)) = &self.error_state
            && self.status.ups() > reports + 2
        {
            self.error_state = None;
        }
        let why = match &self.error_state {
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
                self.push_incident(
                    IncidentKind::Connected,
                    format!("reading from offset {}", self.next),
                );
            }
            Some(why) if self.was_up => {
                self.was_up = false;
                self.push_incident(IncidentKind::Disconnected, why);
            }
            _ => {}
        }
    }

    fn push_incident(&mut self, kind: IncidentKind, detail: String) {
        self.incidents.push(Incident { kind, lost: None, detail });
    }

    fn cannot(&self, problem: impl std::fmt::Display) -> SourceError {
        SourceError::Server {
            name: self.source.to_string(),
            problem: format!("{}: {problem}", self.partition_name),
            retryable: false,
        }
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.client.release(&self.topic, self.partition);
    }
}
