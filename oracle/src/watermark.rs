//! Section *Watermarks*, and the arithmetic of horizons.

use std::collections::BTreeSet;

use market::{EventTime, SourceId, Span};

/// The watermark of one instrument, stepped once per commit, or once per round.
#[derive(Clone, Debug)]
pub(crate) struct Watermark {
    /// *W* of the step that was taken last; −∞ before the first.
    pub(crate) value: EventTime,
    /// The sources seen in steps before the next.
    sources: BTreeSet<SourceId>,
}

impl Watermark {
    /// Before the first step.
    pub(crate) fn new() -> Watermark {
        Watermark { value: EventTime::NEVER, sources: BTreeSet::new() }
    }

    /// Takes the next step, with the watermarks that stood at the end of the step before.
    /// `clients` is the source of what clients send, if there is one.
    pub(crate) fn advance(&mut self, watermarks: &[Option<EventTime>], clients: Option<SourceId>) {
        let watermark =
            |source: &SourceId| watermarks.get(usize::from(source.0)).copied().flatten();
        let others = self.sources.iter().filter(|source| Some(**source) != clients);
        let lowest = others.filter_map(watermark).min();
        let of_clients = clients.filter(|clients| self.sources.contains(clients));
        let lowest = lowest.or_else(|| of_clients.as_ref().and_then(watermark));
        self.value = self.value.max(lowest.unwrap_or(EventTime::NEVER));
    }

    /// Section *Partial bars*: from when on nothing is missing of what these sources report, those of this step
    /// included.
    pub(crate) fn whole_from(&self, read_from: &[Option<EventTime>]) -> EventTime {
        let of_source = |source: &SourceId| read_from.get(usize::from(source.0)).copied().flatten();
        let times: Vec<EventTime> = self.sources.iter().filter_map(of_source).collect();
        match times.contains(&EventTime::NEVER) {
            true => EventTime::NEVER,
            false => times.into_iter().max().unwrap_or(EventTime::NEVER),
        }
    }

    /// A record came from `source` in this step: it counts from the next one on.
    pub(crate) fn add_source(&mut self, source: SourceId) {
        self.sources.insert(source);
    }
}

/// *watermark* − *knob*.
pub(crate) fn less(watermark: EventTime, knob: Span) -> EventTime {
    if watermark == EventTime::NEVER || knob == Span::FOREVER {
        EventTime::NEVER
    } else if watermark == EventTime::END {
        EventTime::END
    } else {
        EventTime(watermark.0.saturating_sub(knob.as_nanos()))
    }
}
