//! Topics of a broker, as a producer and a consumer of tests see them.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::end_to_end::binary::poll;
use crate::servers::Server;

/// A topic.
pub(crate) struct Topic<'a> {
    server: &'a Server,
    pub(super) name: String,
}

/// A message as it is produced.
#[derive(Clone, Copy, Default)]
pub(crate) struct Produced<'a> {
    pub(crate) partition: i32,
    /// Without one it is a tombstone.
    pub(crate) payload: Option<&'a [u8]>,
    /// When it was made, in milliseconds; now by default, and −1 for never.
    pub(crate) made: Option<i64>,
    pub(crate) key: Option<&'a [u8]>,
    /// Name and value.
    pub(crate) header: Option<(&'a str, &'a [u8])>,
}

/// A message as it is read back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) key: String,
    pub(super) payload: Option<String>,
    /// Name and value.
    pub(super) headers: Vec<(String, String)>,
}

impl Found {
    /// The header of this name, which it must have.
    pub(super) fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(own, _)| own == name);
        &header.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

impl<'a> Topic<'a> {
    /// Makes a topic.
    pub(crate) fn new(server: &'a Server, name: &str, partitions: i32) -> Topic<'a> {
        let topic = Topic { server, name: name.to_owned() };
        // A broker that has just begun may not take topics yet.
        poll(
            || {
                let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1))
                    .set("max.message.bytes", "4000000");
                let made = wait(topic.admin().create_topics([&new], &AdminOptions::new()));
                made.ok().filter(|made| made.iter().all(Result::is_ok))
            },
            || format!("topic {name}"),
        );
        topic
    }

    /// Deletes it, and waits until it is gone.
    pub(super) fn delete(&self) {
        let deleted =
            wait(self.admin().delete_topics(&[&self.name], &AdminOptions::new())).unwrap();
        deleted.into_iter().for_each(|deleted| drop(deleted.unwrap()));
        let client: BaseConsumer = self.client().create().unwrap();
        let is_gone = || {
            let metadata = client.fetch_metadata(Some(&self.name), ANSWER_TIMEOUT).unwrap();
            metadata.topics()[0].error().map(|_| ())
        };
        poll(is_gone, || format!("the end of topic {}", self.name));
    }

    /// Gives it more partitions.
    pub(super) fn grow(&self, partitions: usize) {
        let more = NewPartitions::new(&self.name, partitions);
        let grown = wait(self.admin().create_partitions([&more], &AdminOptions::new())).unwrap();
        grown.into_iter().for_each(|grown| drop(grown.unwrap()));
    }

    /// Deletes what a partition has before an offset, as retention does.
    pub(super) fn delete_before(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset)).unwrap();
        wait(self.admin().delete_records(&list, &AdminOptions::new())).unwrap();
    }

    /// Produces messages, and waits until the broker has all of them; it may be away for a while.
    pub(crate) fn produce<'m>(&self, messages: impl IntoIterator<Item = Produced<'m>>) {
        self.produce_packed("none", messages);
    }

    /// Produces messages in batches of so many.
    pub(super) fn produce_in_batches<'m>(
        &self,
        size: usize,
        messages: impl IntoIterator<Item = Produced<'m>>,
    ) {
        self.produce_as(&[("batch.num.messages", &size.to_string())], messages);
    }

    /// Produces messages that are compressed by this codec, as few batches as can be.
    pub(super) fn produce_packed<'m>(
        &self,
        codec: &str,
        messages: impl IntoIterator<Item = Produced<'m>>,
    ) {
        let settings = [("compression.type", codec), ("batch.num.messages", "2500")];
        self.produce_as(&settings, messages);
    }

    fn produce_as<'m>(
        &self,
        settings: &[(&str, &str)],
        messages: impl IntoIterator<Item = Produced<'m>>,
    ) {
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.max.bytes", "4000000")
            .set("queue.buffering.max.kbytes", "65536");
        for (name, value) in settings {
            client.set(*name, *value);
        }
        let producer: BaseProducer = client.create().unwrap();
        for message in messages {
            let mut record: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(&self.name).partition(message.partition);
            record.payload = message.payload;
            record.timestamp = message.made;
            record.key = message.key;
            if let Some((key, value)) = message.header {
                let header = Header { key, value: Some(value) };
                record.headers = Some(OwnedHeaders::new().insert(header));
            }
            while let Err((error, again)) = producer.send(record) {
                let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
                assert_eq!(error, full);
                record = again;
                producer.poll(Duration::from_millis(20));
            }
        }
        producer.flush(ANSWER_TIMEOUT).unwrap();
        assert_eq!(producer.in_flight_count(), 0);
    }

    /// Produces messages in a transaction that is committed or aborted.
    pub(super) fn transact<'m>(
        &self,
        commit: bool,
        messages: impl IntoIterator<Item = Produced<'m>>,
    ) {
        let producer = self.begin(messages);
        match commit {
            true => producer.commit_transaction(ANSWER_TIMEOUT).unwrap(),
            false => producer.abort_transaction(ANSWER_TIMEOUT).unwrap(),
        }
    }

    /// Produces messages in a transaction that stays open until it is committed.
    pub(super) fn begin<'m>(
        &self,
        messages: impl IntoIterator<Item = Produced<'m>>,
    ) -> BaseProducer {
        let producer: BaseProducer =
            self.client().set("transactional.id", &self.name).create().unwrap();
        producer.init_transactions(ANSWER_TIMEOUT).unwrap();
        producer.begin_transaction().unwrap();
        for message in messages {
            let mut record: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(&self.name).partition(message.partition);
            record.payload = message.payload;
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(ANSWER_TIMEOUT).unwrap(); // what is aborted shall have been there, too
        producer
    }

    /// Everything that it has, partition by partition.
    pub(super) fn read(&self) -> Vec<Found> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(&self.name), ANSWER_TIMEOUT).unwrap();
        let mut found = Vec::new();
        for partition in metadata.topics()[0].partitions() {
            let (low, high) =
                consumer.fetch_watermarks(&self.name, partition.id(), ANSWER_TIMEOUT).unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.name, partition.id(), Offset::Offset(low)).unwrap();
            consumer.assign(&list).unwrap();
            let mut next = low;
            while next < high {
                let message = consumer.poll(ANSWER_TIMEOUT).unwrap().unwrap();
                next = message.offset() + 1;
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let headers = message.headers().into_iter().flat_map(Headers::iter);
                found.push(Found {
                    key: message.key().map(text).unwrap_or_default(),
                    payload: message.payload().map(text),
                    headers: headers
                        .map(|header| (header.key.to_owned(), header.value.map(text).unwrap()))
                        .collect(),
                });
            }
        }
        found
    }

    /// The sum of the offsets that a group has been committed of so many partitions.
    pub(super) fn committed(&self, group: &str, partitions: i32) -> i64 {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&self.name, 0, partitions - 1);
        let committed = consumer.committed_offsets(asked, ANSWER_TIMEOUT).unwrap();
        committed
            .elements()
            .iter()
            .filter_map(|own| own.offset().to_raw())
            .filter(|own| *own > 0)
            .sum()
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.server.address);
        config.set("reconnect.backoff.max.ms", "500");
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }
}

fn wait<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(what)
}
