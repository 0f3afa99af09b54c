//! `kind = "kafka"`: topics of Apache Kafka, and of what speaks its protocol.
//!
//! ```toml
//! [[source]]
//! name = "trades"
//! kind = "kafka"
//! servers = "127.0.0.1:9092"
//! topics = ["trades"]
//! start = "horizon"                # or earliest, latest, a time
//! instrument = "x:{symbol}"        # what messages mean: see `messages`
//! columns = { time = "ts", symbol = "s", price = "px", size = "qty", id = "id" }
//! units = { time = "ms" }
//!
//! [source.properties]              # of librdkafka, such as those of TLS and SASL
//! "sasl.password" = { env = "KAFKA_PASSWORD" }
//! ```
//!
//! A partition of a topic is a partition of the source; a row's position is its offset and one (with `rows`, see
//! [`crate::mapping::Packing`]). Partitions are assigned, no group is joined: positions belong to the job, and a
//! rebalance would move partitions behind its back. Offsets that a compacted topic or a transaction leaves out are no
//! gap. Messages that retention took before they were read are: an error where reading begins, and an [`Incident`]
//! later.
//!
//! A source is one client, with a thread per broker and one of its own. What it fetches ahead of a reader that is not
//! asked is bounded for each partition (4 MiB or 20,000 messages, unless configured); beyond that it stops fetching.
//!
//! Reading order: [`config`] → `client` (`status`, `topic_id`) → `place` → `newest` → `reader` → `recover` →
//! `read_on` (after a restart). [`sink`] writes to topics.

mod brokers;
mod client;
pub mod config;
mod earlier_keys;
mod kafka_state;
mod newest;
mod place;
mod producer;
mod properties;
mod read_on;
mod reader;
mod recover;
pub mod sink;
mod skip;
mod status;
#[cfg(test)]
mod tests;
mod topic_id;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde_json::{Map, Value};

use crate::messages::MessageDecoder;
use crate::registry::{BuildContext, TypedSource};
use crate::source::{
    Incident, IncidentKind, PARTITIONS_MAX, PartitionReader, Place, ResumePoint, Source,
    SourceError, Start,
};
pub use producer::KafkaProducer;

use client::{Client, Connection, Context};
use config::Plan;
use kafka_state::Noted;
use newest::{Looked, Newest};
use place::{ASK_TIMEOUT, Begin, RetainedRange, asked, first_at, is_retryable};
use rdkafka::consumer::base_consumer::PartitionQueue;
use read_on::ReadFrom;
use reader::KafkaReader;
use status::PartitionStatus;

/// Topics of a cluster.
pub struct KafkaSource {
    name: Arc<str>,
    connection: Arc<Connection>,
}

impl TypedSource for KafkaSource {
    const KIND: &'static str = "kafka";
    type Config = Map<String, Value>;

    fn build(
        config: Map<String, Value>,
        context: BuildContext,
    ) -> Result<KafkaSource, SourceError> {
        match Plan::check(config, &context) {
            Ok(plan) => {
                let connection = Arc::new(Connection::new(plan));
                Ok(KafkaSource { name: context.name.into(), connection })
            }
            Err(problem) => Err(SourceError::Config { name: context.name, problem }),
        }
    }
}

impl Source for KafkaSource {
    /// `topic/partition`: a source's partition is Kafka's × topics + the topic's place among them.
    fn partition_name(&self, partition: u32) -> String {
        let (topic, partition) = self.place_of(partition);
        format!("{topic}/{partition}")
    }

    fn partitions(&self) -> Vec<u32> {
        Vec::new()
    }

