//! The commit clock: decides what a commit binds. Pure; the wall clock is an argument.
//!
//! A [`Binding`] is everything that later decisions depend on besides the records themselves. Live, it is
//! made here once; a recording brings it back, so a replay decides the same.
//!
//! `docs/semantics.md`, "Watermarks of sources", defines what is decided: a partition follows the system's time only
//! while it is known to be at its end; a source that others cover does not hold them back while it is silent; until a
//! source has caught up after the start, no watermark passes its own. `clock/tests/definition.rs` is the slow twin.

mod clients;
mod coverage;
mod history;
mod partition;
mod source;

pub use coverage::Coverage;
pub use history::ClockHistory;

use coverage::Redundancy;
use partition::Partition;
use source::SourceClock;

use market::{Commit, Event, EventTime, InputEvent, Rejection, RejectionReason, Span};
use operators::ReadFrom;
use serde::{Deserialize, Serialize};

/// How a source's time is understood.
#[derive(Clone, Debug)]
pub struct SourceTiming {
    /// How far behind its newest event an event may come without being late.
    pub disorder: Span,
    /// A partition that had nothing left to read for so long follows the system's time; none: never. A source of
    /// coverage `any` that has sent nothing for so long is silent.
    ///
    /// An idle source stays in the minimum. If it were excluded, the watermark would have to go back when it resumes,
    /// to trades that are already dropped.
    pub idle_after: Option<Span>,
    /// A partition of which neither a row nor an empty read came for so long is given up: its watermark follows the
    /// system's time at this distance. None: never.
    pub give_up_after: Option<Span>,
    /// Whether other sources send the same.
    pub coverage: Coverage,
    /// A back-fill: it has no watermark, holds nothing back and pushes nothing on.
    pub historic: bool,
    /// Rows that clients send when they like, and for how long they are waited for; none: it is a feed.
    pub clients: Option<Span>,
    /// Whether others wait for it until it has caught up after the start. Not for one whose end nobody can know.
    pub is_awaited: bool,
    /// Whether it makes up a back-fill: until it has caught up, it is never silent. It loses no server, and hours pass
    /// in a moment, so what a slow thread brings a moment later must not be late.
    pub back_fills: bool,
    /// How many partitions it has; more may be opened.
    pub partitions: usize,
}

#[cfg(test)]
impl SourceTiming {
    /// Of a source that has a part of its own and is never idle, with this much disorder.
    pub(crate) fn plain(disorder: Span, partitions: usize) -> SourceTiming {
        SourceTiming {
            disorder,
            idle_after: None,
            give_up_after: None,
            coverage: Coverage::All,
            historic: false,
            clients: None,
            is_awaited: false,
            back_fills: false,
            partitions,
        }
    }
}

/// How far ahead an event time may be.
#[derive(Clone, Copy, Debug)]
pub enum Ahead {
    /// Ahead of the system's time as of the commit before.
    OfSystem(Span),
    /// Fixed: events after this time are refused. Files use it: if a file's own newest time were the bound, one absurd
    /// time would pass and all others be refused.
    NotAfter(EventTime),
}

impl Ahead {
    /// Refuses a time that is too far ahead when the system's time is `at`.
    pub fn check(self, time: EventTime, at: EventTime) -> Result<(), Rejection> {
        let latest = match self {
            Ahead::OfSystem(limit) => at.after(limit),
            Ahead::NotAfter(latest) => latest,
        };
        if time <= latest {
            return Ok(());
        }
        let bound = match self {
            Ahead::OfSystem(limit) => {
                format!("{limit} ahead of the system's time (`job.max_clock_ahead`)")
            }
            Ahead::NotAfter(_) => "`job.not_after` (--not-after)".to_owned(),
        };
        let detail = format!("event time {time} is past {latest}, {bound}");
        Err(Rejection::new(RejectionReason::TimeAhead, detail, b""))
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
    pub watermarks: Vec<Option<EventTime>>,
    /// From when on sources have been read; the same in all commits of a run.
    pub read_from: ReadFrom,
}

/// The state between two commits.
pub struct CommitClock {
    sources: Vec<SourceClock>,
    redundancy: Redundancy,
    ahead: Ahead,
    next: Commit,
    at: EventTime,
    newest: EventTime,
    /// See [`CommitClock::reach`].
    reached: EventTime,
    watermarks: Vec<Option<EventTime>>,
    /// Partitions that were given up, or are not given up any more, with the last commit.
    given_up: Vec<GivenUp>,
    /// Sources that have caught up with the last commit.
    caught_up: Vec<usize>,
    read_from: ReadFrom,
}

/// That a partition is given up from a commit on, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The source's number.
    pub source: usize,
    /// The partition's number.
    pub partition: usize,
    /// Whether it is.
    pub is_given_up: bool,
}

