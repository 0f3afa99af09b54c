//! Each order of rows beside a sort of all of them.

use std::time::Instant;

use market::{
    Catalog, Event, IdScope, IdText, InstrumentId, NameOrder, Rejection, RejectionReason, Span,
    TradeId, TradeRef,
};
use proptest::prelude::*;
use rows::PartitionNames;

use super::*;
use crate::clock::{Ahead, SourceTiming};
use crate::ingest::event_queues::event_queue;
use crate::ingest::input::{ControlEvent, SourceEvent};
use crate::ingest::sequencer::SourceNames;

/// Rows of a partition: their times in seconds; none for one that is refused.
type Times = Vec<Option<i64>>;

fn row(position: u64, secs: Option<i64>) -> Row {
    let of =
        TradeRef { instrument: InstrumentId(1), scope: IdScope(0), id: TradeId::Number(position) };
    let event = secs.map(|secs| Event::Cancel { of, time: Some(EventTime(secs)) }.into());
    let refused = || Box::new(Rejection::new(RejectionReason::Malformed, "no time", b"?"));
    Row { id_texts: id_texts(position), ..Row::new(position, event.ok_or_else(refused)) }
}

/// What the row of this position carries.
fn id_texts(position: u64) -> Vec<IdText> {
    let of = |n| IdText::of(&[&format!("t-{n}")]).1.unwrap();
    (0..position % 3).map(of).collect()
}

/// The queues of partitions of one source whose readers have ended.
fn queues(partitions: &[Times]) -> Vec<(FilePlace, EventReceiver)> {
    let queue = |(partition, times): (usize, &Times)| {
        let rows = (1..).zip(times).map(|(position, time)| row(position, *time));
        let rows: Vec<Row> = rows.collect();
        let (sender, receiver) = event_queue(rows.len() / 3 + 2);
        let partition = partition as u32;
        for rows in rows.chunks(3).map(<[Row]>::to_vec) {
            let received_at = Instant::now();
            sender.send(SourceEvent::Rows { partition, rows, received_at }).unwrap();
        }
        sender.send(SourceEvent::Control(ControlEvent::Ended { partition })).unwrap();
        ((0, partition), receiver)
    };
    partitions.iter().enumerate().map(queue).collect()
}

fn with_builder<T>(partitions: usize, test: impl FnOnce(&mut CommitBuilder<'_>) -> T) -> T {
    let timing = SourceTiming::plain(Span::secs(1), partitions);
    let clock = CommitClock::new(vec![timing], Ahead::NotAfter(EventTime::END), EventTime::NEVER);
    let partitions = PartitionNames::one("p");
    let source = SourceNames { name: "a".to_owned(), rank: 0, order: NameOrder(0), partitions };
    let (sources, catalog) = ([source], Catalog::new(Vec::new(), 9));
    test(&mut CommitBuilder::new(clock, Naming { sources: &sources, catalog: &catalog }))
}

/// The rows of all partitions, each with the time at which it stands, sorted by `key`.
fn sorted<K: Ord>(partitions: &[Times], key: impl Fn(i64, u32, u64) -> K) -> Vec<(u32, u64)> {
    let mut rows = Vec::new();
    for (partition, times) in (0..).zip(partitions) {
        let mut last = i64::MIN;
        for (position, time) in (1..).zip(times) {
            last = time.unwrap_or(last);
            rows.push((last, partition, position));
        }
    }
    rows.sort_by_key(|(time, partition, position)| key(*time, *partition, *position));
    rows.into_iter().map(|(_, partition, position)| (partition, position)).collect()
}

/// Everything that `next` gives, or its error.
fn all(
    mut next: impl FnMut() -> Result<Option<PlacedRow>, SequencerError>,
) -> Result<Vec<(u32, u64)>, SequencerError> {
    let mut rows = Vec::new();
    while let Some(PlacedRow { place, row, .. }) = next()? {
        assert_eq!(row.id_texts, id_texts(row.position));
        rows.push((place.1, row.position));
    }
    Ok(rows)
}

fn partitions() -> impl Strategy<Value = Vec<Times>> {
    let time = prop::option::weighted(0.9, 0..30_i64);
    let times = prop::collection::vec(time, 0..40);
    // A part of them lies nearly in order, so that a small buffer is enough.
    let times = (times, 0..3_usize).prop_map(|(mut times, order)| {
        if order > 0 {
            times.sort_by_key(|time| time.map(|time| time / 4));
        }
        times
    });
    prop::collection::vec(times, 0..4)
}

proptest! {
    #[test]
    fn rows_in_the_order_of_lines_are_those_of_a_sort(partitions in partitions()) {
        let want = sorted(&partitions, |_, partition, position| (position, partition));
        let mut merge = Merge::<u64>::new(queues(&partitions));
        let rows = with_builder(partitions.len(), |builder| all(|| Ok(merge.next(&mut |source, event| builder.apply(source, event)))));
        prop_assert_eq!(rows.unwrap(), want);
    }

    #[test]
    fn sorted_runs_are_those_of_a_sort(partitions in partitions(), block in 1..50_usize) {
        let want = sorted(&partitions, |time, partition, position| (time, partition, position));
        let stop = Stop::default();
        let rows = with_builder(partitions.len(), |builder| {
            let mut runs = SortedRuns::of(queues(&partitions), block, builder, &stop).unwrap();
            let rows = all(|| runs.next().map_err(SequencerError::NotSorted));
            assert_eq!(runs.into_control().len(), partitions.len(), "each has ended");
            rows
        });
        prop_assert_eq!(rows.unwrap(), want);
    }

    #[test]
    fn reordered_rows_are_those_of_a_sort_or_are_refused(
        partitions in partitions(),
        held in 1..50_usize,
    ) {
        let want = sorted(&partitions, |time, partition, position| (time, partition, position));
        let times = |rows: &[(u32, u64)]| -> Vec<Option<i64>> {
            let time = |(partition, position): &(u32, u64)| {
                let before = &partitions[*partition as usize][..*position as usize];
                before.iter().rev().find_map(|time| *time)
            };
            rows.iter().map(time).collect()
        };
        let mut merge = TimeMerge::new(queues(&partitions), held);
        match with_builder(partitions.len(), |builder| all(|| merge.next(builder))) {
            Ok(rows) => {
                // Rows of one time may come in any order, since a commit is a set.
                prop_assert_eq!(times(&rows), times(&want));
                let (mut rows, mut want) = (rows, want);
                rows.sort();
                want.sort();
                prop_assert_eq!(rows, want);
            }
            Err(SequencerError::OutOfOrder { rows, .. }) => {
                prop_assert_eq!(rows, held);
                let all: usize = partitions.iter().map(Vec::len).sum();
                prop_assert!(held < all, "a buffer that holds all rows puts any order right");
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn watermarks_follow_rows_that_come_in_the_order_of_time() {
    with_builder(2, |builder| {
        builder.clock.reach(EventTime(50));
        let binding = builder.close(EventTime(0), true).binding;
        assert_eq!(binding.watermarks, [Some(EventTime(50))], "whatever partitions have brought");
        builder.clock.reach(EventTime(40));
        let binding = builder.close(EventTime(0), true).binding;
        assert_eq!(binding.watermarks, [Some(EventTime(50))], "none goes back");
    });
}
