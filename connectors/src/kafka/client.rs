//! The connection of a source to its brokers, shared by all partitions, and the status that it reports.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::Deserialize;

use super::config::Plan;
use super::properties::refused;

/// One consumer for all partitions; a thread of its own serves what concerns none of them alone. It ends
/// with the last clone.
#[derive(Clone)]
pub(super) struct Client(pub(super) Arc<BaseConsumer<Context>>);

/// What the client library reports, kept for readers.
#[derive(Default)]
pub(super) struct Context {
    partitions: Mutex<BTreeMap<(String, i32), Arc<PartitionStatus>>>,
    /// Why a broker could not be reached, as last reported.
    reason: Mutex<String>,
    /// A broker may hold back its answer so long, because nothing has come: `fetch.wait.max.ms`.
    fetch_wait: Duration,
    /// The ids of topics, as last reported.
    topic_ids: Mutex<HashMap<String, String>>,
    /// How many commits of offsets were answered.
    commits_answered: AtomicU64,
}

/// The status of a partition, as last reported.
#[derive(Debug, Default)]
pub(super) struct PartitionStatus {
    /// The offset of the next message that its end will get, and one; 0: not known.
    high: AtomicI64,
    /// The offset of the next message to be read, and one, for the group; 0: none was read.
    read_to: AtomicI64,
    /// What open transactions hold back.
    held: Mutex<Option<HeldBack>>,
    /// How often its topic was made anew.
    made_anew: AtomicU64,
    /// Whether brokers say that it does not exist.
    missing: AtomicBool,
    /// How many reports said that its broker is connected.
    ups: AtomicU64,
    /// How many reports in a row said that it is not.
    downs: AtomicU64,
    /// Whether its broker is connected and has left a question unanswered for too long.
    unresponsive: AtomicBool,
}

/// What open transactions hold back at the end of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldBack {
    /// The first offset that cannot be read yet.
    pub(super) from: i64,
    /// How many offsets there are from there on.
    pub(super) offsets: u64,
    /// Since when it is this one.
    pub(super) since: Instant,
}

/// How often offsets are committed to the group.
const GROUP_COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// The longest wait for events; the end is noticed within this time.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// A new partition may be unknown to the library for so many reports, one a second.
const UNKNOWN_REPORTS_MAX: u64 = 5;
/// A broker that has been asked answers within so long, on top of what it may hold back a fetch. A process that is
/// stopped, or a network that swallows packets, keeps its connection: the library notices after a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// The longest wait for the answer to the last commit of an offset.
const LAST_COMMIT_TIMEOUT: Duration = Duration::from_secs(1);

