//! The connection of a source to its brokers, shared by all partitions, and the status that it reports.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::brokers::KnownBrokers;
use super::config::Plan;
use super::lock;
use super::properties::refused;
use super::status::{ANSWER_TIMEOUT, PartitionStatus, Statistics};
use super::topic_id::{report_topic_ids, topic_id};

/// One consumer for all partitions; a thread of its own serves what concerns none of them alone. It ends
/// with the last clone.
#[derive(Clone)]
pub(super) struct Client(pub(super) Arc<BaseConsumer<Context>>);

/// The client of a source, made when it is first needed and made anew once it is of no use any more.
pub(super) struct Connection {
    plan: Plan,
    client: Mutex<Option<Client>>,
}

/// What the client library reports, kept for readers.
#[derive(Default)]
pub(super) struct Context {
    tracked: Arc<Tracked>,
    /// Why a broker could not be reached, as last reported.
    reason: Mutex<String>,
    /// A broker may hold back its answer so long, because nothing has come: `fetch.wait.max.ms`.
    fetch_wait: Duration,
    /// How many commits of offsets were asked for, and how many were answered, which is in that order.
    commits: (AtomicU64, AtomicU64),
    brokers: KnownBrokers,
    /// Whether it has failed for good.
    failed: AtomicBool,
}

/// What is known of partitions and topics; a client that is made anew takes it over.
#[derive(Default)]
struct Tracked {
    partitions: Mutex<BTreeMap<(String, i32), Arc<PartitionStatus>>>,
    /// The ids of topics, as last reported.
    topic_ids: Mutex<HashMap<String, String>>,
}

/// How often offsets are committed to the group.
const GROUP_COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// The longest wait for events; the end is noticed within this time.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// The longest wait for the answer to the last commit of an offset.
const LAST_COMMIT_TIMEOUT: Duration = Duration::from_secs(1);

impl Connection {
    pub(super) fn new(plan: Plan) -> Connection {
        Connection { plan, client: Mutex::default() }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The client, which can be used.
    pub(super) fn client(&self) -> Result<Client, String> {
        let mut current = lock(&self.client);
        let before = match &*current {
            Some(client) if client.is_usable() => return Ok(client.clone()),
            Some(unusable) => Arc::clone(&unusable.0.context().tracked),
            None => Arc::default(),
        };
        Ok(current.insert(Client::new(&self.plan, before)?).clone())
    }
}

impl Client {
    /// Makes the client; connecting goes on by itself.
    fn new(plan: &Plan, tracked: Arc<Tracked>) -> Result<Client, String> {
        let mut config = plan.client()?;
        report_topic_ids(&mut config);
        let consumer: BaseConsumer<Context> = config
            .create_with_context(Context::new(&config, tracked))
            .map_err(|error| refused(&error))?;
        let consumer = Arc::new(consumer);
        let (weak, commits_offsets) = (Arc::downgrade(&consumer), plan.group.is_some());
        let thread = thread::Builder::new().name("kafka".to_owned());
        thread
            .spawn(move || poll_events(&weak, commits_offsets))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Client(consumer))
    }

    /// Whether it can be used: it has not failed for good, and knows a broker to ask.
    pub(super) fn is_usable(&self) -> bool {
        let context = self.0.context();
        !context.failed.load(Ordering::Relaxed) && !context.brokers.is_empty()
    }

    /// Notes that it has failed for good.
    pub(super) fn note_failed(&self) {
        self.0.context().failed.store(true, Ordering::Relaxed);
    }

    /// Tracks a partition: from now on reports about it update the returned status.
    pub(super) fn track(&self, topic: &str, partition: i32) -> Arc<PartitionStatus> {
        let status = Arc::new(PartitionStatus::default());
        let mut partitions = lock(&self.0.context().tracked.partitions);
        partitions.insert((topic.to_owned(), partition), Arc::clone(&status));
        status
    }

    /// Notes that a topic has so many partitions, none if it does not exist; gives whether any is tracked.
    pub(super) fn note_partitions(&self, topic: &str, count: usize) -> bool {
        let partitions = lock(&self.0.context().tracked.partitions);
        let own = partitions.iter().filter(|((name, _), _)| name == topic);
        own.map(|((_, number), status)| {
            let is_there = usize::try_from(*number).is_ok_and(|number| number < count);
            status.note_missing(!is_there);
        })
        .count()
            > 0
    }