impl CommitClock {
    /// A clock before its first commit, started at system time `at`.
    pub fn new(sources: Vec<SourceTiming>, ahead: Ahead, at: EventTime) -> CommitClock {
        let watermarks =
            sources.iter().map(|s| (!s.historic).then_some(EventTime::NEVER)).collect();
        let redundancy = Redundancy::of(sources.iter().map(|timing| timing.coverage));
        let sources = sources.into_iter().map(|timing| SourceClock::new(timing, at)).collect();
        let (next, newest, reached) = (Commit(0), EventTime::NEVER, EventTime::NEVER);
        let read_from = ReadFrom::default();
        let (given_up, caught_up) = (Vec::new(), Vec::new());
        CommitClock {
            sources,
            redundancy,
            ahead,
            next,
            at,
            newest,
            reached,
            watermarks,
            given_up,
            caught_up,
            read_from,
        }
    }

    /// Sources are read from these times on; by default, from their beginning.
    #[must_use]
    pub fn reading_from(self, read_from: ReadFrom) -> CommitClock {
        CommitClock { read_from, ..self }
    }

    /// Goes on after earlier commits: with the next number, and as if their rows had been bound here. Times and watermarks
    /// do not go back. Every source catches up anew: what it had when the job ended may have grown.
    #[must_use]
    pub fn going_on(mut self, history: &ClockHistory) -> CommitClock {
        let Some(last) = history.last() else { return self };
        self.next = last.commit.next();
        self.at = self.at.max(last.at);
        for (watermark, before) in self.watermarks.iter_mut().zip(&last.watermarks) {
            if let (Some(watermark), Some(before)) = (watermark, before) {
                *watermark = (*watermark).max(*before);
            }
        }
        for (source, positions) in self.sources.iter_mut().zip(&last.positions) {
            source.go_on(positions, self.at);
        }
        for ((source, partition), newest) in &history.newest {
            let own =
                self.sources.get_mut(*source).and_then(|own| own.partitions.get_mut(*partition));
            own.into_iter().for_each(|own| own.newest = *newest);
            self.newest = self.newest.max(*newest);
        }
        for (source, instrument) in &history.sent {
            self.redundancy.note(*source, *instrument);
        }
        if let Some((source, clients)) = &history.clients
            && let Some(own) = self.sources.get_mut(*source)
        {
            own.clients = own.clients.is_some().then(|| clients.clone());
        }
        self.read_from = self.read_from.going_on_from(&last.read_from);
        self
    }

    /// What the next commits follow from, after `last` was closed: what [`CommitClock::going_on`] takes.
    pub fn history(&self, last: &Binding) -> ClockHistory {
        let partitions = self.sources.iter().enumerate().flat_map(|(source, own)| {
            own.partitions
                .iter()
                .enumerate()
                .map(move |(number, own)| ((source, number), own.newest))
        });
        let clients = self.sources.iter().enumerate();
        let mut clients =
            clients.filter_map(|(source, own)| Some((source, own.clients.as_ref()?.clone())));
        ClockHistory {
            last: Some(last.clone()),
            newest: partitions.filter(|(_, newest)| *newest > EventTime::NEVER).collect(),
            sent: self.redundancy.sent().collect(),
            clients: clients.next(),
        }
    }

    /// A partition is there from the next commit on; those that were there already stay as they are. Returns whether
    /// it was not.
    pub fn open(&mut self, source: usize, partition: usize) -> bool {
        let (at, partitions) = (self.at, &mut self.sources[source].partitions);
        while partitions.len() <= partition {
            partitions.push(Partition::missing(at));
        }
        let own = &mut partitions[partition];
        let is_new = own.absent;
        if is_new {
            own.open(at);
        }
        is_new
    }

    /// The partition is not there, though partitions of larger numbers are.
    pub fn leave_out(&mut self, source: usize, partition: usize) {
        self.sources[source].partitions[partition].absent = true;
    }

    /// Binds a row to the commit at hand. An entry too far ahead is refused and moves no watermark.
    pub fn bind(
        &mut self,
        source: usize,
        partition: usize,
        position: u64,
        entry: Option<&InputEvent>,
    ) -> Result<(), Rejection> {
        let own = &mut self.sources[source].partitions[partition];
        own.note_row(position);
        let Some((entry, time)) = entry.and_then(|entry| Some((entry, entry.time()?))) else {
            return Ok(());
        };
        self.ahead.check(time, self.at)?;
        // Only trades move watermarks. The time of a cancel is when it was sent, and account events are no trades.
        if matches!(entry, InputEvent::Market(Event::New(_) | Event::Correct { .. })) {
            own.newest = own.newest.max(time);
            self.newest = self.newest.max(time);
            self.sources[source].clients.iter_mut().for_each(|clients| clients.note(time));
        }
        if let InputEvent::Market(event) = entry {
            self.redundancy.note(source, event.instrument());
        }
        Ok(())
    }

