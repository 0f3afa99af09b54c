//! How a partition is read on where the next message is not there, cannot be read, or is of another topic.

use std::time::{Duration, Instant};

use market::{Rejection, RejectionReason};
use rdkafka::Message as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::place::RetainedRange;
use super::reader::{KafkaReader, PartitionError, WAIT, position};
use super::skip::Step;
use crate::mapping::Packing;
use crate::messages::Original;
use crate::source::{Incident, IncidentKind, LostRows, Row, SourceError};

/// The timeout of a question for the offsets that there are, and the pause between two.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// How often a restarted broker is asked for its end, which it may not know at once.
pub(super) const END_ATTEMPTS_MAX: u32 = 10;
/// A broker that has not answered what is asked in a search within so long is asked again.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);

impl KafkaReader {
    /// Reads on with another client, since this one cannot be used any more.
    pub(super) fn renew_client(&mut self) -> Result<(), SourceError> {
        let client = self.connection.client().map_err(|problem| self.cannot(problem))?;
        let queue = client.0.split_partition_queue(&self.topic, self.partition);
        self.queue = queue.ok_or_else(|| self.cannot("it has no queue"))?;
        self.client = client;
        self.at_end = false;
        self.assign()
    }

    /// Continues with the oldest message there is, and reports what was lost. A partition that ends before what was read
    /// begins anew.
    pub(super) fn seek(&mut self) -> Result<(), SourceError> {
        let Some(retained) = self.retained() else { return Ok(()) };
        if self.next > retained.high {
            self.beyond += 1;
            if self.beyond <= END_ATTEMPTS_MAX {
                std::thread::sleep(PAUSE);
                return Ok(());
            }
            let ends = format!(
                "it was read up to offset {} and ends before {} now",
                self.next, retained.high
            );
            match self.client.knows_id(&self.topic) {
                // The topic is the same.
                true => self.go_on_anew(retained.high, &format!("{ends}: it has lost its end")),
                false => self.go_on_anew(retained.low, &format!("{ends}: it was made anew")),
            }
        } else if self.next < retained.low {
            let first = position(self.base, self.next);
            let last = position(self.base, retained.low - 1);
            let detail = format!(
                "the server keeps nothing before offset {}, and {} was to be read next",
                retained.low, self.next
            );
            self.push_gap(Some(LostRows::of_positions(first, last)), detail);
            self.next = retained.low;
        } else if matches!(self.error_state, Some(PartitionError::Truncated)) {
            let detail = format!(
                "the partition has lost its end and got another: what lies before offset {} now, in place of what was \
                 read, is not read",
                self.next
            );
            self.push_gap(None, detail);
        }
        self.assign()
    }

    /// Reads a topic that was made anew from its beginning. What was fetched of the old one and not read is dropped: from
    /// the new one it cannot be told.
    pub(super) fn begin_anew(&mut self) {
        let made_anew = self.status.made_anew();
        let Some(retained) = self.retained() else { return };
        self.made_anew = made_anew;
        self.go_on_anew(retained.low, "the topic was deleted and made anew");
        if let Err(error) = self.assign() {
            self.push_incident(IncidentKind::Warning, error.to_string());
        }
    }

    /// Goes on at an offset with messages that have nothing to do with those that were read, though they have their
    /// offsets. Positions go on where they were.
    fn go_on_anew(&mut self, offset: i64, why: &str) {
        let had = self.status.high().filter(|high| *high > self.next);
        let lost = had.map(|high| (position(self.base, self.next), position(self.base, high - 1)));
        let used = lost.map_or(position(self.base, self.next - 1), |(_, last)| last);
        self.base = used.saturating_sub(offset.max(0).unsigned_abs());
        let detail = format!(
            "{why}; what it had from offset {} on and was not read is lost; it is read from offset {offset} on, and \
             positions are offsets plus {} from now on",
            self.next,
            self.base + 1
        );
        self.push_gap(lost.map(|(first, last)| LostRows::of_positions(first, last)), detail);
        self.next = offset;
        self.at_end = false;
        self.status.set_high(offset);
    }

    /// Searches for the end of what cannot be read: asks once, or takes an answer.
    pub(super) fn search(&mut self, rows: &mut Vec<Row>) -> Result<(), SourceError> {
        let Some(PartitionError::Unreadable(search)) = &mut self.error_state else { return Ok(()) };
        let Some((at, when)) = search.asked else {
            let high = self.status.high().unwrap_or(0);
            match search.skip.step(high) {
                Step::Ask(at) => {
                    search.asked = Some((at, Instant::now()));
                    let assigned = self.client.assign(&self.topic, self.partition, at);
                    return assigned.map_err(|error| self.cannot(self.client.describe(&error)));
                }
                Step::GoOn(end) => {
                    let (from, why) = (search.skip.from, search.why.clone());
                    self.leave_out(from, end, &format!("cannot be read: {why}"), rows);
                    self.next = end;
                    return self.assign();
                }
            }
        };
        match self.queue.poll(WAIT) {
            Some(Ok(message)) if message.offset() < at => return Ok(()),
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => search.skip.can(at),
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::BadCompression))) => {
                search.skip.cannot(at);
            }
            // A broker that went away: the same is asked again.
            Some(Err(_)) => {}
            None if when.elapsed() < SEARCH_TIMEOUT => return Ok(()),
            None => {}
        }
        search.asked = None;
        Ok(())
    }

    /// Makes a dead letter of the offsets from `from` up to but without `end`.
    pub(super) fn leave_out(&mut self, from: i64, end: i64, why: &str, rows: &mut Vec<Row>) {
        let (first, last) = (position(self.base, from), position(self.base, end - 1));
        let what = match end - from {
            1 => format!("the message at offset {from}"),
            _ => format!("the batch of messages at offsets {from} to {}", end - 1),
        };
        let detail = format!("{what} {why}");
        let mut rejection = Rejection::new(RejectionReason::Malformed, detail.as_str(), b"");
        let original = Original::new().number("offset", from).number("last_offset", end - 1);
        rejection.original = Some(original.finish());
        rows.push(Row::new(self.packing.row(first, 0), Err(Box::new(rejection))));
        let lost = LostRows::of_positions(first, last);
        self.push_gap(Some(lost), format!("{detail}; it is left out"));
    }

    /// Reads on at `next`.
    fn assign(&mut self) -> Result<(), SourceError> {
        match self.client.assign(&self.topic, self.partition, self.next) {
            Ok(()) => {
                (self.error_state, self.beyond) = (None, 0);
                Ok(())
            }
            Err(error) => Err(self.cannot(self.client.describe(&error))),
        }
    }

    /// What is retained; none if that is not answered now. It is asked again: the answer, or its absence, has taken its
    /// time.
    fn retained(&self) -> Option<RetainedRange> {
        RetainedRange::ask(&self.client, &self.topic, self.partition, PAUSE).ok()
    }

    /// Tells of messages of these numbers that are lost, if it is known which.
    fn push_gap(&mut self, lost: Option<LostRows>, detail: String) {
        let packing = self.packing;
        let lost = lost.map(|lost| match (packing, lost.positions) {
            (Packing::ONE, _) | (_, None) => lost,
            (_, Some((first, last))) => {
                let positions = Some((packing.row(first, 0), packing.last(last)));
                LostRows { positions, ..lost }
            }
        });
        self.incidents.push(Incident { kind: IncidentKind::Gap, lost, detail });
    }
}
