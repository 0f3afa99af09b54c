//! Where an earlier process has left a partition.

use std::thread;
use std::time::{Duration, Instant};

use super::KafkaSource;
use super::client::Client;
use super::kafka_state::KafkaState;
use super::place::{ASK_TIMEOUT, RetainedRange};
use super::reader::position;
use super::recover::{END_ATTEMPTS_MAX, PAUSE};
use crate::mapping::Packing;
use crate::source::{
    Incident, IncidentKind, LostRows, PartitionReader, PartitionState, ResumePoint, Source as _,
    SourceError,
};

/// How long the id of a topic that had one is waited for, and how often it is looked for.
const ID_TIMEOUT: Duration = Duration::from_secs(2);
const ID_POLL: Duration = Duration::from_millis(20);

/// Where a partition is read on.
pub(super) struct ReadFrom {
    /// The offset of the next message.
    pub(super) next: i64,
    /// Rows up to this position were read before.
    pub(super) after: u64,
    /// What positions have on top of offsets.
    pub(super) base: u64,
    pub(super) incidents: Vec<Incident>,
}

impl KafkaSource {
    /// Opens a partition where an earlier process has left it.
    pub(super) fn read_on(
        &self,
        partition: u32,
        at: &ResumePoint,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let client = self.client()?;
        let (topic, _) = self.place_of(partition);
        let packing = self.plan().messages.packing();
        let known = at.state.as_ref().and_then(PartitionState::read::<KafkaState>);
        let known = known.unwrap_or(KafkaState { topic_id: None, base: 0, next: 0 });
        let read = packing.whole(at.after).saturating_sub(known.base);
        // Before its first row is kept, where it began.
        let next = i64::try_from(read).unwrap_or(i64::MAX);
        let next = if at.after == 0 { next.max(known.next) } else { next };
        let retained = self.retained_for(&client, partition, next)?;
        let id = known.topic_id.as_ref().and_then(|_| topic_id(&client, topic));
        let is_other = known.topic_id.is_some() && id.is_some() && known.topic_id != id;
        let mut begin = ReadFrom { next, after: at.after, base: known.base, incidents: Vec::new() };
        if is_other {
            begin.anew(retained.low, "the topic was deleted and made anew", packing);
        } else if next > retained.high {
            let ends =
                format!("it was read up to offset {next} and ends before {} now", retained.high);
            match id {
                Some(_) => {
                    begin.anew(retained.high, &format!("{ends}: it has lost its end"), packing)
                }
                None => begin.anew(retained.low, &format!("{ends}: it was made anew"), packing),
            }
        } else if next < retained.low {
            begin.skip_to(retained.low, packing);
        }
        let tracked = self.track(&client, partition, retained)?;
        self.read_from(client, partition, begin, tracked)
    }

    /// What is retained of a partition. A broker that was just started may not know its end at once.
    fn retained_for(
        &self,
        client: &Client,
        partition: u32,
        next: i64,
    ) -> Result<RetainedRange, SourceError> {
        let name = self.partition_name(partition);
        let (topic, number) = self.place_of(partition);
        let mut attempts = 0;
        loop {
            let retained =
                RetainedRange::ask(client, topic, number, ASK_TIMEOUT).map_err(|error| {
                    self.no_answer(client, &format!("what is retained of {name}"), &error)
                })?;
            attempts += 1;
            if next <= retained.high || attempts > END_ATTEMPTS_MAX {
                return Ok(retained);
            }
            thread::sleep(PAUSE);
        }
    }
}

/// The id of a topic. The library tells it in its log, a moment after brokers have told the library.
fn topic_id(client: &Client, topic: &str) -> Option<String> {
    let until = Instant::now() + ID_TIMEOUT;
    loop {
        let id = client.topic_id(topic);
        if id.is_some() || Instant::now() >= until {
            return id;
        }
        thread::sleep(ID_POLL);
    }
}

impl ReadFrom {
    /// The oldest messages that were to be read are gone.
    fn skip_to(&mut self, low: i64, packing: Packing) {
        let (first, last) = (position(self.base, self.next), position(self.base, low - 1));
        let detail = format!(
            "the server keeps nothing before offset {low}, and {} was to be read next",
            self.next
        );
        let lost = LostRows::of_positions(first, last);
        let positions = Some((packing.row(first, 0), packing.last(last)));
        let lost = if packing == Packing::ONE { lost } else { LostRows { positions, ..lost } };
        self.incidents.push(Incident { kind: IncidentKind::Gap, lost: Some(lost), detail });
        self.next = low;
    }

    /// What is there has nothing to do with what was read. Positions go on where they were.
    fn anew(&mut self, offset: i64, why: &str, packing: Packing) {
        let used = packing.message(self.after);
        let detail = format!(
            "{why}; what it had from offset {} on is lost; it is read from offset {offset} on, and positions go on",
            self.next
        );
        self.base = used.saturating_sub(offset.max(0).unsigned_abs());
        self.incidents.push(Incident { kind: IncidentKind::Gap, lost: None, detail });
        self.next = offset;
    }
}