    /// Refuses an entry whose time is too far ahead for the commit at hand.
    pub fn check(&self, entry: &InputEvent) -> Result<(), Rejection> {
        entry.time().map_or(Ok(()), |time| self.ahead.check(time, self.at))
    }

    /// The reader of a partition was connected and had nothing left to read at system time `at`, after the rows
    /// that were bound before.
    pub fn drain(&mut self, source: usize, partition: usize, at: EventTime) {
        let SourceClock { timing, partitions, .. } = &mut self.sources[source];
        partitions[partition].drain(at, timing.idle_after);
    }

    /// The source is not read for now, on request or since others are behind it; its silence means nothing then.
    pub fn hold(&mut self, source: usize, is_held: bool) {
        let at = self.at;
        self.sources[source].hold(is_held, at);
    }

    /// The partition will bring nothing more. Returns whether it could have until now.
    pub fn end(&mut self, source: usize, partition: usize) -> bool {
        !std::mem::replace(&mut self.sources[source].partitions[partition].ended, true)
    }

    /// Whether every partition of every source has ended.
    pub fn all_ended(&self) -> bool {
        self.sources.iter().all(|source| source.partitions.iter().all(Partition::is_done))
    }

    /// The partitions that are there: source, partition, and whether it has ended.
    pub fn partitions(&self) -> impl Iterator<Item = (usize, usize, bool)> {
        self.sources.iter().enumerate().flat_map(|(source, own)| {
            let there = own.partitions.iter().enumerate().filter(|(_, one)| !one.absent);
            there.map(move |(partition, one)| (source, partition, one.ended))
        })
    }

    /// Rows come in the order of time from now on, and none before `time` is to come: no watermark stays below that.
    pub fn reach(&mut self, time: EventTime) {
        self.reached = self.reached.max(time);
    }

    /// The newest event time bound so far.
    pub fn newest(&self) -> EventTime {
        self.newest
    }

    /// The newest event time of a source so far.
    pub fn newest_of(&self, source: usize) -> EventTime {
        let partitions = self.sources[source].partitions.iter();
        partitions.map(|partition| partition.newest).max().unwrap_or(EventTime::NEVER)
    }

    /// Closes the commit at system time `at`, which never goes back.
    pub fn close(&mut self, at: EventTime, round: bool) -> Binding {
        self.at = self.at.max(at);
        let now = self.at;
        self.given_up.clear();
        self.caught_up.clear();
        for (source, own) in self.sources.iter_mut().enumerate() {
            let had_caught_up = own.has_caught_up;
            let changes = own.close(now);
            self.given_up.extend(changes.map(|(partition, is_given_up)| GivenUp {
                source,
                partition,
                is_given_up,
            }));
            if own.has_caught_up && !had_caught_up {
                self.caught_up.push(source);
            }
        }
        let own: Vec<EventTime> =
            self.sources.iter_mut().map(|source| source.watermark(now)).collect();
        let awaited = self.sources.iter().zip(&own).filter(|(source, _)| source.is_awaited(now));
        let bound = awaited.map(|(_, own)| *own).min().unwrap_or(EventTime::END);
        for (watermark, own) in self.watermarks.iter_mut().zip(own) {
            *watermark = watermark.map(|before| before.max(own.min(bound)).max(self.reached));
        }
        self.carry_on(now);
        let commit = self.next;
        self.next = commit.next();
        let positions = self.sources.iter().map(SourceClock::positions).collect();
        Binding {
            commit,
            at: now,
            round,
            positions,
            watermarks: self.watermarks.clone(),
            read_from: self.read_from.clone(),
        }
    }

    /// The sources that have caught up with the commit that was closed last: each of their partitions was at its end
    /// once.
    pub fn caught_up(&self) -> &[usize] {
        &self.caught_up
    }

    /// The partitions that were given up in the commit that was closed last, and those that are not any more.
    pub fn given_up(&self) -> &[GivenUp] {
        &self.given_up
    }

    /// Silent sources that others cover take the watermark of those that are live, as these are after the commit at
    /// hand.
    fn carry_on(&mut self, now: EventTime) {
        let silent: Vec<bool> =
            self.sources.iter().map(|source| source.is_covered_silence(now)).collect();
        if !silent.contains(&true) {
            return;
        }
        let live = |source: usize| self.watermarks[source].filter(|_| !silent[source]);
        let taken: Vec<(usize, EventTime)> = (0..silent.len())
            .filter(|source| silent[*source])
            .filter_map(|source| Some((source, self.redundancy.covering_watermark(source, live)?)))
            .collect();
        for (source, taken) in taken {
            if let Some(watermark) = &mut self.watermarks[source] {
                *watermark = (*watermark).max(taken);
            }
        }
    }
}

#[cfg(test)]
mod tests;
