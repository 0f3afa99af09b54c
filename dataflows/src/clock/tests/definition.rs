//! The slow twin of the clock: "Watermarks of sources" of `docs/semantics.md`, read off the whole history of a run at
//! every commit. It shares nothing with the clock but its input.

use std::collections::BTreeSet;

use market::{EventTime, Span};

use super::{Coverage, SourceTiming};

/// What happened to a partition, or to a source (whose partition says nothing then).
#[derive(Clone, Copy, Debug)]
pub(super) enum Happened {
    /// A row came; the time of a new trade or a correction of an instrument.
    Row {
        instrument: u64,
        time: EventTime,
    },
    Drained {
        at: EventTime,
    },
    Opened,
    Ended,
    Held(bool),
}

/// One commit: what happened in it, in this order, and when it was closed.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) events: Vec<(usize, usize, Happened)>,
    pub(super) at: EventTime,
}

/// The whole history of a run up to a commit.
pub(super) struct Definition<'a> {
    pub(super) timings: &'a [SourceTiming],
    pub(super) began: EventTime,
    pub(super) past: &'a [Past],
}

const NEVER: i64 = EventTime::NEVER.0;

impl Definition<'_> {
    /// Everything that happened to a partition: in which commit, and what.
    fn of(&self, source: usize, partition: usize) -> Vec<(usize, Happened)> {
        let commits = self.past.iter().enumerate();
        let events = commits.flat_map(|(commit, past)| {
            past.events
                .iter()
                .map(move |(source, partition, what)| (commit, *source, *partition, *what))
        });
        let own = events.filter(|(_, s, p, _)| (*s, *p) == (source, partition));
        own.map(|(commit, _, _, what)| (commit, what)).collect()
    }

    fn now(&self) -> i64 {
        self.past.last().map_or(self.began.0, |past| past.at.0)
    }

    /// The system's time as of the commit before `commit`.
    fn before(&self, commit: usize) -> i64 {
        commit.checked_sub(1).map_or(self.began.0, |before| self.past[before].at.0)
    }

    /// The partitions that are there, ended or not: those of the start, and those that were opened.
    fn partitions(&self, source: usize) -> BTreeSet<usize> {
        let all = self.past.iter().flat_map(|past| &past.events);
        let opened = all.filter(|(s, _, what)| *s == source && matches!(what, Happened::Opened));
        (0..self.timings[source].partitions).chain(opened.map(|(_, p, _)| *p)).collect()
    }

    /// Whether a commit has been closed in which the partition was there.
    pub(super) fn knows(&self, source: usize, partition: usize) -> bool {
        !self.past.is_empty() && self.partitions(source).contains(&partition)
    }

    fn has_ended(&self, source: usize, partition: usize) -> bool {
        self.of(source, partition).iter().any(|(_, what)| matches!(what, Happened::Ended))
    }

    /// The times of the empty reads after the last row that hang together: first and last.
    fn stretch(&self, source: usize, partition: usize) -> Option<(i64, i64)> {
        let idle = self.timings[source].idle_after.map_or(0, Span::as_nanos);
        let gap = (idle / 2).max(2_000_000_000);
        let own = self.of(source, partition);
        let last_row = own.iter().rposition(|(_, what)| matches!(what, Happened::Row { .. }));
        let after = &own[last_row.map_or(0, |at| at + 1)..];
        let mut reads = after.iter().filter_map(|(_, what)| match what {
            Happened::Drained { at } => Some(at.0),
            _ => None,
        });
        let first = reads.next()?;
        Some(reads.fold(
            (first, first),
            |(since, through), at| {
                if at - through <= gap { (since, at) } else { (at, at) }
            },
        ))
    }

    /// When something was heard of it last: that it was opened, a row, an empty read.
    fn heard(&self, source: usize, partition: usize) -> i64 {
        let own = self.of(source, partition);
        let heard = own.iter().map(|(commit, what)| match what {
            Happened::Row { .. } => self.past[*commit].at.0,
            Happened::Drained { at } => at.0,
            Happened::Opened => self.before(*commit),
            Happened::Ended | Happened::Held(_) => NEVER,
        });
        let opened = (partition < self.timings[source].partitions).then_some(self.began.0);
        heard.chain(opened).max().unwrap_or(NEVER)
    }

    /// Whether it is held, and since when it is not.
    fn held(&self, source: usize) -> (bool, i64) {
        let (mut is_held, mut resumed) = (false, self.began.0);
        for (commit, past) in self.past.iter().enumerate() {
            for (s, _, what) in &past.events {
                if let (true, Happened::Held(held)) = (*s == source, what) {
                    if is_held && !held {
                        resumed = self.before(commit);
                    }
                    is_held = *held;
                }
            }
        }
        (is_held, resumed)
    }

    fn is_silent(&self, source: usize) -> bool {
        let Some(idle) = self.timings[source].idle_after else { return false };
        if self.timings[source].back_fills && !self.has_caught_up(source) {
            return false;
        }
        let (_, resumed) = self.held(source);
        let silent = |p: &usize| {
            let quiet = self.heard(source, *p).max(resumed);
            !self.has_ended(source, *p) && quiet + idle.as_nanos() <= self.now()
        };
        self.timings[source].coverage == Coverage::Any && self.partitions(source).iter().any(silent)
    }

    /// Whether each of its partitions was at its end in this commit or before, once the commit was over.
    fn has_caught_up(&self, source: usize) -> bool {
        let mut past = Definition { past: self.past, ..*self };
        (1..=self.past.len()).any(|commits| {
            past.past = &self.past[..commits];
            past.partitions(source).iter().all(|partition| {
                let own = past.of(source, *partition);
                let ends =
                    |what: &Happened| matches!(what, Happened::Drained { .. } | Happened::Ended);
                own.iter().any(|(_, what)| ends(what))
            })
        })
    }

    /// Clients: behind by the least lag of the rows that came a grace ago.
    fn of_clients(&self, source: usize, grace: Span) -> i64 {
        if self.has_ended(source, 0) {
            return EventTime::END.0;
        }
        let Some((_, through)) = self.stretch(source, 0) else { return NEVER };
        let step = (grace.as_nanos() / 256).max(1);
        let lags = self.of(source, 0).into_iter().filter_map(|(commit, what)| {
            let Happened::Row { time, .. } = what else { return None };
            let came = self.past[commit].at.0;
            let counts = (came.div_euclid(step) + 1) * step + grace.as_nanos();
            (counts <= through).then_some((came - time.0).max(0))
        });
        lags.min().map_or(NEVER, |lag| through - grace.as_nanos() - lag)
    }

    fn of_partition(&self, source: usize, partition: usize) -> i64 {
        if self.has_ended(source, partition) {
            return EventTime::END.0;
        }
        let timing = &self.timings[source];
        let disorder = timing.disorder.as_nanos();
        let mut least = NEVER;
        for (_, what) in self.of(source, partition) {
            if let Happened::Row { time, .. } = what {
                least = least.max(time.0 - disorder);
            }
        }
        if let (Some(idle), Some((since, through))) =
            (timing.idle_after.map(Span::as_nanos), self.stretch(source, partition))
            && through - since >= idle
        {
            least = least.max(through - disorder - idle);
        }
        // Given up in this commit or, while it is held, in one before it was.
        if self.is_given_up(source, partition)
            && let Some(limit) = timing.give_up_after
        {
            least = least.max(self.now() - limit.as_nanos() - disorder);
        }
        least
    }

    pub(super) fn is_given_up(&self, source: usize, partition: usize) -> bool {
        let Some(limit) = self.timings[source].give_up_after else { return false };
        let (is_held, resumed) = self.held(source);
        if is_held {
            // As it was when it was held; before the first commit it was not.
            let before = self.past.len() - 1;
            let before = Definition { past: &self.past[..before], ..*self };
            return before.knows(source, partition) && before.is_given_up(source, partition);
        }
        let quiet = self.heard(source, partition).max(resumed);
        !self.has_ended(source, partition) && quiet + limit.as_nanos() <= self.now()
    }

    fn of_source(&self, source: usize) -> i64 {
        match self.timings[source].clients {
            Some(grace) => self.of_clients(source, grace),
            None => {
                let all = self.partitions(source);
                let marks = all.iter().map(|partition| self.of_partition(source, *partition));
                marks.min().unwrap_or(EventTime::END.0)
            }
        }
    }

    /// *M(c)*, given *M(c−1)*.
    pub(super) fn watermarks(&self, before: &[Option<EventTime>]) -> Vec<Option<EventTime>> {
        let sources = 0..self.timings.len();
        let awaited = sources.clone().filter(|source| {
            self.timings[*source].is_awaited
                && !self.has_caught_up(*source)
                && !self.is_silent(*source)
        });
        let bound = awaited.map(|source| self.of_source(source)).min().unwrap_or(EventTime::END.0);
        let own: Vec<Option<i64>> = sources
            .clone()
            .map(|source| Some(before[source]?.0.max(self.of_source(source).min(bound))))
            .collect();
        let carried = sources.map(|source| match own[source] {
            Some(mark) if self.is_silent(source) => {
                Some(mark.max(self.carried(source, &own).unwrap_or(NEVER)))
            }
            mark => mark,
        });
        carried.map(|mark| mark.map(EventTime)).collect()
    }

    /// The watermark that others give to a silent source.
    fn carried(&self, silent: usize, own: &[Option<i64>]) -> Option<i64> {
        let sent = |source: usize| -> BTreeSet<u64> {
            let events = self.past.iter().flat_map(|past| &past.events);
            let rows = events.filter_map(|(s, _, what)| match what {
                Happened::Row { instrument, .. } if *s == source => Some(*instrument),
                _ => None,
            });
            rows.collect()
        };
        let live = (0..own.len()).filter(|other| {
            *other != silent
                && self.timings[*other].coverage == Coverage::Any
                && own[*other].is_some()
                && !self.is_silent(*other)
        });
        let needed = sent(silent);
        let sharing: Vec<usize> = live.filter(|other| !sent(*other).is_disjoint(&needed)).collect();
        let covered: BTreeSet<u64> = sharing.iter().flat_map(|other| sent(*other)).collect();
        if !needed.is_subset(&covered) {
            return None;
        }
        sharing.iter().filter_map(|other| own[*other]).min()
    }
}
