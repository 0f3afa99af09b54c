//! Whether the messages of a partition carry a time, so that a time can be found among them.
//!
//! A broker that is asked for the first message of a time passes over messages without one. Where the newest message
//! before the place that it names has none, the place says nothing of what was received when.

use std::time::Instant;

use rdkafka::Message as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{Client, Context};
use super::place::ASK_TIMEOUT;

/// What is known of the newest message before an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newest {
    /// There is none.
    Absent,
    /// It carries a time.
    Timed,
    /// The message at this offset carries none.
    Untimed(i64),
    /// Among so many offsets there is no message that can be read: marks of transactions, or what was aborted.
    Hidden(i64),
}

/// A partition to look into; what is looked at comes to `queue`.
pub(super) struct Looked<'a> {
    pub(super) client: &'a Client,
    pub(super) queue: &'a PartitionQueue<Context>,
    pub(super) topic: &'a str,
    pub(super) partition: i32,
}

/// The most offsets that are looked at for a message.
const OFFSETS_MAX: i64 = 65_536;

impl Looked<'_> {
    /// The newest message at `low` or later and before `end`. Offsets may be no messages, so it begins near the end
    /// and goes further back until it finds one.
    pub(super) fn newest(&self, low: i64, end: i64) -> Result<Newest, KafkaError> {
        if end <= low {
            return Ok(Newest::Absent);
        }
        let mut reach = 1;
        loop {
            let from = (end - reach).max(low);
            let found = self.newest_from(from, end);
            self.client.release(self.topic, self.partition);
            match found? {
                Some((_, true)) => return Ok(Newest::Timed),
                Some((offset, false)) => return Ok(Newest::Untimed(offset)),
                None if from == low => return Ok(Newest::Absent),
                None if reach >= OFFSETS_MAX => return Ok(Newest::Hidden(end - from)),
                None => reach *= 8,
            }
        }
    }

    /// The newest message from `from` up to but without `end`, and whether it has a time.
    fn newest_from(&self, from: i64, end: i64) -> Result<Option<(i64, bool)>, KafkaError> {
        self.client.assign(self.topic, self.partition, from)?;
        let until = Instant::now() + ASK_TIMEOUT;
        let mut newest = None;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            match self.queue.poll(rest) {
                Some(Ok(message)) if message.offset() < end => {
                    let has_time = message.timestamp().to_millis().is_some();
                    newest = Some((message.offset(), has_time));
                    if message.offset() + 1 == end {
                        return Ok(newest);
                    }
                }
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(newest),
                // What cannot be read is told when it is reached.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::BadCompression
                    | RDKafkaErrorCode::BadMessage
                    | RDKafkaErrorCode::AutoOffsetReset,
                ))) => return Ok(newest),
                Some(Err(error)) => return Err(error),
                None => {
                    let late = RDKafkaErrorCode::OperationTimedOut;
                    return Err(KafkaError::MessageConsumption(late));
                }
            }
        }
    }
}
