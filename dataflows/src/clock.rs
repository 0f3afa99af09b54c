//! The commit clock: decides what a commit binds. Pure; the wall clock is an argument.
//!
//! A [`Binding`] is everything that later decisions depend on besides the records themselves. Live, it is
//! made here once; a recording brings it back, so a replay decides the same.

use market::{Commit, Entry, Event, EventTime, Refusal, RefusalReason, Span};
use serde::{Deserialize, Serialize};

/// How a source's time is understood.
#[derive(Clone, Debug)]
pub struct SourceTiming {
    /// How far behind its newest event an event may come without being late.
    pub disorder: Span,
    /// After how long without a record its watermark follows the system's time; none: never.
    pub idle_after: Option<Span>,
    /// A back-fill: it has no watermark, holds nothing back and pushes nothing on.
    pub historic: bool,
    /// How many partitions it has; more may be opened.
    pub partitions: usize,
}

/// How many partitions of a source are there, and how many of them have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// Those that were opened.
    pub known: usize,
    /// Those of them that will bring nothing more.
    pub ended: usize,
}

/// How far ahead an event time may be.
#[derive(Clone, Copy, Debug)]
pub enum Ahead {
    /// Ahead of the system's time as of the commit before.
    OfSystem(Span),
    /// Fixed: events after this time are refused.
    NotAfter(EventTime),
}

impl Ahead {
    /// Refuses a time that is too far ahead when the system's time is `at`.
    pub fn check(self, time: EventTime, at: EventTime) -> Result<(), Refusal> {
        let latest = match self {
            Ahead::OfSystem(skew) => at.after(skew),
            Ahead::NotAfter(latest) => latest,
        };
        if time <= latest {
            return Ok(());
        }
        let bound = match self {
            Ahead::OfSystem(skew) => format!("{skew} ahead of the system's time"),
            Ahead::NotAfter(_) => "`not_after`".to_owned(),
        };
        let detail = format!("event time {time} is past {latest}, {bound}");
        Err(Refusal::new(RefusalReason::TimeAhead, detail, b""))
    }
}

/// What a commit binds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its number.
    pub commit: Commit,
    /// The system's time. For bare files: the newest event time so far.
    pub at: EventTime,
    /// Whether it ends a round.
    pub round: bool,
    /// Per source and partition, the position up to which records are bound.
    pub positions: Vec<Vec<u64>>,
    /// Per source, the watermark after this commit; none for historic sources.
    pub marks: Vec<Option<EventTime>>,
}

/// The state between two commits.
pub struct CommitClock {
    sources: Vec<(SourceTiming, Vec<Partition>)>,
    ahead: Ahead,
    next: Commit,
    at: EventTime,
    newest: EventTime,
    marks: Vec<Option<EventTime>>,
}

#[derive(Clone)]
struct Partition {
    newest: EventTime,
    /// The system's time when it last brought a record.
    heard_at: EventTime,
    position: u64,
    /// A number below that of a partition that is there; it may be opened yet.
    absent: bool,
    ended: bool,
    heard: bool,
}

impl CommitClock {
    /// A clock before its first commit, started at system time `at`.
    pub fn new(sources: Vec<SourceTiming>, ahead: Ahead, at: EventTime) -> CommitClock {
        let marks = sources.iter().map(|s| (!s.historic).then_some(EventTime::NEVER)).collect();
        let sources = sources
            .into_iter()
            .map(|timing| {
                let partitions = vec![Partition::fresh(at); timing.partitions];
                (timing, partitions)
            })
            .collect();
        CommitClock { sources, ahead, next: Commit(0), at, newest: EventTime::NEVER, marks }
    }

    /// A partition is there from the next commit on; those that were there already stay as they are.
    pub fn open(&mut self, source: usize, partition: usize) {
        let (at, partitions) = (self.at, &mut self.sources[source].1);
        while partitions.len() <= partition {
            partitions.push(Partition { absent: true, ..Partition::fresh(at) });
        }
        let own = &mut partitions[partition];
        if own.absent {
            *own = Partition::fresh(at);
        }
    }

    /// The partition is not there, though partitions of larger numbers are.
    pub fn leave_out(&mut self, source: usize, partition: usize) {
        self.sources[source].1[partition].absent = true;
    }

    /// Binds a row to the commit at hand. An entry too far ahead is refused and moves no watermark.
    pub fn bind(
        &mut self,
        source: usize,
        partition: usize,
        position: u64,
        entry: Option<&Entry>,
    ) -> Result<(), Refusal> {
        let own = &mut self.sources[source].1[partition];
        own.position = position;
        own.heard = true;
        let Some((entry, time)) = entry.and_then(|entry| Some((entry, entry.time()?))) else {
            return Ok(());
        };
        self.ahead.check(time, self.at)?;
        // A cancel's time is when it was said, and what is said of accounts is no trade: only trades move
        // watermarks.
        if matches!(entry, Entry::Market(Event::New(_) | Event::Correct { .. })) {
            own.newest = own.newest.max(time);
            self.newest = self.newest.max(time);
        }
        Ok(())
    }