    fn discover(&self) -> Result<Vec<u32>, SourceError> {
        let client = self.client()?;
        let mut found = Vec::new();
        for (at, topic) in (0..).zip(self.plan().topics.iter()) {
            let about = || format!("partitions of {topic}");
            let metadata = client.0.fetch_metadata(Some(topic), ASK_TIMEOUT);
            let metadata = metadata.map_err(|error| self.no_answer(&client, &about(), &error))?;
            let Some(topic_metadata) = metadata.topics().first() else { continue };
            match topic_metadata.error().map(RDKafkaErrorCode::from) {
                None => {}
                // One that was there and was deleted is told by the readers of its partitions.
                Some(
                    RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
                ) if client.note_partitions(topic, 0) => {
                    continue;
                }
                Some(code) => {
                    let error = KafkaError::MetadataFetch(code);
                    return Err(self.no_answer(&client, &about(), &error));
                }
            }
            client.note_partitions(topic, topic_metadata.partitions().len());
            let topics = self.topics();
            let numbers = topic_metadata.partitions().iter().filter_map(|partition| {
                u32::try_from(partition.id()).ok()?.checked_mul(topics)?.checked_add(at)
            });
            found.extend(numbers);
        }
        found.sort_unstable();
        match found.last() {
            Some(last) if *last >= PARTITIONS_MAX => Err(self.wrong(format!(
                "{} is one partition too many: partitions × topics must stay below {PARTITIONS_MAX}; read some of \
                 them by another source",
                self.partition_name(*last)
            ))),
            _ => Ok(found),
        }
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn is_endless(&self) -> bool {
        true
    }

    fn start(&self) -> Start {
        self.plan().start
    }

    fn open(&self, partition: u32, place: Place) -> Result<Box<dyn PartitionReader>, SourceError> {
        let name = self.partition_name(partition);
        let (topic, number) = self.place_of(partition);
        let client = self.client()?;
        let no_answer =
            |error| self.no_answer(&client, &format!("what is retained of {name}"), &error);

        let packing = self.plan().messages.packing();
        let (after, place) = match place {
            Place::After(position) => (position, Place::After(packing.whole(position))),
            place => (0, place),
        };
        // Asked in this order: what is found later than what is retained cannot be lost.
        let found = match place {
            Place::Time(time) => first_at(&client, topic, number, time).map_err(no_answer)?,
            _ => None,
        };
        let retained =
            RetainedRange::ask(&client, topic, number, ASK_TIMEOUT).map_err(no_answer)?;
        let (next, mut doubt) = match retained.begin(place, found) {
            Begin::At(next) => (next, None),
            Begin::Perhaps(next) => (next, Some(doubt(next, place))),
            Begin::Lost => {
                return Err(SourceError::Lost {
                    name: self.name.to_string(),
                    partition: name,
                    asked: asked(place),
                    oldest: format!("offset {}", retained.low),
                });
            }
        };

        let mut begin = ReadFrom { next, after, base: 0, incidents: Vec::new() };
        let tracked = self.track(&client, partition, retained)?;
        if matches!(place, Place::Time(_)) {
            let looked =
                Looked { client: &client, queue: &tracked.queue, topic, partition: number };
            let newest = looked.newest(retained.low, next).map_err(no_answer)?;
            if let Some(untimed) = untimed(newest, retained, place) {
                (begin.next, doubt) = (retained.low, Some(untimed));
            }
        }
        begin.incidents.extend(doubt);
        self.read_from(client, partition, begin, tracked)
    }

    fn resume(
        &self,
        partition: u32,
        at: &ResumePoint,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        self.read_on(partition, at)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A partition that is empty now and had messages.
fn doubt(next: i64, place: Place) -> Incident {
    let detail = format!(
        "the server keeps none of the {next} messages that there were; whether some of them came after {} is not \
         known",
        asked(place)
    );
    Incident { kind: IncidentKind::Gap, lost: None, detail }
}

/// What is to be told of a partition in which no time can be found: it is read from its beginning, since more is right
/// and less is not. None if a time can be found.
fn untimed(newest: Newest, retained: RetainedRange, place: Place) -> Option<Incident> {
    let why = match newest {
        Newest::Absent | Newest::Timed => return None,
        Newest::Untimed(offset) => format!("the message at offset {offset} carries no time"),
        Newest::Hidden(offsets) => {
            format!("no message can be read at the last {offsets} offsets before it")
        }
    };
    let low = retained.low;
    let read = format!(
        "where {} lies cannot be found: {why}; it is read from its beginning, offset {low}",
        asked(place)
    );
    Some(match low {
        0 => Incident { kind: IncidentKind::Warning, lost: None, detail: read },
        _ => {
            let detail =
                format!("{read}, and whether messages before that are missing is not known");
            Incident { kind: IncidentKind::Gap, lost: None, detail }
        }
    })
}

/// A partition whose reports are noted, and the queue of its messages.
struct Tracked {
    status: Arc<PartitionStatus>,
    made_anew: u64,
    queue: PartitionQueue<Context>,
}

impl KafkaSource {
    /// Tracks a partition, and splits its queue off before it is assigned, so that no message goes elsewhere.
    fn track(
        &self,
        client: &Client,
        partition: u32,
        retained: RetainedRange,
    ) -> Result<Tracked, SourceError> {
        let (topic, number) = self.place_of(partition);
        let status = client.track(topic, number);
        let made_anew = status.made_anew();
        status.set_high(retained.high);
        let queue = client.0.split_partition_queue(topic, number);
        let queue = queue.ok_or_else(|| {
            self.wrong(format!("{} has no queue", self.partition_name(partition)))
        })?;
        Ok(Tracked { status, made_anew, queue })
    }

    fn read_from(
        &self,
        client: Client,
        partition: u32,
        begin: ReadFrom,
        tracked: Tracked,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let name = self.partition_name(partition);
        let (topic, number) = self.place_of(partition);
        let ReadFrom { next, after, base, incidents } = begin;
        let Tracked { status, made_anew, queue } = tracked;
        client.assign(topic, number, next).map_err(|error| {
            self.no_answer(&client, &format!("what is retained of {name}"), &error)
        })?;
        let partition = format!("{}/{name}", self.name);
        let noted = Noted::opened(client.topic_id(topic), base, next);
        Ok(Box::new(KafkaReader {
            source: Arc::clone(&self.name),
            partition_name: name,
            topic: topic.to_owned(),
            partition: number,
            connection: Arc::clone(&self.connection),
            decoder: MessageDecoder::new(&self.plan().messages, &partition),
            client,
            queue,
            status,
            commits: self.plan().group.is_some(),
            packing: self.plan().messages.packing(),
            after,
            next,
            base,
            made_anew,
            from_beginning: next == 0 && base == 0,
            at_end: false,
            was_up: false,
            was_held: false,
            error_state: None,
            beyond: 0,
            incidents,
            noted,
        }))
    }

    /// The topic and the number in it of a partition.
    fn place_of(&self, partition: u32) -> (&str, i32) {
        let topics = self.topics();
        let topic = usize::try_from(partition % topics).ok();
        let topic = topic.and_then(|at| self.plan().topics.get(at)).map_or("", String::as_str);
        (topic, i32::try_from(partition / topics).unwrap_or(i32::MAX))
    }

    fn topics(&self) -> u32 {
        u32::try_from(self.plan().topics.len()).unwrap_or(u32::MAX).max(1)
    }

    fn plan(&self) -> &Plan {
        self.connection.plan()
    }

    fn client(&self) -> Result<Client, SourceError> {
        self.connection.client().map_err(|problem| self.wrong(problem))
    }

    fn wrong(&self, problem: String) -> SourceError {
        SourceError::Config { name: self.name.to_string(), problem }
    }

    fn no_answer(&self, client: &Client, about: &str, error: &KafkaError) -> SourceError {
        let (servers, detail) = (&self.plan().servers, client.describe(error));
        SourceError::Server {
            name: self.name.to_string(),
            problem: format!("asked {servers} for {about}: {detail}"),
            retryable: is_retryable(error),
        }
    }
}