    /// Whether brokers give topics ids, by which one that was made anew is known.
    pub(super) fn knows_id(&self, topic: &str) -> bool {
        self.topic_id(topic).is_some()
    }

    /// The id of a topic, if brokers give ids and it was heard of.
    pub(super) fn topic_id(&self, topic: &str) -> Option<String> {
        lock(&self.0.context().tracked.topic_ids).get(topic).cloned()
    }

    /// Commits the offset of a partition to the group, and waits a moment for the answer.
    pub(super) fn commit_last(&self, topic: &str, partition: i32, status: &PartitionStatus) {
        let Some(read_to) = status.read_to().filter(|_| status.is_up()) else { return };
        let mut list = TopicPartitionList::with_capacity(1);
        // For monitoring only: an offset that cannot be committed is no reason to stay.
        let _ = list.add_partition_offset(topic, partition, Offset::Offset(read_to));
        let Some(number) = commit(&self.0, &list) else { return };
        let until = Instant::now() + LAST_COMMIT_TIMEOUT;
        let (_, answered) = &self.0.context().commits;
        while answered.load(Ordering::Relaxed) < number && Instant::now() < until {
            drop(self.0.poll(Duration::from_millis(10)));
        }
    }

    /// Reads a partition from `offset` on, and no longer from where it was read. Messages come to the queue that
    /// was split off for it before.
    pub(super) fn assign(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<(), KafkaError> {
        self.release(topic, partition);
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        self.0.incremental_assign(&list)
    }

    /// Reads a partition no longer.
    pub(super) fn release(&self, topic: &str, partition: i32) {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(topic, partition);
        // Fails if it was not read.
        let _ = self.0.incremental_unassign(&list);
    }

    /// Why a broker could not be reached, as last reported; empty if it always was.
    pub(super) fn reason(&self) -> String {
        lock(&self.0.context().reason).clone()
    }

    /// An error of the library in words, with the last reason of a broker if the error gives none.
    pub(super) fn describe(&self, error: &KafkaError) -> String {
        let text = match error.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => error.to_string(),
        };
        let is_vague = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::OperationTimedOut
                    | RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::RequestTimedOut
                    | RDKafkaErrorCode::WaitingForCoordinator
            )
        );
        match self.reason() {
            reason if is_vague && !reason.is_empty() => format!("{text} ({reason})"),
            _ => text,
        }
    }
}

/// Serves events until the last client is gone, and commits offsets to the group.
fn poll_events(consumer: &Weak<BaseConsumer<Context>>, commits_offsets: bool) {
    let mut committed_at = Instant::now();
    let mut before = BTreeMap::new();
    while let Some(consumer) = consumer.upgrade() {
        // Messages come to the queues of partitions; what comes here was taken by the context.
        drop(consumer.poll(POLL_TIMEOUT));
        if commits_offsets && committed_at.elapsed() >= GROUP_COMMIT_INTERVAL {
            committed_at = Instant::now();
            commit_offsets(&consumer, &mut before);
        }
    }
}

fn commit_offsets(consumer: &BaseConsumer<Context>, before: &mut BTreeMap<(String, i32), i64>) {
    let mut list = TopicPartitionList::new();
    for (partition, status) in lock(&consumer.context().tracked.partitions).iter() {
        let Some(read_to) = status.read_to() else { continue };
        if before.insert(partition.clone(), read_to) != Some(read_to) {
            let (topic, number) = partition;
            // Fails for offsets that cannot be.
            let _ = list.add_partition_offset(topic, *number, Offset::Offset(read_to));
        }
    }
    // What is not committed now is committed the next time.
    let _ = commit(consumer, &list);
}

