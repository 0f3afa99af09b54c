//! `kind = "kafka"` as a sink: changes of views as keyed messages.
//!
//! ```toml
//! [[sink]]
//! name = "bars"
//! kind = "kafka"
//! views = ["candles"]
//! servers = "127.0.0.1:9092"
//! topic = "tickweave.{view}"       # `{view}` is needed where there are several views
//! ```
//!
//! The key of a message is the row's key. With upserts its value is the row as JSON, or nothing (a tombstone) when the
//! row has gone, so that a compacted topic is the view. With deltas its value is `{"before":…,"row":…}`, either of
//! which may be `null`.
//!
//! Headers hold `run`, `view`, `commit`, `at` and `kind`: `changes`, `snapshot` or `resync`. A message may come twice, in the same words. After
//! a `resync` there is no tombstone for what went in between: keys whose newest message is of the same run and of
//! an earlier commit than the resync are gone (but for logs).
//!
//! With `replace_earlier`, the topic is read back once the run has caught up, and rows of earlier runs that are not in the
//! view any more get tombstones.
//!
//! A topic that is deleted and made anew gets everything anew, as a `resync`.
//!
//! A producer that knows no broker any more (`KnownBrokers` says when that is) is made anew before the next batch.
//!
//! A batch counts as delivered when the brokers have confirmed all of it (`acks = all`, idempotent). Nothing else is
//! kept here: messages in flight are those of one batch.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use market::Commit;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::brokers::KnownBrokers;
use super::config::{check_topic, checked_servers};
use super::earlier_keys::{EarlierKeysError, earlier_keys, reads_to_the_end};
use super::lock;
use super::properties::{Owned, Properties, refused};
use super::status::Statistics;
use super::topic_id::{report_topic_ids, topic_id};
use crate::registry::{SinkBuildContext, TypedSink};
use crate::sink::{BatchKind, Encoding, Sink, SinkBatch, SinkError, SinkRecord, SinkWriter};

/// The keys of a sink of topics, besides those of all sinks.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSinkConfig {
    /// Brokers to begin with, `host:port`, several by commas.
    pub servers: String,
    /// The topic; `{view}` stands for the name of the view, and is needed where there are several views.
    pub topic: String,
    /// Properties of librdkafka, such as those of TLS and SASL.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// Topics of a cluster.
pub struct KafkaSink {
    name: String,
    servers: String,
    topic: String,
    encoding: Encoding,
    properties: Properties,
}

/// Writes to one topic.
struct TopicWriter {
    /// What producers are made of.
    config: ClientConfig,
    /// What consumers that read the topic back are made of.
    consumer_config: ClientConfig,
    producer: BaseProducer<DeliveryOutcome>,
    tried: String,
    topic: String,
    encoding: Encoding,
}

/// The outcome of the messages in flight: the error of the first that did not arrive.
#[derive(Default)]
pub(super) struct DeliveryOutcome {
    failed: Mutex<Option<KafkaError>>,
    /// Why a broker could not be reached, as last reported.
    reason: Mutex<String>,
    /// The id of the topic, as last reported.
    topic_id: Mutex<Option<String>>,
    /// Whether the topic was made anew since that was last asked.
    made_anew: AtomicBool,
    brokers: KnownBrokers,
}

/// What the contract of sinks needs to be as it is.
const OWNED: [Owned; 6] = [
    ("acks", "what is delivered must be confirmed by all"),
    ("request.required.acks", "what is delivered must be confirmed by all"),
    ("enable.idempotence", "batches must arrive in order and once"),
    ("transactional.id", "batches are no transactions"),
    ("delivery.report.only.error", "deliveries are waited for"),
    ("enable.gapless.guarantee", "a batch that did not arrive comes again"),
];