    /// Refuses an entry whose time is too far ahead for the commit at hand.
    pub fn check(&self, entry: &Entry) -> Result<(), Refusal> {
        entry.time().map_or(Ok(()), |time| self.ahead.check(time, self.at))
    }

    /// The partition will bring nothing more.
    pub fn end(&mut self, source: usize, partition: usize) {
        self.sources[source].1[partition].ended = true;
    }

    /// Whether every partition of every source has ended.
    pub fn all_ended(&self) -> bool {
        self.sources.iter().all(|(_, partitions)| partitions.iter().all(|p| p.ended || p.absent))
    }

    /// The partitions of each source.
    pub fn partitions(&self) -> Vec<Partitions> {
        let count = |partitions: &Vec<Partition>| {
            let known = partitions.iter().filter(|p| !p.absent);
            let ended = known.clone().filter(|p| p.ended).count();
            Partitions { known: known.count(), ended }
        };
        self.sources.iter().map(|(_, partitions)| count(partitions)).collect()
    }

    /// The newest event time bound so far.
    pub fn newest(&self) -> EventTime {
        self.newest
    }

    /// Closes the commit at system time `at`, which never goes back.
    pub fn close(&mut self, at: EventTime, round: bool) -> Binding {
        self.at = self.at.max(at);
        let now = self.at;
        for ((timing, partitions), mark) in self.sources.iter_mut().zip(&mut self.marks) {
            for partition in partitions.iter_mut() {
                if std::mem::take(&mut partition.heard) {
                    partition.heard_at = now;
                }
            }
            if let Some(mark) = mark {
                let least = partitions.iter().map(|p| watermark(timing, p, now)).min();
                *mark = (*mark).max(least.unwrap_or(EventTime::END));
            }
        }
        let commit = self.next;
        self.next = commit.next();
        let positions = self
            .sources
            .iter()
            .map(|(_, partitions)| partitions.iter().map(|partition| partition.position).collect());
        Binding {
            commit,
            at: now,
            round,
            positions: positions.collect(),
            marks: self.marks.clone(),
        }
    }
}

impl Partition {
    /// Nothing was heard of it; it counts as heard at system time `at`.
    fn fresh(at: EventTime) -> Partition {
        Partition {
            newest: EventTime::NEVER,
            heard_at: at,
            position: 0,
            absent: false,
            ended: false,
            heard: false,
        }
    }
}

