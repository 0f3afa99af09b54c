//! Which rows of earlier runs a topic of upserts holds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::place::ASK_TIMEOUT;

/// The most keys of a topic that are read back.
const KEYS_MAX: usize = 1_000_000;
/// The longest wait for the next message.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a topic could not be read back.
#[derive(Debug, thiserror::Error)]
pub(super) enum EarlierKeysError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("no message came for {} s", MESSAGE_TIMEOUT.as_secs())]
    Silent,
    #[error("it has more than {KEYS_MAX} keys; without `replace_earlier` they may stay")]
    TooMany,
}

/// Reads a topic from its beginning to its present end. Gives the keys whose newest message is a row, and not of `run`.
///
/// Messages of one key lie in one partition, so the newest one is the last. The caller guarantees that nobody else
/// writes to the topic meanwhile.
pub(super) fn earlier_keys(
    config: &ClientConfig,
    topic: &str,
    run: &str,
) -> Result<Vec<String>, EarlierKeysError> {
    let consumer: BaseConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), ASK_TIMEOUT)?;
    let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
    // By key, whether the newest message is a row of an earlier run.
    let mut keys: HashMap<String, bool> = HashMap::new();
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), ASK_TIMEOUT)?;
        if low == high {
            continue;
        }
        let mut assigned = TopicPartitionList::with_capacity(1);
        assigned.add_partition_offset(topic, partition.id(), Offset::Offset(low))?;
        consumer.assign(&assigned)?;
        while let Some(message) = next(&consumer)? {
            let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            let is_earlier = message.payload().is_some() && !is_of(&message, run);
            keys.insert(key, is_earlier);
            if keys.len() > KEYS_MAX {
                return Err(EarlierKeysError::TooMany);
            }
            if message.offset() + 1 >= high {
                break;
            }
        }
    }
    Ok(keys.into_iter().filter_map(|(key, is_earlier)| is_earlier.then_some(key)).collect())
}

/// What a consumer of a topic needs besides what is said of the server: no group, and to hear of the end.
pub(super) fn reads_to_the_end(config: &mut ClientConfig) {
    config
        .set("group.id", "tickweave") // the library wants one; nothing is committed to it
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true");
}

/// The next message; none at the end of the partition.
fn next(consumer: &BaseConsumer) -> Result<Option<BorrowedMessage<'_>>, EarlierKeysError> {
    let deadline = Instant::now() + MESSAGE_TIMEOUT;
    loop {
        match consumer.poll(deadline.saturating_duration_since(Instant::now())) {
            None => return Err(EarlierKeysError::Silent),
            Some(Ok(message)) => return Ok(Some(message)),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            // The library connects again by itself.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
            ))) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

fn is_of(message: &BorrowedMessage<'_>, run: &str) -> bool {
    let mut headers = message.headers().into_iter().flat_map(Headers::iter);
    headers.any(|header| header.key == "run" && header.value == Some(run.as_bytes()))
}