/// What a user may set otherwise. The last one has keys lie where other clients put them.
const DEFAULTS: [(&str, &str); 7] = [
    ("message.timeout.ms", "30000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("compression.type", "lz4"),
    ("client.id", "tickweave"),
    ("reconnect.backoff.max.ms", "2000"),
    ("topic.metadata.refresh.interval.ms", "10000"), // a topic that was made anew is known by that
    ("partitioner", "murmur2_random"),
];

/// The longest wait for a batch; `message.timeout.ms` ends it before.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(330);
/// How long it is asked whether a topic exists that took nothing.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long events are taken while nothing is written: a poll takes one, and goes on until its time is over.
const EVENTS_POLL: Duration = Duration::from_millis(10);
/// The longest wait for room in a full buffer before the next try.
const FULL_POLL: Duration = Duration::from_millis(100);

impl TypedSink for KafkaSink {
    const KIND: &'static str = "kafka";
    type Config = KafkaSinkConfig;

    fn build(config: KafkaSinkConfig, context: SinkBuildContext) -> Result<KafkaSink, SinkError> {
        let name = context.name.clone();
        check(config, context).map_err(|problem| SinkError::Config { name, problem })
    }
}

fn check(config: KafkaSinkConfig, context: SinkBuildContext) -> Result<KafkaSink, String> {
    let SinkBuildContext { name, folder, views, encoding, .. } = context;
    let KafkaSinkConfig { servers, topic, properties } = config;
    if views.len() > 1 && !topic.contains("{view}") {
        return Err("`topic` must contain `{view}`, since there are several views".to_owned());
    }
    for view in &views {
        check_topic(&topic.replace("{view}", view))?;
    }
    let properties = Properties::check(properties, &folder, &OWNED)?;
    Ok(KafkaSink { name, servers: checked_servers(&servers)?, topic, encoding, properties })
}

impl Sink for KafkaSink {
    fn knows_earlier_rows(&self) -> bool {
        self.encoding == Encoding::Upserts
    }

    fn open(&self, view: &str) -> Result<Box<dyn SinkWriter>, SinkError> {
        let wrong = |problem| SinkError::Config { name: self.name.clone(), problem };
        let mut config = ClientConfig::new();
        for (name, value) in DEFAULTS {
            config.set(name, value);
        }
        self.properties.set(&mut config).map_err(wrong)?;
        config
            .set("bootstrap.servers", &self.servers)
            .set("enable.idempotence", "true")
            .set("statistics.interval.ms", "1000");
        report_topic_ids(&mut config);
        let producer = config.create_with_context(DeliveryOutcome::default());
        let topic = self.topic.replace("{view}", view);
        let mut consumer_config = ClientConfig::new();
        self.properties.set(&mut consumer_config).map_err(wrong)?;
        consumer_config.set("bootstrap.servers", &self.servers).set("client.id", "tickweave");
        reads_to_the_end(&mut consumer_config);
        Ok(Box::new(TopicWriter {
            config,
            consumer_config,
            producer: producer.map_err(|error| wrong(refused(&error)))?,
            tried: format!("cannot write to {topic} of {}", self.servers),
            topic,
            encoding: self.encoding,
        }))
    }
}

impl SinkWriter for TopicWriter {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), SinkError> {
        self.renew_producer()?;
        let (commit, at) = (batch.commit.0.to_string(), batch.at.rfc3339());
        let kind = match batch.kind {
            BatchKind::Snapshot => "snapshot",
            BatchKind::Resync => "resync",
            BatchKind::Changes => "changes",
        };
        let headers = [
            ("run", batch.run),
            ("view", batch.view),
            ("commit", &commit),
            ("at", &at),
            ("kind", kind),
        ];
        let headers = headers.into_iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        for record in batch.records {
            self.send(record, &headers).map_err(|error| self.failed(error))?;
        }
        self.producer.flush(FLUSH_TIMEOUT).map_err(|error| self.failed(error))?;
        match self.producer.context().take_failed() {
            None => self.check_topic(),
            Some(error) => Err(self.failed(error)),
        }
    }

    fn check(&mut self, _run: &str, _commit: Commit) -> Result<(), SinkError> {
        self.producer.poll(EVENTS_POLL);
        self.renew_producer()?;
        self.check_topic()
    }

    fn earlier_keys(&mut self, run: &str) -> Result<Vec<String>, SinkError> {
        earlier_keys(&self.consumer_config, &self.topic, run).map_err(|error| {
            let tried = format!("cannot read {} back", self.topic);
            match error {
                EarlierKeysError::TooMany => SinkError::Fatal { tried, cause: error.into() },
                _ => SinkError::Retry { tried, cause: error.into() },
            }
        })
    }
}

