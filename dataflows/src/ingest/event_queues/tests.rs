//! The queues against a slow model, and under threads.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use market::EventTime;
use proptest::prelude::*;

use super::*;

/// An event that is recognised by its partition and number.
fn event(partition: u32, number: i64) -> SourceEvent {
    SourceEvent::Drained { partition, at: EventTime(number) }
}

fn numbered(event: SourceEvent) -> (u32, i64) {
    let SourceEvent::Drained { partition, at } = event else { panic!("{event:?}") };
    (partition, at.0)
}

/// A moment that a test does not wait for.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}

/// The next event that is there.
fn next(receiver: &mut EventReceiver) -> Option<(usize, (u32, i64))> {
    receiver.recv_until(Instant::now()).map(|(source, event)| (source, numbered(event)))
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize),
    Take,
    Pause(usize),
    Resume(usize),
}

fn step(sources: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..sources).prop_map(Step::Send),
        5 => Just(Step::Take),
        1 => (0..sources).prop_map(Step::Pause),
        1 => (0..sources).prop_map(Step::Resume),
    ]
}

/// What the queues must do, by plain lists.
struct Model {
    bounds: Vec<usize>,
    waiting: Vec<Vec<i64>>,
    paused: HashSet<usize>,
    /// Since the last event of a source: the others that have waited all the time and had no turn.
    owed: Vec<HashSet<usize>>,
}

impl Model {
    fn new(bounds: &[usize]) -> Model {
        Model {
            bounds: bounds.to_vec(),
            waiting: vec![Vec::new(); bounds.len()],
            paused: HashSet::new(),
            owed: vec![HashSet::new(); bounds.len()],
        }
    }

    /// The sources of which an event can be taken.
    fn ready(&self) -> HashSet<usize> {
        let sources = 0..self.waiting.len();
        sources.filter(|s| !self.waiting[*s].is_empty() && !self.paused.contains(s)).collect()
    }

    fn forgive(&mut self, source: usize) {
        for owed in &mut self.owed {
            owed.remove(&source);
        }
    }

    fn check_taken(&mut self, source: usize, number: i64) {
        assert!(!self.paused.contains(&source), "an event of {source}, which is paused");
        assert_eq!(self.waiting[source].remove(0), number, "the order of source {source}");
        assert!(self.owed[source].is_empty(), "before {source}: {:?}", self.owed[source]);
        self.forgive(source);
        self.owed[source] = self.ready();
        self.owed[source].remove(&source);
    }
}

proptest! {
    #[test]
    fn sources_take_turns_and_nothing_is_lost_or_repeated(
        bounds in prop::collection::vec(1_usize..4, 1..5),
        steps in prop::collection::vec(step(4), 0..200),
    ) {
        let (senders, mut receiver) = event_queues(bounds.iter().copied());
        prop_assert_eq!(receiver.sources(), bounds.len());
        let mut model = Model::new(&bounds);
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Send(source) => {
                    let source = source % bounds.len();
                    let sent = senders[source].try_send(event(0, number));
                    let has_room = model.waiting[source].len() < model.bounds[source];
                    prop_assert_eq!(sent.is_ok(), has_room);
                    if has_room {
                        model.waiting[source].push(number);
                    }
                }
                Step::Take => match next(&mut receiver) {
                    Some((source, (_, number))) => model.check_taken(source, number),
                    None => prop_assert!(model.ready().is_empty(), "{:?} wait", model.ready()),
                },
                Step::Pause(source) => {
                    let source = source % bounds.len();
                    receiver.pause(source);
                    model.paused.insert(source);
                    model.forgive(source);
                }
                Step::Resume(source) => {
                    let source = source % bounds.len();
                    receiver.resume(source);
                    model.paused.remove(&source);
                }
            }
        }
        for (source, waiting) in model.waiting.iter().enumerate() {
            prop_assert_eq!(receiver.is_empty(source), waiting.is_empty());
        }
        // What is left comes when nobody sends any more.
        drop(senders);
        (0..bounds.len()).for_each(|source| receiver.resume(source));
        model.paused.clear();
        while let Some((source, event)) = receiver.recv() {
            model.check_taken(source, numbered(event).1);
        }
        prop_assert!(model.waiting.iter().all(Vec::is_empty), "lost: {:?}", model.waiting);
    }
}

#[test]
fn threads_of_many_partitions_lose_and_repeat_nothing() {
    const EVENTS: i64 = 500;
    let bounds = [1, 2, 3];
    let (senders, mut receiver) = event_queues(bounds);
    let send = |(sender, partition): (EventSender, u32)| {
        thread::spawn(move || {
            (0..EVENTS).for_each(|number| sender.send(event(partition, number)).unwrap());
        })
    };
    let partitions =
        senders.into_iter().flat_map(|sender| (0..3).map(move |p| (sender.clone(), p)));
    let threads: Vec<_> = partitions.map(send).collect();
    let mut next_numbers: HashMap<(usize, u32), i64> = HashMap::new();
    while let Some((source, event)) = receiver.recv() {
        let (partition, number) = numbered(event);
        let next = next_numbers.entry((source, partition)).or_default();
        assert_eq!(number, *next, "source {source}, partition {partition}");
        *next += 1;
    }
    assert_eq!(next_numbers.len(), 9);
    assert!(next_numbers.values().all(|next| *next == EVENTS), "{next_numbers:?}");
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_source_whose_queue_is_full_holds_up_nobody_else() {
    let (senders, mut receiver) = event_queues([2, 2]);
    let [full, other] = &senders[..] else { panic!("two sources") };
    (0..2).for_each(|number| full.try_send(event(0, number)).unwrap());
    let waiting = thread::spawn({
        let full = full.clone();
        move || full.send(event(0, 2))
    });
    other.send(event(0, 0)).unwrap();
    let taken: Vec<usize> = (0..2).map(|_| receiver.recv().unwrap().0).collect();
    assert_eq!(taken, [0, 1], "the second source does not wait for the backlog of the first");
    waiting.join().unwrap().unwrap();
}

#[test]
fn a_receiver_that_sleeps_is_woken_by_the_first_event() {
    let (senders, mut receiver) = event_queues([1, 1]);
    let receiving = thread::spawn(move || {
        let first = receiver.recv_until(far()).map(|(source, event)| (source, numbered(event)));
        let ended = receiver.recv().is_none();
        (first, ended)
    });
    senders[1].send(event(7, 8)).unwrap();
    drop(senders);
    assert_eq!(receiving.join().unwrap(), (Some((1, (7, 8))), true), "and by the end of all");
}

#[test]
fn without_senders_a_receiver_finds_nothing() {
    let (senders, mut receiver) = event_queues([1]);
    senders[0].send(event(0, 1)).unwrap();
    drop(senders);
    assert_eq!(next(&mut receiver), Some((0, (0, 1))));
    let deadline = Instant::now() + Duration::from_millis(20);
    assert!(receiver.recv_until(deadline).is_none());
    let (_, mut nobody) = event_queues([]);
    assert!(nobody.recv().is_none());
}

#[test]
fn senders_that_wait_end_when_the_receiver_is_gone() {
    let (senders, receiver) = event_queues([1]);
    senders[0].send(event(0, 0)).unwrap();
    let waiting = thread::spawn({
        let sender = senders[0].clone();
        move || sender.send(event(0, 1)).is_err()
    });
    drop(receiver);
    assert!(waiting.join().unwrap());
    assert!(matches!(senders[0].try_send(event(0, 2)), Err(TrySendError::Disconnected(_))));
}
