//! Which instruments have something to do when watermarks move on, although no record came.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use market::{EventTime, InstrumentId};

use crate::context::{InstrumentClock, SourceSet, Watermarks};

/// For each instrument the earliest watermark at which it must be looked at.
///
/// Instruments are grouped by their sources, of which there are few combinations, so that a commit
/// costs one comparison per combination and not one per instrument.
#[derive(Default)]
pub(crate) struct Deadlines {
    waiting: BTreeMap<SourceSet, BTreeSet<(EventTime, InstrumentId)>>,
    entries: HashMap<InstrumentId, (SourceSet, EventTime)>,
    at_once: BTreeSet<InstrumentId>,
}

impl Deadlines {
    /// Replaces the deadline of `instrument`: due when its watermark reaches `due`, at the next call of
    /// [`Self::take_due`] if the present `watermark` has reached it already.
    pub(crate) fn set(
        &mut self,
        instrument: InstrumentId,
        clock: &InstrumentClock,
        due: Option<EventTime>,
        watermark: EventTime,
    ) {
        let entry = due.map(|due| (clock.sources(), due));
        let overdue = due.is_some_and(|due| due <= watermark);
        if overdue {
            self.at_once.insert(instrument);
        }
        if self.entries.get(&instrument).copied() == entry {
            return;
        }
        if let Some((sources, due)) = self.entries.remove(&instrument)
            && let Some(group) = self.waiting.get_mut(&sources)
        {
            group.remove(&(due, instrument));
            if group.is_empty() {
                self.waiting.remove(&sources);
            }
        }
        if let Some((sources, due)) = entry.filter(|_| !overdue) {
            self.entries.insert(instrument, (sources, due));
            self.waiting.entry(sources).or_default().insert((due, instrument));
        }
    }

    /// Takes every instrument that is due under `watermarks`, in order.
    pub(crate) fn take_due(&mut self, watermarks: &Watermarks) -> BTreeSet<InstrumentId> {
        let mut taken = std::mem::take(&mut self.at_once);
        for (sources, group) in &mut self.waiting {
            let watermark = watermarks.least(*sources);
            while let Some((due, instrument)) =
                group.first().copied().filter(|(d, _)| *d <= watermark)
            {
                group.remove(&(due, instrument));
                self.entries.remove(&instrument);
                taken.insert(instrument);
            }
        }
        self.waiting.retain(|_, group| !group.is_empty());
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::SourceId;

    #[test]
    fn due_when_the_slowest_source_is_there() {
        let (a, b) = (SourceSet::of(SourceId(0)), SourceSet::of(SourceId(1)));
        let mut both = InstrumentClock::new();
        both.add_sources(a.and(b), EventTime::NEVER);
        let mut deadlines = Deadlines::default();
        let watermarks = |a, b| Watermarks::new([Some(EventTime(a)), Some(EventTime(b))]);

        deadlines.set(InstrumentId(7), &both, Some(EventTime(60)), EventTime::NEVER);
        assert!(deadlines.take_due(&watermarks(100, 59)).is_empty());
        assert_eq!(
            deadlines.take_due(&watermarks(100, 60)).into_iter().collect::<Vec<_>>(),
            [InstrumentId(7)]
        );
        assert!(deadlines.take_due(&watermarks(100, 100)).is_empty(), "taken once");

        deadlines.set(InstrumentId(7), &both, Some(EventTime(200)), EventTime(100));
        deadlines.set(InstrumentId(7), &both, None, EventTime(100));
        assert!(deadlines.take_due(&watermarks(500, 500)).is_empty(), "withdrawn");

        deadlines.set(InstrumentId(7), &both, Some(EventTime(90)), EventTime(100));
        assert_eq!(deadlines.take_due(&watermarks(0, 0)).len(), 1, "overdue: at the next commit");
    }
}
