//! One partition of a topic being read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};

use super::client::{Client, Context, Standing};
use super::place::Kept;
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
    pub(super) standing: Arc<Standing>,
    pub(super) decoder: MessageDecoder,
    /// The offset of the next message.
    pub(super) next: i64,
    /// Whether that was the first offset of all when it was opened.
    pub(super) from_beginning: bool,
    /// Whether the end was reached and nothing has come since: the last offsets may be no messages.
    pub(super) at_end: bool,
    /// Whether it was last told to be connected.
    pub(super) was_up: bool,
    pub(super) fault: Option<Fault>,
    /// How often in a row the next message was not there, nor was it gone.
    pub(super) beyond: u32,
    pub(super) incidents: Vec<Incident>,
}

/// Why nothing comes, though the broker is reached.
pub(super) enum Fault {
    /// What was to be read next is not there; where it goes on is asked until it is known.
    Astray,
    /// It is not allowed, until something comes.
    Forbidden(String),
    /// Something else, until the broker was heard of so often.
    Other(String, u64),
}

/// For the first message of a batch it waits so long; for others not at all.
const WAIT: Duration = Duration::from_millis(100);
/// While it looks for its place, it asks and waits so long at a time.
const PAUSE: Duration = Duration::from_secs(1);
/// A broker that begins again may not know its end at once: it is asked so often.
const PATIENCE: u32 = 10;

impl PartitionReader for KafkaReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        self.tell_link();
        if matches!(self.fault, Some(Fault::Astray)) {
            self.find_again()?;
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
                    (self.fault, self.at_end) = (None, false);
                }
                Some(Err(error)) => {
                    self.take(&error)?;
                    break;
                }
            }
        }
        self.standing.read_to.store(self.next, Ordering::Relaxed);
        Ok(Progress::More)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents)
    }

    fn is_from_beginning(&self) -> bool {
        self.from_beginning
    }

    fn link(&self) -> Option<Link> {
        let behind = match self.at_end {
            true => Some(0),
            false => self.standing.high().map(|high| u64::try_from(high - self.next).unwrap_or(0)),
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
    /// Takes what is told instead of a message.
    fn take(&mut self, error: &KafkaError) -> Result<(), SourceError> {
        if let KafkaError::PartitionEOF(_) = error {
            self.at_end = true;
            self.fault = None;
            return Ok(());
        }
        if let KafkaError::MessageConsumptionFatal(_) = error {
            return Err(self.cannot(self.client.said(error)));
        }
        self.at_end = false;
        let said = self.client.said(error);
        self.fault = Some(match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::LogTruncation,
            ) => Fault::Astray,
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => Fault::Forbidden(said),
            _ => Fault::Other(said, self.standing.ups()),
        });
        Ok(())
    }

    /// Goes on with the oldest message there is, and tells what was lost. What was made shorter cannot be read
    /// on: its positions would begin again.
    fn find_again(&mut self) -> Result<(), SourceError> {
        let Ok(kept) = Kept::ask(&self.client, &self.topic, self.partition, PAUSE) else {
            // It is asked again: the answer, or its absence, has taken its time.
            return Ok(());
        };
        if self.next > kept.high {
            self.beyond += 1;
            if self.beyond > PATIENCE {
                let problem = format!(
                    "it was read up to offset {} and ends before {} now: it was made anew or has lost its end; \
                     start again to read what is there",
                    self.next, kept.high
                );
                return Err(self.cannot(problem));
            }
            std::thread::sleep(PAUSE);
            return Ok(());
        }
        if self.next < kept.low {
            let lost = (self.next.cast_unsigned() + 1, kept.low.cast_unsigned());
            self.incidents.push(Incident {
                kind: IncidentKind::Gap,
                lost: Some(lost),
                detail: format!(
                    "the server keeps nothing before offset {}, and {} was to be read next",
                    kept.low, self.next
                ),
            });
            self.next = kept.low;
        }
        match self.client.assign(&self.topic, self.partition, self.next) {
            Ok(()) => {
                self.fault = None;
                self.beyond = 0;
                Ok(())
            }
            Err(error) => Err(self.cannot(self.client.said(&error))),
        }
    }

    /// Tells once that it is connected, or not any more.
    fn tell_link(&mut self) {
        if let Some(Fault::Other(_, heard)) = &self.fault
            && self.standing.ups() > heard + 2
        {
            self.fault = None;
        }
        let why = match &self.fault {
            Some(Fault::Forbidden(said) | Fault::Other(said, _)) => Some(said.clone()),
            _ if self.standing.is_mute() => Some("its broker does not answer".to_owned()),
            _ if !self.standing.is_up() => Some(match self.client.reason() {
                reason if reason.is_empty() => "its broker is not reached".to_owned(),
                reason => reason,
            }),
            _ => None,
        };
        match why {
            None if !self.was_up => {
                self.was_up = true;
                self.tell(IncidentKind::Connected, format!("reading from offset {}", self.next));
            }
            Some(why) if self.was_up => {
                self.was_up = false;
                self.tell(IncidentKind::Disconnected, why);
            }
            _ => {}
        }
    }

    fn tell(&mut self, kind: IncidentKind, detail: String) {
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
