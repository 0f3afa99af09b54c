//! Produces to a topic, for `tickweave produce`.

use std::io;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::config::{check_topic, checked_servers};
use super::sink::DeliveryOutcome;

/// A producer for one topic. Messages in flight are bounded by 64 MiB and 100,000.
pub struct KafkaProducer {
    producer: BaseProducer<DeliveryOutcome>,
    topic: String,
    put: u64,
}

/// The longest wait for room in a full buffer before the next try.
const FULL_POLL: Duration = Duration::from_millis(20);
/// The longest wait at the end for messages in flight.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

impl KafkaProducer {
    /// Of a name such as `127.0.0.1:9092/trades`, several servers by commas.
    pub fn open(name: &str) -> io::Result<KafkaProducer> {
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        let (servers, topic) = name
            .split_once('/')
            .ok_or_else(|| wrong(format!("`{name}` is not HOST:PORT/TOPIC")))?;
        check_topic(topic).map_err(wrong)?;
        let producer = ClientConfig::new()
            .set("bootstrap.servers", checked_servers(servers).map_err(wrong)?)
            .set("client.id", "tickweave")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("queue.buffering.max.kbytes", "65536")
            .set("message.timeout.ms", "30000")
            .set("partitioner", "murmur2_random")
            .create_with_context(DeliveryOutcome::default());
        let producer = producer.map_err(|error| wrong(error.to_string()))?;
        Ok(KafkaProducer { producer, topic: topic.to_owned(), put: 0 })
    }

    /// Takes a message; blocks while too much is in flight. Messages of one key stay in their order.
    pub fn put(&mut self, key: &str, payload: &[u8]) -> io::Result<()> {
        let mut message = BaseRecord::to(&self.topic).key(key).payload(payload);
        loop {
            match self.producer.send(message) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    message = again;
                    self.producer.poll(FULL_POLL);
                }
                Err((error, _)) => return Err(self.failed(&error)),
            }
        }
        self.put += 1;
        if self.put.is_multiple_of(1_024) {
            self.producer.poll(Duration::ZERO);
            self.check()?;
        }
        Ok(())
    }

    /// Waits until the servers have everything.
    pub fn finish(&mut self) -> io::Result<()> {
        self.producer.flush(FLUSH_TIMEOUT).map_err(|error| self.failed(&error))?;
        self.check()
    }

    fn check(&self) -> io::Result<()> {
        let failed = self.producer.context().take_failed();
        failed.map_or(Ok(()), |error| Err(self.failed(&error)))
    }

    fn failed(&self, error: &KafkaError) -> io::Error {
        io::Error::other(self.producer.context().explained(error))
    }
}
