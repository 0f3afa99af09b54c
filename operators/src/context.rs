//! What a commit brings besides records: the watermarks by which everything in it is decided, and the rules that count.

use std::ops::Range;
use std::sync::Arc;

use market::{Commit, EventTime, SourceId, Span};
use serde::{Deserialize, Serialize};

use crate::rules::RulesInForce;

/// A set of sources; there are at most 64 in a job.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SourceSet(u64);

/// One watermark per source: no event before it is expected any more. Absent for historic sources,
/// which never hold anything back and never push anything on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks {
    of_source: Arc<[Option<EventTime>]>,
    /// The source of what clients send, if there is one: its watermark counts where no other source has one.
    clients: SourceSet,
}

/// From when on each source has been read. Events before that are not all there, so a bar that opens before it may lack
/// trades. The same in all commits of a run; by default nothing was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFrom(Arc<[Option<EventTime>]>);

/// A commit as operators see it, the same on every worker.
#[derive(Clone, Debug)]
pub struct CommitContext {
    /// Its number.
    pub commit: Commit,
    /// The system time to which it is bound: that of the clock when it was made, and the same in a replay.
    pub at: EventTime,
    /// Whether it ends a round: larger timeframes move only then.
    pub round: bool,
    /// The watermarks of the commit before: all decisions in this one use them.
    pub watermarks: Watermarks,
    /// The watermarks of the last commit of the round before.
    pub round_watermarks: Watermarks,
    /// From when on sources have been read.
    pub read_from: ReadFrom,
    /// The shards whose states are to be saved as they are after this commit.
    pub saves: Range<u16>,
    /// The rules that count in it.
    pub rules: RulesInForce,
}

/// Which sources speak of an instrument, and its watermark: the minimum over them, which never goes
/// back when another source joins.
///
/// Sources count from the commit after their first record. So this needs no configuration of which source feeds what,
/// and is a function of the commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentClock {
    sources: SourceSet,
    floor: EventTime,
}

impl SourceSet {
    /// How many sources a job may have.
    pub const MAX: usize = 64;

    /// The set of one.
    pub fn of(source: SourceId) -> SourceSet {
        debug_assert!(usize::from(source.0) < SourceSet::MAX, "checked when a job is configured");
        SourceSet(1 << (source.0 & 63))
    }

    /// Both sets.
    #[must_use]
    pub fn and(self, other: SourceSet) -> SourceSet {
        SourceSet(self.0 | other.0)
    }

    /// Whether all of `other` are in this set.
    pub fn has(self, other: SourceSet) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of this set that are not in `other`.
    #[must_use]
    fn without(self, other: SourceSet) -> SourceSet {
        SourceSet(self.0 & !other.0)
    }

    fn indices(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let index = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                index
            })
        })
    }
}

impl Watermarks {
    /// Watermarks by [`SourceId`].
    pub fn new(watermarks: impl Into<Arc<[Option<EventTime>]>>) -> Watermarks {
        Watermarks { of_source: watermarks.into(), clients: SourceSet::default() }
    }

    /// The same, where these sources are those of clients: what they send is waited for only where nobody else tells
    /// the time.
    #[must_use]
    pub fn with_clients(self, clients: SourceSet) -> Watermarks {
        Watermarks { clients, ..self }
    }

    /// The watermarks before the first commit of a job with `sources` sources.
    pub fn none(sources: usize) -> Watermarks {
        Watermarks::new(vec![Some(EventTime::NEVER); sources])
    }

    /// With those of sources that a restored job has gained, of which there are so many in all: as before their first
    /// commit.
    #[must_use]
    pub fn of_at_least(&self, sources: usize) -> Watermarks {
        let gained = sources.saturating_sub(self.of_source.len());
        let gained = std::iter::repeat_n(Some(EventTime::NEVER), gained);
        let of_source = self.of_source.iter().copied().chain(gained).collect();
        Watermarks { of_source, clients: self.clients }
    }

    /// The minimum over those of `sources` that have one, but for clients; theirs if no other has one; before all time
    /// if none has.
    pub fn least(&self, sources: SourceSet) -> EventTime {
        let least = |sources: SourceSet| {
            sources.indices().filter_map(|index| self.of_source.get(index).copied().flatten()).min()
        };
        let feeds = least(sources.without(self.clients));
        feeds.or_else(|| least(sources)).unwrap_or(EventTime::NEVER)
    }

    /// The watermark of each source.
    pub fn as_slice(&self) -> &[Option<EventTime>] {
        &self.of_source
    }
}

impl ReadFrom {
    /// By [`SourceId`]: [`EventTime::NEVER`] for a source that is read from its beginning; none for one of which
    /// nothing is known, since clients send what they like.
    pub fn new(times: impl Into<Arc<[Option<EventTime>]>>) -> ReadFrom {
        ReadFrom(times.into())
    }

    /// Of a job that goes on, whose sources were read from `before`; those that it has gained since from these times.
    #[must_use]
    pub fn going_on_from(&self, before: &ReadFrom) -> ReadFrom {
        let sources = self.0.len().max(before.0.len());
        ReadFrom((0..sources).map(|source| before.of(source).or(self.of(source))).collect())
    }