impl TopicWriter {
    /// Makes the producer anew if it knows no broker any more. Nothing is in flight: a batch is waited for, and what
    /// did not arrive comes again.
    fn renew_producer(&mut self) -> Result<(), SinkError> {
        let before = self.producer.context();
        if !before.brokers.is_empty() {
            return Ok(());
        }
        let topic_id = Mutex::new(lock(&before.topic_id).clone());
        let outcome = DeliveryOutcome { topic_id, ..DeliveryOutcome::default() };
        let producer = self.config.create_with_context(outcome);
        self.producer = producer.map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Hands a record over; waits while the buffer is full.
    fn send(&self, record: &SinkRecord, headers: &OwnedHeaders) -> Result<(), KafkaError> {
        let value = value(record, self.encoding);
        let message = BaseRecord::to(&self.topic).key(&record.key).headers(headers.clone());
        let mut message = match &value {
            Some(value) => message.payload(value.as_str()),
            None => message,
        };
        loop {
            match self.producer.send(message) {
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    message = again;
                    self.producer.poll(FULL_POLL);
                }
                Err((error, _)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Whether the topic is still the one that was written to.
    fn check_topic(&self) -> Result<(), SinkError> {
        match self.producer.context().made_anew.swap(false, Ordering::Relaxed) {
            false => Ok(()),
            true => Err(SinkError::Forgotten {
                tried: self.tried.clone(),
                cause: "the topic was deleted and made anew; everything is written anew".into(),
            }),
        }
    }

    /// An error in words. That a topic does not exist the library knows, and reports a timeout.
    fn explained(&self, error: &KafkaError) -> String {
        let explained = self.producer.context().explained(error);
        let is_late = error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut);
        let metadata = is_late
            .then(|| self.producer.client().fetch_metadata(Some(&self.topic), ASK_TIMEOUT).ok());
        let metadata = metadata.flatten();
        let topic = metadata.as_ref().and_then(|metadata| metadata.topics().first());
        match topic.and_then(|topic| topic.error()).map(RDKafkaErrorCode::from) {
            Some(why) => format!("{explained}: {why}"),
            None => explained,
        }
    }

    /// What is wrong with a row or with what is allowed stays wrong.
    fn failed(&self, error: KafkaError) -> SinkError {
        let tried = self.tried.clone();
        let for_ever = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::MessageSizeTooLarge
                    | RDKafkaErrorCode::InvalidMessageSize
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed
                    | RDKafkaErrorCode::InvalidTopic
                    | RDKafkaErrorCode::PolicyViolation
            )
        );
        match for_ever {
            true => SinkError::Fatal { tried, cause: error.into() },
            false => {
                let cause = self.explained(&error).into();
                SinkError::Retry { tried, cause }
            }
        }
    }
}

/// The value of a message; none: a tombstone.
fn value(record: &SinkRecord, encoding: Encoding) -> Option<String> {
    match encoding {
        Encoding::Upserts => record.now.clone(),
        Encoding::Deltas => {
            let [before, now] = [&record.before, &record.now].map(|row| row.as_deref());
            let (before, now) = (before.unwrap_or("null"), now.unwrap_or("null"));
            Some(format!("{{\"before\":{before},\"row\":{now}}}"))
        }
    }
}

impl DeliveryOutcome {
    /// Why the first message that did not arrive did not, since this was last asked.
    pub(super) fn take_failed(&self) -> Option<KafkaError> {
        lock(&self.failed).take()
    }

    /// An error of the library in words, with why a broker could not be reached, if one could not.
    pub(super) fn explained(&self, error: &KafkaError) -> String {
        match &*lock(&self.reason) {
            reason if reason.is_empty() => error.to_string(),
            reason => format!("{error} ({reason})"),
        }
    }
}

impl ClientContext for DeliveryOutcome {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *lock(&self.reason) = reason.to_owned();
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        // Statistics that cannot be parsed are ignored.
        if let Ok(report) = serde_json::from_slice::<Statistics<'_>>(statistics) {
            self.brokers.note(&report);
        }
    }

    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, message: &str) {
        if let Some((_, id)) = topic_id(message) {
            let before = lock(&self.topic_id).replace(id.to_owned());
            if before.is_some_and(|before| before != id) {
                self.made_anew.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl ProducerContext for DeliveryOutcome {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            lock(&self.failed).get_or_insert_with(|| error.clone());
        }
    }
}
