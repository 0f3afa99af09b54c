//! Where to begin in a partition, and what is not there any more.

use std::time::Duration;

use market::EventTime;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client::Client;
use crate::source::Place;

/// How long a source waits for an answer before it begins to read.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// What a broker retains of a partition: offsets from `low` up to but without `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetainedRange {
    pub(super) low: i64,
    pub(super) high: i64,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// At this offset.
    At(i64),
    /// At this offset; whether something received after the time that was asked for is gone, nobody knows.
    Perhaps(i64),
    /// Nowhere: messages that were asked for are gone.
    Lost,
}

impl RetainedRange {
    /// Asks what is retained of a partition.
    pub(super) fn ask(
        client: &Client,
        topic: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<RetainedRange, KafkaError> {
        let (low, high) = client.0.fetch_watermarks(topic, partition, timeout)?;
        Ok(RetainedRange { low, high })
    }

    /// Where to begin for `place`; `found` is the first offset received at the time that it names, if any is.
    pub(super) fn begin(self, place: Place, found: Option<i64>) -> Begin {
        let RetainedRange { low, high } = self;
        let has_lost = low > 0;
        match place {
            Place::Earliest => Begin::At(low),
            Place::Latest => Begin::At(high),
            // The next offset is the position of the row before.
            Place::After(position) => match i64::try_from(position) {
                Ok(next) if next >= low => Begin::At(next),
                Ok(_) => Begin::Lost,
                Err(_) => Begin::At(i64::MAX),
            },
            Place::Time(_) => match found {
                Some(first) if has_lost && first <= low => Begin::Lost,
                Some(first) => Begin::At(first),
                None if has_lost && low == high => Begin::Perhaps(high),
                None => Begin::At(high),
            },
        }
    }
}

/// The first offset received at `time` or later, if there is one.
pub(super) fn first_at(
    client: &Client,
    topic: &str,
    partition: i32,
    time: EventTime,
) -> Result<Option<i64>, KafkaError> {
    const MILLISECOND: i64 = 1_000_000;
    let at = Offset::Offset(time.0.max(0) / MILLISECOND);
    let mut asked = TopicPartitionList::with_capacity(1);
    asked.add_partition_offset(topic, partition, at)?;
    let found = client.0.offsets_for_times(asked, ASK_TIMEOUT)?;
    let found = found.find_partition(topic, partition);
    let Some(found) = found else { return Ok(None) };
    found.error()?;
    Ok(match found.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    })
}

/// What was asked for, in words.
pub(super) fn asked(place: Place) -> String {
    match place {
        Place::After(position) => format!("after position {position}"),
        Place::Earliest => "its beginning".to_owned(),
        Place::Latest => "its end".to_owned(),
        Place::Time(time) => time.rfc3339(),
    }
}

/// Whether a question may be answered later.
pub(super) fn is_retryable(error: &KafkaError) -> bool {
    let Some(code) = error.rdkafka_error_code() else { return false };
    !matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::InvalidTopic
            | RDKafkaErrorCode::InvalidArgument
            | RDKafkaErrorCode::UnsupportedFeature
            | RDKafkaErrorCode::Fatal
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_there_or_lost() {
        let (whole, cut) = (RetainedRange { low: 0, high: 10 }, RetainedRange { low: 4, high: 10 });
        let (time, empty) = (Place::Time(EventTime(0)), RetainedRange { low: 10, high: 10 });
        for (retained, place, found, begin) in [
            (whole, Place::Earliest, None, Begin::At(0)),
            (cut, Place::Earliest, None, Begin::At(4)),
            (cut, Place::Latest, None, Begin::At(10)),
            (whole, Place::After(0), None, Begin::At(0)),
            (cut, Place::After(0), None, Begin::Lost),
            (cut, Place::After(3), None, Begin::Lost),
            (cut, Place::After(4), None, Begin::At(4)),
            (whole, time, Some(0), Begin::At(0)),
            (whole, time, Some(3), Begin::At(3)),
            (cut, time, Some(5), Begin::At(5)),
            (cut, time, Some(4), Begin::Lost),
            (cut, time, None, Begin::At(10)),
            (empty, time, None, Begin::Perhaps(10)),
        ] {
            assert_eq!(retained.begin(place, found), begin, "{retained:?} {place:?} {found:?}");
        }
    }
}