impl Client {
    /// Makes the client; connecting goes on by itself.
    pub(super) fn new(plan: &Plan) -> Result<Client, String> {
        let mut config = plan.client()?;
        report_topic_ids(&mut config);
        let consumer: BaseConsumer<Context> =
            config.create_with_context(Context::new(&config)).map_err(|error| refused(&error))?;
        let consumer = Arc::new(consumer);
        let (weak, commits_offsets) = (Arc::downgrade(&consumer), plan.group.is_some());
        let thread = thread::Builder::new().name("kafka".to_owned());
        thread
            .spawn(move || poll_events(&weak, commits_offsets))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Client(consumer))
    }

    /// Tracks a partition: from now on reports about it update the returned status.
    pub(super) fn track(&self, topic: &str, partition: i32) -> Arc<PartitionStatus> {
        let status = Arc::new(PartitionStatus::default());
        let mut partitions = lock(&self.0.context().partitions);
        partitions.insert((topic.to_owned(), partition), Arc::clone(&status));
        status
    }

    /// Notes that a topic has so many partitions, none if it does not exist; gives whether any is tracked.
    pub(super) fn note_partitions(&self, topic: &str, count: usize) -> bool {
        let partitions = lock(&self.0.context().partitions);
        let own = partitions.iter().filter(|((name, _), _)| name == topic);
        own.map(|((_, number), status)| {
            let is_there = usize::try_from(*number).is_ok_and(|number| number < count);
            status.missing.store(!is_there, Ordering::Relaxed);
        })
        .count()
            > 0
    }

    /// Whether brokers give topics ids, by which one that was made anew is known.
    pub(super) fn knows_id(&self, topic: &str) -> bool {
        lock(&self.0.context().topic_ids).contains_key(topic)
    }

    /// Commits the offset of a partition to the group, and waits a moment for the answer.
    pub(super) fn commit_last(&self, topic: &str, partition: i32, status: &PartitionStatus) {
        let Some(read_to) = status.read_to().filter(|_| status.is_up()) else { return };
        let mut list = TopicPartitionList::with_capacity(1);
        let context = self.0.context();
        let before = context.commits_answered.load(Ordering::Relaxed);
        // For monitoring only: an offset that cannot be committed is no reason to stay.
        if list.add_partition_offset(topic, partition, Offset::Offset(read_to)).is_err()
            || self.0.commit(&list, CommitMode::Async).is_err()
        {
            return;
        }
        let until = Instant::now() + LAST_COMMIT_TIMEOUT;
        while context.commits_answered.load(Ordering::Relaxed) == before && Instant::now() < until {
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
    for (partition, status) in lock(&consumer.context().partitions).iter() {
        let Some(read_to) = status.read_to() else { continue };
        if before.insert(partition.clone(), read_to) != Some(read_to) {
            let (topic, number) = partition;
            // Fails for offsets that cannot be.
            let _ = list.add_partition_offset(topic, *number, Offset::Offset(read_to));
        }
    }
    if list.count() > 0 {
        // For monitoring only: what is not committed now is committed the next time.
        let _ = consumer.commit(&list, CommitMode::Async);
    }
}

impl PartitionStatus {
    /// Whether its broker is reached, and has it.
    pub(super) fn is_up(&self) -> bool {
        let downs_allowed = match self.ups.load(Ordering::Relaxed) {
            0 => UNKNOWN_REPORTS_MAX,
            _ => 0,
        };
        self.downs.load(Ordering::Relaxed) <= downs_allowed && !self.is_missing()
    }

    /// Whether its broker is connected and does not answer.
    pub(super) fn is_unresponsive(&self) -> bool {
        self.unresponsive.load(Ordering::Relaxed)
    }

    /// Whether brokers say that it does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.missing.load(Ordering::Relaxed)
    }

    /// How often its topic was made anew. What is fetched after that is of the new topic.
    pub(super) fn made_anew(&self) -> u64 {
        self.made_anew.load(Ordering::Acquire)
    }

    /// How many reports said that its broker is connected.
    pub(super) fn ups(&self) -> u64 {
        self.ups.load(Ordering::Relaxed)
    }

    /// What open transactions hold back, as last reported.
    pub(super) fn held(&self) -> Option<HeldBack> {
        *lock(&self.held)
    }

    /// The offset that the next message will get, as last reported.
    pub(super) fn high(&self) -> Option<i64> {
        Some(self.high.load(Ordering::Relaxed) - 1).filter(|high| *high >= 0)
    }

    /// Sets that offset, as a broker has just said it.
    pub(super) fn set_high(&self, high: i64) {
        self.high.store(high + 1, Ordering::Relaxed);
    }

    /// The offset of the next message to be read, if any was read.
    pub(super) fn read_to(&self) -> Option<i64> {
        Some(self.read_to.load(Ordering::Relaxed) - 1).filter(|next| *next >= 0)
    }

    pub(super) fn set_read_to(&self, next: i64) {
        self.read_to.store(next + 1, Ordering::Relaxed);
    }

    fn update(&self, is_up: bool, is_unresponsive: bool, own: Option<&Partition>) {
        if let Some(own) = own {
            if own.high() >= 0 {
                self.set_high(own.high());
            }
            let mut held = lock(&self.held);
            *held = own.held(*held, Instant::now());
        }
        self.unresponsive.store(is_unresponsive, Ordering::Relaxed);
        match is_up {
            true => {
                self.ups.fetch_add(1, Ordering::Relaxed);
                self.downs.store(0, Ordering::Relaxed);
            }
            false => drop(self.downs.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl Context {
    /// For a client that is made of `config`.
    fn new(config: &ClientConfig) -> Context {
        let wait = config.get("fetch.wait.max.ms").and_then(|ms| ms.parse().ok());
        let fetch_wait = Duration::from_millis(wait.unwrap_or(500)); // the library's own default
        Context { fetch_wait, ..Context::default() }
    }

    /// Notes the id of a topic; if it had another one, it was deleted and made anew.
    fn note_topic_id(&self, topic: &str, id: &str) {
        let before = lock(&self.topic_ids).insert(topic.to_owned(), id.to_owned());
        if before.is_some_and(|before| before != id) {
            let partitions = lock(&self.partitions);
            let own = partitions.iter().filter(|((name, _), _)| name == topic);
            for (_, status) in own {
                status.made_anew.fetch_add(1, Ordering::Release);
            }
        }
    }
}

impl ClientContext for Context {
    fn stats_raw(&self, statistics: &[u8]) {
        // Statistics that cannot be parsed are ignored.
        let Ok(report) = serde_json::from_slice::<Statistics<'_>>(statistics) else { return };
        let leading = |leader: i32| {
            report.brokers.values().find(|broker| broker.nodeid == leader && broker.is_up())
        };
        let answer_within = ANSWER_TIMEOUT + self.fetch_wait;
        for ((topic, partition), status) in lock(&self.partitions).iter() {
            let own = report.topics.get(topic.as_str());
            let own = own.and_then(|topic| topic.partitions.get(partition.to_string().as_str()));
            match own {
                Some(own) => {
                    let broker = leading(own.leader).filter(|_| own.leader >= 0);
                    let is_unresponsive =
                        broker.is_some_and(|broker| broker.is_unresponsive(answer_within));
                    let is_up = broker.is_some() && !is_unresponsive;
                    status.update(is_up, is_unresponsive, Some(own));
                }
                None => status.update(false, false, None),
            }
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
        self.commits_answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes the library report the ids of topics, besides what was asked for. It goes on where it was in a topic that was
/// deleted and made anew, and says so nowhere but in its log.
pub(super) fn report_topic_ids(config: &mut ClientConfig) {
    let asked = config.get("debug").filter(|asked| !asked.is_empty());
    let debug = asked.map_or_else(|| "metadata".to_owned(), |asked| format!("{asked},metadata"));
    config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
}

/// The topic and its new id of a line `… Topic NAME changed id from ID to ID`.
pub(super) fn topic_id(line: &str) -> Option<(&str, &str)> {
    let (before, ids) = line.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (_, id) = ids.split_once(" to ")?;
    Some((topic, id.trim())).filter(|(_, id)| *id != NO_TOPIC_ID)
}

/// What a broker that gives no ids says; also of a topic that is not there.
const NO_TOPIC_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The part of the library's statistics that is used.
#[derive(Deserialize)]
struct Statistics<'a> {
    #[serde(borrow)]
    brokers: HashMap<Cow<'a, str>, Broker<'a>>,
    #[serde(borrow)]
    topics: HashMap<Cow<'a, str>, Topic<'a>>,
}

#[derive(Deserialize)]
struct Broker<'a> {
    nodeid: i32,
    #[serde(borrow)]
    state: Cow<'a, str>,
    /// Requests that wait for an answer.
    #[serde(default)]
    waitresp_cnt: u64,
    /// Microseconds since anything was received; −1 if nothing was yet.
    #[serde(default)]
    rxidle: i64,
}

#[derive(Deserialize)]
struct Topic<'a> {
    #[serde(borrow)]
    partitions: HashMap<Cow<'a, str>, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    leader: i32,
    hi_offset: i64,
    ls_offset: i64,
}

impl Broker<'_> {
    fn is_up(&self) -> bool {
        matches!(&*self.state, "UP" | "UPDATE" | "REAUTH")
    }

    /// Whether it was asked and has sent nothing for so long. While nothing is asked, since enough was fetched, it
    /// need not say anything.
    fn is_unresponsive(&self, answer_within: Duration) -> bool {
        let silence = Duration::from_micros(self.rxidle.max(0).unsigned_abs());
        self.waitresp_cnt > 0 && silence > answer_within
    }
}

impl Partition {
    /// What open transactions hold back; `before`: what they did at the last report.
    fn held(&self, before: Option<HeldBack>, now: Instant) -> Option<HeldBack> {
        let from = self.ls_offset;
        let offsets = u64::try_from(self.hi_offset - from).ok().filter(|offsets| *offsets > 0)?;
        let before = before.filter(|before| before.from == from);
        let since = before.map_or(now, |before| before.since);
        (from >= 0).then_some(HeldBack { from, offsets, since })
    }

    /// Messages of transactions that are still open cannot be read yet.
    fn high(&self) -> i64 {
        if self.ls_offset >= 0 { self.ls_offset } else { self.hi_offset }
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
        lock(&context.partitions).insert(("t".to_owned(), 0), Arc::clone(&status));
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
    fn what_open_transactions_hold_back_is_counted_from_when_they_began_to() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(9));
        let own = |hi_offset, ls_offset| Partition { leader: 1, hi_offset, ls_offset };
        let held = own(9, 5).held(None, now).unwrap();
        assert_eq!(held, HeldBack { from: 5, offsets: 4, since: now });
        assert_eq!(own(11, 5).held(Some(held), later).unwrap().since, now, "the same");
        assert_eq!(own(11, 7).held(Some(held), later).unwrap().since, later, "another one");
        assert_eq!(own(7, 7).held(Some(held), later), None);
        assert_eq!(own(-1001, -1001).held(None, now), None, "nothing is known");
    }

    #[test]
    fn a_topic_with_another_id_was_made_anew() {
        let line = |from: &str, to: &str| {
            format!("[thrd:main]: Topic a.b-c changed id from {from} to {to}")
        };
        let id = "z4Nj8vPPQKG0zvk3Rvx6aA";
        assert_eq!(topic_id(&line(NO_TOPIC_ID, id)), Some(("a.b-c", id)));
        assert_eq!(topic_id(&line(id, NO_TOPIC_ID)), None, "a broker without ids");
        assert_eq!(topic_id("[thrd:main]: Topic a.b-c partition 0 Leader 1 Epoch 0"), None);

        let context = Context::default();
        let status = Arc::new(PartitionStatus::default());
        lock(&context.partitions).insert(("a.b-c".to_owned(), 0), Arc::clone(&status));
        context.log(RDKafkaLogLevel::Debug, "METADATA", &line(NO_TOPIC_ID, id));
        assert_eq!(status.made_anew(), 0, "it is only known now");
        context.log(RDKafkaLogLevel::Debug, "METADATA", &line(NO_TOPIC_ID, id));
        assert_eq!(status.made_anew(), 0, "it is the same");
        context.log(RDKafkaLogLevel::Debug, "METADATA", &line(id, "another"));
        assert_eq!(status.made_anew(), 1);
    }

    #[test]
    fn a_broker_that_was_asked_must_answer() {
        let within = Duration::from_secs(5);
        for (waiting, idle_us, is_unresponsive) in [
            (1, 4_900_000, false),
            (1, 5_100_000, true),
            (0, 60_000_000, false), // enough was fetched ahead, so nothing is asked
            (1, -1, false),
        ] {
            let state = Cow::Borrowed("UP");
            let broker = Broker { nodeid: 1, state, waitresp_cnt: waiting, rxidle: idle_us };
            assert_eq!(broker.is_unresponsive(within), is_unresponsive, "{waiting} {idle_us}");
        }
    }
}
