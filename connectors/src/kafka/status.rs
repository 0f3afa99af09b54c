//! The status of a partition, from the statistics of the client library.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::lock;

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

/// A new partition may be unknown to the library for so many reports, one a second.
const UNKNOWN_REPORTS_MAX: u64 = 5;
/// A broker that has been asked answers within so long, on top of what it may hold back a fetch. A process that is
/// stopped, or a network that swallows packets, keeps its connection: the library notices after a minute.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
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

    pub(super) fn note_missing(&self, is_missing: bool) {
        self.missing.store(is_missing, Ordering::Relaxed);
    }

    pub(super) fn note_made_anew(&self) {
        self.made_anew.fetch_add(1, Ordering::Release);
    }

    /// Takes what a report says of a partition whose broker answers within so long.
    pub(super) fn take(
        &self,
        report: &Statistics<'_>,
        topic: &str,
        partition: i32,
        answer_within: Duration,
    ) {
        let topic = report.topics.get(topic);
        let own = topic.and_then(|topic| topic.partitions.get(partition.to_string().as_str()));
        let Some(own) = own else { return self.update(false, false) };
        let mut brokers = report.brokers.values();
        let broker =
            brokers.find(|broker| own.leader >= 0 && broker.nodeid == own.leader && broker.is_up());
        let is_unresponsive = broker.is_some_and(|broker| broker.is_unresponsive(answer_within));
        if own.high() >= 0 {
            self.set_high(own.high());
        }
        let mut held = lock(&self.held);
        *held = own.held(*held, Instant::now());
        drop(held);
        self.update(broker.is_some() && !is_unresponsive, is_unresponsive);
    }

    fn update(&self, is_up: bool, is_unresponsive: bool) {
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

/// The part of the library's statistics that is used.
#[derive(Deserialize)]
pub(super) struct Statistics<'a> {
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
    /// How it is known: `configured`, `learned`, or `logical`, which is a part that a broker has to play.
    #[serde(borrow, default)]
    source: Cow<'a, str>,
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

impl Statistics<'_> {
    /// Whether the client knows any broker.
    pub(super) fn knows_brokers(&self) -> bool {
        self.brokers.values().any(|broker| !matches!(&*broker.source, "logical" | "internal"))
    }
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
    fn a_broker_that_was_asked_must_answer() {
        let within = Duration::from_secs(5);
        for (waiting, idle_us, is_unresponsive) in [
            (1, 4_900_000, false),
            (1, 5_100_000, true),
            (0, 60_000_000, false), // enough was fetched ahead, so nothing is asked
            (1, -1, false),
        ] {
            let state = Cow::Borrowed("UP");
            let source = Cow::Borrowed("learned");
            let broker =
                Broker { nodeid: 1, state, source, waitresp_cnt: waiting, rxidle: idle_us };
            assert_eq!(broker.is_unresponsive(within), is_unresponsive, "{waiting} {idle_us}");
        }
    }
}