/// Asks for a commit of some offsets; gives its number, or none if nothing was asked.
fn commit(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> Option<u64> {
    let (asked, _) = &consumer.context().commits;
    if list.count() == 0 || consumer.commit(list, CommitMode::Async).is_err() {
        return None;
    }
    Some(asked.fetch_add(1, Ordering::Relaxed) + 1)
}

impl Context {
    /// For a client that is made of `config`.
    fn new(config: &ClientConfig, tracked: Arc<Tracked>) -> Context {
        let wait = config.get("fetch.wait.max.ms").and_then(|ms| ms.parse().ok());
        let fetch_wait = Duration::from_millis(wait.unwrap_or(500)); // the library's own default
        Context { tracked, fetch_wait, ..Context::default() }
    }

    /// Notes the id of a topic; if it had another one, it was deleted and made anew.
    fn note_topic_id(&self, topic: &str, id: &str) {
        let before = lock(&self.tracked.topic_ids).insert(topic.to_owned(), id.to_owned());
        if before.is_some_and(|before| before != id) {
            let partitions = lock(&self.tracked.partitions);
            let own = partitions.iter().filter(|((name, _), _)| name == topic);
            for (_, status) in own {
                status.note_made_anew();
            }
        }
    }
}

impl ClientContext for Context {
    fn stats_raw(&self, statistics: &[u8]) {
        // Statistics that cannot be parsed are ignored.
        let Ok(report) = serde_json::from_slice::<Statistics<'_>>(statistics) else { return };
        self.brokers.note(&report);
        if self.brokers.is_empty() {
            return; // partitions are down since the report before, and another client speaks of them from now on
        }
        let answer_within = ANSWER_TIMEOUT + self.fetch_wait;
        for ((topic, partition), status) in lock(&self.tracked.partitions).iter() {
            status.take(&report, topic, *partition, answer_within);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // The reader of the partition receives these, or they do not matter: no group is needed.
            Some(
                RDKafkaErrorCode::PartitionEOF
                | RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::GroupAuthorizationFailed,
            ) => {}
            _ => *lock(&self.reason) = reason.to_owned(),
        }
    }

    /// Of the library's log one line is used: that a topic has another id. The thread that writes it has not asked for
    /// messages of the new topic yet.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, message: &str) {
        if let Some((topic, id)) = topic_id(message) {
            self.note_topic_id(topic, id);
        }
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, _outcome: KafkaResult<()>, _offsets: &TopicPartitionList) {
        let (_, answered) = &self.commits;
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(state: &str, leader: i32) -> String {
        format!(
            r#"{{"name":"x","brokers":{{"a:1/bootstrap":{{"nodeid":-1,"state":"UP"}},"a:1/1":{{"nodeid":1,"state":"{state}"}}}},
              "topics":{{"t":{{"topic":"t","partitions":{{"0":{{"leader":{leader},"hi_offset":7,"ls_offset":5}},
              "-1":{{"leader":-1,"hi_offset":-1001,"ls_offset":-1001}}}}}}}}}}"#
        )
    }

    #[test]
    fn a_partition_is_up_while_its_leader_is_reached() {
        let context = Context::default();
        let status = Arc::new(PartitionStatus::default());
        lock(&context.tracked.partitions).insert(("t".to_owned(), 0), Arc::clone(&status));
        context.stats_raw(statistics("CONNECT", -1).as_bytes());
        assert!(status.is_up(), "the library does not know the leader of a partition at first");
        assert_eq!(status.high(), Some(5), "what is committed");
        context.stats_raw(statistics("UP", 1).as_bytes());
        assert!(status.is_up());
        context.stats_raw(b"no statistics");
        context.stats_raw(statistics("CONNECT", 1).as_bytes());
        assert!(!status.is_up());
        context.stats_raw(statistics("UP", 1).as_bytes());
        assert!(status.is_up());
        context.stats_raw(statistics("UP", -1).as_bytes());
        assert!(!status.is_up() && !status.is_unresponsive(), "it has no leader");
    }

    #[test]
    fn a_topic_with_another_id_was_made_anew() {
        let line = |from: &str, to: &str| format!("Topic t changed id from {from} to {to}");
        let context = Context::default();
        let status = Arc::new(PartitionStatus::default());
        lock(&context.tracked.partitions).insert(("t".to_owned(), 0), Arc::clone(&status));
        for (from, to, times) in [("-", "one", 0), ("-", "one", 0), ("one", "two", 1)] {
            context.log(RDKafkaLogLevel::Debug, "METADATA", &line(from, to));
            assert_eq!(status.made_anew(), times, "{from} to {to}");
        }
    }
}
