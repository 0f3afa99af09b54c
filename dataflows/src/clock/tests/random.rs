//! Random runs: the clock against its definition, after every commit.

use proptest::prelude::*;

use super::definition::{Definition, Happened, Past};
use super::*;

/// A step of a run; times are in tenths of a second.
#[derive(Clone, Copy, Debug)]
enum Step {
    Row { source: usize, partition: usize, instrument: u64, lag: i64 },
    Drained { source: usize, partition: usize },
    Opened { source: usize, partition: usize },
    Ended { source: usize, partition: usize },
    Held { source: usize, is_held: bool },
    Pass(i64),
    Close,
}

const SOURCES: usize = 4;
/// The number of the source of clients.
const CLIENTS: usize = 3;

fn tenths(count: i64) -> Span {
    Span::millis(count * 100)
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..SOURCES, 0..3_usize);
    prop_oneof![
        6 => (place(), 0..3_u64, 0..80_i64).prop_map(|((source, partition), instrument, lag)| {
            Step::Row { source, partition, instrument, lag }
        }),
        8 => place().prop_map(|(source, partition)| Step::Drained { source, partition }),
        1 => place().prop_map(|(source, partition)| Step::Opened { source, partition }),
        1 => place().prop_map(|(source, partition)| Step::Ended { source, partition }),
        1 => (0..SOURCES, any::<bool>()).prop_map(|(source, is_held)| Step::Held { source, is_held }),
        8 => (0..25_i64).prop_map(Step::Pass),
        8 => Just(Step::Close),
    ]
}

fn source_timing() -> impl Strategy<Value = SourceTiming> {
    let spans = (0..20_i64, prop::option::of(1..60_i64), prop::option::of(1..90_i64));
    let is = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.3));
    (spans, is, 0..3_usize).prop_map(
        |((disorder, idle, give_up), (is_any, is_awaited, historic, back_fills), partitions)| {
            SourceTiming {
                disorder: tenths(disorder),
                idle_after: idle.map(tenths),
                give_up_after: give_up.map(tenths),
                coverage: if is_any { Coverage::Any } else { Coverage::All },
                historic,
                clients: None,
                is_awaited,
                back_fills,
                partitions,
            }
        },
    )
}

fn timings() -> impl Strategy<Value = Vec<SourceTiming>> {
    (prop::collection::vec(source_timing(), CLIENTS), 1..40_i64).prop_map(|(mut timings, grace)| {
        timings.push(SourceTiming {
            clients: Some(tenths(grace)),
            idle_after: None,
            give_up_after: None,
            coverage: Coverage::All,
            historic: false,
            is_awaited: false,
            partitions: 1,
            ..timing(1)
        });
        timings
    })
}

/// The clock and what has happened to it.
struct Run {
    clock: CommitClock,
    timings: Vec<SourceTiming>,
    began: EventTime,
    now: EventTime,
    events: Vec<(usize, usize, Happened)>,
    past: Vec<Past>,
    marks: Vec<Option<EventTime>>,
    position: u64,
}

impl Run {
    fn new(timings: Vec<SourceTiming>) -> Run {
        let began = at(1_000);
        let marks = timings.iter().map(|own| (!own.historic).then_some(EventTime::NEVER)).collect();
        let clock = CommitClock::new(timings.clone(), Ahead::NotAfter(EventTime::LATEST), began);
        let (events, past) = (Vec::new(), Vec::new());
        Run { clock, timings, began, now: began, events, past, marks, position: 0 }
    }

    /// Whether the partition is there and has not ended.
    fn is_there(&self, source: usize, partition: usize) -> bool {
        let mut there = self.clock.partitions();
        there.any(|(s, p, ended)| (s, p) == (source, partition) && !ended)
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Row { source, partition, instrument, lag }
                if self.is_there(source, partition) =>
            {
                self.position += 1;
                let time = self.now.before(tenths(lag));
                let mut event = trade_of(instrument, 0);
                event.time_mut().into_iter().for_each(|own| *own = time);
                self.clock.bind(source, partition, self.position, Some(&event)).unwrap();
                self.events.push((source, partition, Happened::Row { instrument, time }));
            }
            Step::Drained { source, partition } if self.is_there(source, partition) => {
                let at = self.now;
                self.clock.drain(source, partition, at);
                self.events.push((source, partition, Happened::Drained { at }));
            }
            Step::Opened { source, partition }
                if source != CLIENTS && self.clock.open(source, partition) =>
            {
                self.events.push((source, partition, Happened::Opened));
            }
            Step::Ended { source, partition }
                if source != CLIENTS && self.is_there(source, partition) =>
            {
                self.clock.end(source, partition);
                self.events.push((source, partition, Happened::Ended));
            }
            Step::Held { source, is_held } => {
                self.clock.hold(source, is_held);
                self.events.push((source, 0, Happened::Held(is_held)));
            }
            Step::Pass(count) => self.now = self.now.after(tenths(count)),
            Step::Close => self.close(),
            _ => {}
        }
    }

    fn close(&mut self) {
        let binding = self.clock.close(self.now, true);
        self.past.push(Past { events: std::mem::take(&mut self.events), at: self.now });
        let definition = Definition { timings: &self.timings, began: self.began, past: &self.past };
        let wanted = definition.watermarks(&self.marks);
        assert_eq!(binding.watermarks, wanted, "commit {}", self.past.len() - 1);
        let before = Definition { past: &self.past[..self.past.len() - 1], ..definition };
        let mut changes = self.clock.given_up().iter();
        for (source, partition, ended) in self.clock.partitions() {
            let is = !ended && definition.is_given_up(source, partition);
            let was = before.knows(source, partition) && before.is_given_up(source, partition);
            if is != was && !ended {
                let change = GivenUp { source, partition, is_given_up: is };
                assert!(changes.any(|own| *own == change), "{change:?}");
            }
        }
        self.marks = wanted;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_clock_is_its_definition(
        timings in timings(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut run = Run::new(timings);
        steps.into_iter().for_each(|step| run.take(step));
        run.close();
    }
}