    /// From when on a source has been read; none if that is unknown, or no source has this number.
    pub fn of(&self, source: usize) -> Option<EventTime> {
        self.0.get(source).copied().flatten()
    }

    /// From when on nothing is missing of an instrument that `sources` report. One that is read from its beginning has
    /// it all; of others each may have a part, so the latest decides.
    pub fn whole_from(&self, sources: SourceSet) -> EventTime {
        let mut whole_from = EventTime::NEVER;
        for time in sources.indices().filter_map(|index| self.0.get(index).copied().flatten()) {
            if time == EventTime::NEVER {
                return time;
            }
            whole_from = whole_from.max(time);
        }
        whole_from
    }
}

impl InstrumentClock {
    /// Before the instrument's first record.
    pub fn new() -> InstrumentClock {
        InstrumentClock { sources: SourceSet::default(), floor: EventTime::NEVER }
    }

    /// The sources that have reported the instrument so far.
    pub fn sources(&self) -> SourceSet {
        self.sources
    }

    /// The instrument's watermark under `watermarks`.
    pub fn watermark(&self, watermarks: &Watermarks) -> EventTime {
        self.floor.max(watermarks.least(self.sources))
    }

    /// Counts `sources` from the next commit on; `watermark` is that of the present one.
    /// Returns whether any of them is new.
    pub fn add_sources(&mut self, sources: SourceSet, watermark: EventTime) -> bool {
        let new = !self.sources.has(sources);
        if new {
            self.floor = watermark;
            self.sources = self.sources.and(sources);
        }
        new
    }
}

impl Default for InstrumentClock {
    fn default() -> InstrumentClock {
        InstrumentClock::new()
    }
}

/// `watermark − knob`: what lies before it is beyond the knob. A knob of `forever` is never exceeded.
pub(crate) fn threshold(watermark: EventTime, knob: Span) -> EventTime {
    if knob == Span::FOREVER { EventTime::NEVER } else { watermark.before(knob) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_source_that_joins_does_not_turn_the_watermark_back() {
        let (fast, slow) = (SourceSet::of(SourceId(0)), SourceSet::of(SourceId(1)));
        let watermarks = Watermarks::new([Some(EventTime(100)), Some(EventTime(40)), None]);
        let mut clock = InstrumentClock::new();
        assert_eq!(clock.watermark(&watermarks), EventTime::NEVER);
        clock.add_sources(fast, EventTime::NEVER);
        assert_eq!(clock.watermark(&watermarks), EventTime(100));
        clock.add_sources(slow, clock.watermark(&watermarks));
        assert_eq!(clock.watermark(&watermarks), EventTime(100));
        let later = Watermarks::new([Some(EventTime(300)), Some(EventTime(120)), None]);
        assert_eq!(clock.watermark(&later), EventTime(120));
    }

    #[test]
    fn historic_sources_neither_hold_nor_push() {
        let historic = SourceSet::of(SourceId(2));
        let watermarks = Watermarks::new([Some(EventTime(100)), Some(EventTime(40)), None]);
        assert_eq!(watermarks.least(historic), EventTime::NEVER);
        assert_eq!(watermarks.least(historic.and(SourceSet::of(SourceId(0)))), EventTime(100));
    }

    #[test]
    fn clients_tell_the_time_where_nobody_else_does() {
        let [feed, historic, clients] = [0, 1, 2].map(|source| SourceSet::of(SourceId(source)));
        let watermarks = Watermarks::new([Some(EventTime(100)), None, Some(EventTime(40))]);
        let watermarks = watermarks.with_clients(clients);
        assert_eq!(watermarks.least(clients), EventTime(40));
        assert_eq!(watermarks.least(clients.and(historic)), EventTime(40));
        assert_eq!(watermarks.least(clients.and(feed)), EventTime(100), "they hold nothing back");
        assert_eq!(watermarks.of_at_least(9).least(clients.and(feed)), EventTime(100));
    }

    #[test]
    fn an_instrument_is_whole_from_where_its_sources_are() {
        let [a, b, posts, file] = [0, 1, 2, 3].map(|source| SourceSet::of(SourceId(source)));
        let from =
            ReadFrom::new([Some(EventTime(50)), Some(EventTime(70)), None, Some(EventTime::NEVER)]);
        assert_eq!(from.whole_from(SourceSet::default()), EventTime::NEVER);
        assert_eq!(from.whole_from(posts), EventTime::NEVER);
        assert_eq!(from.whole_from(a.and(posts)), EventTime(50));
        assert_eq!(from.whole_from(a.and(b)), EventTime(70), "each may have a part");
        assert_eq!(from.whole_from(a.and(file)), EventTime::NEVER, "the file reaches back");
    }

    #[test]
    fn forever_is_never_exceeded() {
        assert_eq!(threshold(EventTime::END, Span::FOREVER), EventTime::NEVER);
        assert_eq!(threshold(EventTime::END, Span::secs(1)), EventTime::END);
        assert_eq!(threshold(EventTime::NEVER, Span::secs(1)), EventTime::NEVER);
    }
}