fn watermark(timing: &SourceTiming, partition: &Partition, now: EventTime) -> EventTime {
    if partition.ended || partition.absent {
        return EventTime::END;
    }
    let own = partition.newest.before(timing.disorder);
    match timing.idle_after {
        Some(idle) if partition.heard_at.after(idle) <= now => {
            own.max(now.before(timing.disorder).before(idle))
        }
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{
        AccountEvent, FillRef, IdScope, InstrumentId, PortfolioId, Price, Quantity, Side, Terms,
        Trade, TradeId, Updates,
    };

    fn at(secs: i64) -> EventTime {
        EventTime(secs * 1_000_000_000)
    }

    fn trade(secs: i64) -> Entry {
        Entry::Market(Event::New(Trade {
            instrument: InstrumentId(1),
            terms: Terms::DEFAULT,
            scope: IdScope(0),
            id: TradeId::Number(1),
            time: at(secs),
            sequence: 0,
            is_positional: false,
            price: Price(1),
            quantity: Quantity(1),
            side: Side::Unknown,
            updates: Updates::ALL,
        }))
    }

    fn timing(partitions: usize) -> SourceTiming {
        SourceTiming {
            disorder: Span::secs(2),
            idle_after: Some(Span::secs(30)),
            historic: false,
            partitions,
        }
    }

    #[test]
    fn a_source_is_as_far_as_its_slowest_partition() {
        let mut clock =
            CommitClock::new(vec![timing(2)], Ahead::OfSystem(Span::secs(10)), at(1_000));
        clock.bind(0, 0, 1, Some(&trade(1_000))).unwrap();
        assert_eq!(clock.close(at(1_001), true).marks, [Some(EventTime::NEVER)]);
        clock.bind(0, 1, 1, Some(&trade(990))).unwrap();
        let binding = clock.close(at(1_002), true);
        assert_eq!(binding.marks, [Some(at(988))]);
        assert_eq!((binding.commit, binding.positions), (Commit(1), vec![vec![1, 1]]));
        clock.end(0, 1);
        assert_eq!(clock.close(at(1_003), true).marks, [Some(at(998))]);
        clock.end(0, 0);
        assert!(clock.all_ended());
        assert_eq!(clock.close(at(1_004), true).marks, [Some(EventTime::END)]);
    }

    #[test]
    fn a_partition_that_comes_later_is_waited_for() {
        let mut clock =
            CommitClock::new(vec![timing(1)], Ahead::OfSystem(Span::secs(10)), at(1_000));
        clock.bind(0, 0, 1, Some(&trade(1_000))).unwrap();
        assert_eq!(clock.close(at(1_001), true).marks, [Some(at(998))]);
        clock.open(0, 2);
        clock.open(0, 0); // is there already
        clock.bind(0, 0, 2, Some(&trade(1_005))).unwrap();
        assert_eq!(clock.close(at(1_006), true).marks, [Some(at(998))], "2 says nothing yet");
        assert_eq!(clock.partitions(), [Partitions { known: 2, ended: 0 }]);
        clock.bind(0, 2, 7, Some(&trade(1_003))).unwrap();
        let binding = clock.close(at(1_007), true);
        assert_eq!(
            (binding.marks, binding.positions),
            (vec![Some(at(1_001))], vec![vec![2, 0, 7]])
        );
        clock.open(0, 1);
        let binding = clock.close(at(1_037), true);
        assert_eq!(binding.marks, [Some(at(1_005))], "all are idle: 1037 − 30 − 2");
        clock.end(0, 0);
        clock.end(0, 1);
        clock.leave_out(0, 2);
        assert!(clock.all_ended());
        assert_eq!(clock.partitions(), [Partitions { known: 2, ended: 2 }]);
    }

    #[test]
    fn an_idle_source_follows_the_systems_time() {
        let mut clock = CommitClock::new(vec![timing(1)], Ahead::OfSystem(Span::secs(10)), at(0));
        clock.bind(0, 0, 1, Some(&trade(1))).unwrap();
        assert_eq!(clock.close(at(1), true).marks, [Some(at(-1))]);
        assert_eq!(clock.close(at(30), true).marks, [Some(at(-1))], "29 s are not idle yet");
        assert_eq!(clock.close(at(100), true).marks, [Some(at(68))]);
        clock.bind(0, 0, 2, Some(&trade(20))).unwrap();
        assert_eq!(clock.close(at(101), true).marks, [Some(at(68))], "never back");
    }

    #[test]
    fn a_time_ahead_is_refused_and_moves_nothing() {
        let mut clock = CommitClock::new(vec![timing(1)], Ahead::OfSystem(Span::secs(10)), at(100));
        let refusal = clock.bind(0, 0, 1, Some(&trade(111))).unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::TimeAhead);
        assert_eq!(
            refusal.detail,
            "event time 1970-01-01T00:01:51Z is past 1970-01-01T00:01:50Z, 10s ahead of the system's time"
        );
        assert_eq!(clock.close(at(120), true).marks, [Some(EventTime::NEVER)]);
        // The bound moves with the commit before, so now it fits.
        clock.bind(0, 0, 2, Some(&trade(111))).unwrap();

        let mut clock = CommitClock::new(vec![timing(1)], Ahead::NotAfter(at(50)), at(0));
        assert!(clock.bind(0, 0, 1, Some(&trade(50))).is_ok());
        assert!(clock.bind(0, 0, 2, Some(&trade(51))).is_err());
    }

    #[test]
    fn what_is_said_of_accounts_is_bound_and_moves_no_watermark() {
        let bust = |secs| {
            let of = FillRef { portfolio: PortfolioId::of("p"), id: TradeId::Number(1) };
            Entry::Account(AccountEvent::Bust { of, time: Some(at(secs)) })
        };
        let mut clock = CommitClock::new(vec![timing(1)], Ahead::OfSystem(Span::secs(10)), at(100));
        clock.bind(0, 0, 1, Some(&trade(90))).unwrap();
        clock.bind(0, 0, 2, Some(&bust(105))).unwrap();
        let refusal = clock.bind(0, 0, 3, Some(&bust(111))).unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::TimeAhead);
        let binding = clock.close(at(101), true);
        assert_eq!((binding.marks, binding.positions), (vec![Some(at(88))], vec![vec![3]]));
        assert_eq!(clock.newest(), at(90));
    }

    #[test]
    fn the_systems_time_never_goes_back_and_historic_sources_have_no_mark() {
        let historic = SourceTiming { historic: true, ..timing(1) };
        let mut clock = CommitClock::new(vec![historic], Ahead::OfSystem(Span::secs(10)), at(100));
        clock.bind(0, 0, 1, Some(&trade(3))).unwrap();
        let binding = clock.close(at(90), false);
        assert_eq!((binding.at, binding.marks), (at(100), vec![None]));
    }
}
