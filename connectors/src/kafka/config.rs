//! A source of topics as its user writes it, and as it is used.

use std::collections::BTreeSet;
use std::sync::Arc;

use rdkafka::ClientConfig;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::properties::{Owned, Properties};
use crate::messages::{MessageConfig, Messages};
use crate::registry::BuildContext;
use crate::source::Start;
use crate::typed_config::typed;

/// The keys of a source of topics, besides those of all sources and those of [`MessageConfig`].
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to begin with, `host:port`, several by commas.
    pub servers: String,
    /// The topics; every partition of each is a partition of the source.
    pub topics: Vec<String>,
    /// Where a live run begins: `horizon`, `earliest`, `latest` or a time such as `2026-01-05T14:30:00Z`.
    /// Default: `horizon`.
    pub start: Option<String>,
    /// The consumer group to which offsets are committed, for monitoring. Nothing is read back from it.
    /// Default: none.
    pub group: Option<String>,
    /// Properties of librdkafka, such as those of TLS and SASL.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// A checked configuration.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) servers: String,
    pub(super) topics: Arc<[String]>,
    pub(super) start: Start,
    pub(super) group: Option<String>,
    pub(super) messages: Arc<Messages>,
    properties: Properties,
}

/// What the contract of sources needs to be as it is.
const OWNED: [Owned; 11] = [
    ("group.id", "write `group`"),
    ("group.instance.id", "partitions are assigned, no group is joined"),
    ("group.protocol", "partitions are assigned, no group is joined"),
    ("partition.assignment.strategy", "partitions are assigned, no group is joined"),
    ("auto.offset.reset", "rows that are gone are reported, not skipped; write `start`"),
    ("enable.auto.commit", "positions belong to the job"),
    ("auto.commit.enable", "positions belong to the job"),
    ("auto.commit.interval.ms", "positions belong to the job"),
    ("enable.auto.offset.store", "positions belong to the job"),
    ("enable.partition.eof", "it reports the end of a partition"),
    ("consume.callback.max.messages", "messages are polled"),
];

/// What a user may set otherwise. The first five bound what is fetched ahead of a reader that is not taken
/// from: for each partition 4 MiB or 20,000 messages, one fetch of 1 MiB and a message as large as the topic
/// allows.
const DEFAULTS: [(&str, &str); 11] = [
    ("queued.max.messages.kbytes", "4096"),
    ("queued.min.messages", "20000"),
    ("fetch.message.max.bytes", "1048576"),
    ("fetch.max.bytes", "16777216"),
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.wait.max.ms", "100"),
    ("reconnect.backoff.max.ms", "2000"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("client.id", "tickweave"),
];

impl Plan {
    /// Checks what was written; an error says what it was and what is possible.
    pub(super) fn check(
        written: Map<String, Value>,
        context: &BuildContext,
    ) -> Result<Plan, String> {
        let (messages, own) = MessageConfig::split(written)?;
        let config: KafkaConfig = typed(Value::Object(own))?;
        let KafkaConfig { servers, topics, start, group, properties } = config;
        let servers = checked_servers(&servers)?;
        if topics.is_empty() {
            return Err("`topics` is empty; name at least one".to_owned());
        }
        let mut seen = BTreeSet::new();
        for topic in &topics {
            check_topic(topic)?;
            if !seen.insert(topic) {
                return Err(format!("`topics` names \"{topic}\" twice"));
            }
        }
        if group.as_deref() == Some("") {
            return Err("`group` is empty; leave it out to commit no offsets".to_owned());
        }
        let start = start.as_deref().map_or(Ok(Start::Horizon), Start::named)?;
        let properties = Properties::check(properties, &context.folder, &OWNED)?;
        let messages = Messages::check(messages, Arc::clone(&context.catalog))?;
        if messages.are_fields() {
            return Err(
                "a message of a topic has no fields; write format = \"json\" or \"csv\"".to_owned()
            );
        }
        let messages = Arc::new(messages);
        Ok(Plan { servers, topics: topics.into(), start, group, messages, properties })
    }

    /// The configuration of the client library. Reads the secrets, which are nowhere else.
    pub(super) fn client(&self) -> Result<ClientConfig, String> {
        let mut config = ClientConfig::new();
        for (name, value) in DEFAULTS {
            config.set(name, value);
        }
        self.properties.set(&mut config)?;
        config
            .set("bootstrap.servers", &self.servers)
            // The library assigns partitions under the name of a group only; nobody joins it.
            .set("group.id", self.group.as_deref().unwrap_or("tickweave"))
            // To skip what retention took, or to read all again, is a decision of the user. The job reports the loss
            // and reads on from the oldest message.
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("statistics.interval.ms", "1000");
        Ok(config)
    }
}

/// `host:port`, several by commas.
pub(super) fn checked_servers(servers: &str) -> Result<String, String> {
    let is_server = |server: &str| {
        let (host, port) = server.rsplit_once(':').unwrap_or_default();
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if servers.contains('@') {
        return Err("`servers` has an `@`: names and passwords are no part of an address; write \
                    \"sasl.username\" and \"sasl.password\" in [source.properties]"
            .to_owned());
    }
    match servers.split(',').map(str::trim).find(|server| !is_server(server)) {
        None => Ok(servers.to_owned()),
        Some(server) => {
            Err(format!("`servers` has \"{server}\"; write host:port, several by commas"))
        }
    }
}

/// What Kafka allows as the name of a topic.
pub(super) fn check_topic(topic: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match topic {
        "" | "." | ".." => {}
        _ if topic.len() <= 249 && topic.bytes().all(allowed) => return Ok(()),
        _ => {}
    }
    Err(format!(
        "\"{topic}\" cannot be a topic: 1 to 249 letters, digits, `.`, `_` and `-`, and not `.` or `..`"
    ))
}
