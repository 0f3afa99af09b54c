//! Each source and each delivery to a sink, as `/health` shows them: what it does, and since when.

use std::collections::BTreeMap;

use market::EventTime;
use node_api::Component;

use super::{SinkSeen, SourceSeen};

/// Since when something is in its state, by name.
#[derive(Debug, Default)]
pub(super) struct Since(BTreeMap<String, (&'static str, EventTime)>);

impl Since {
    /// Since when `name` is in a state, in which it is at system time `at`.
    fn of(&mut self, name: String, state: &'static str, at: EventTime) -> EventTime {
        let (known, since) = self.0.entry(name).or_insert((state, at));
        if *known != state {
            (*known, *since) = (state, at);
        }
        *since
    }

    /// The sources at system time `at`; `all_pause`: whether they wait for memory or the recording.
    pub(super) fn sources(
        &mut self,
        sources: &[SourceSeen],
        all_pause: bool,
        at: EventTime,
    ) -> Vec<Component> {
        let component = |source: &SourceSeen| {
            let state = state_of(source, all_pause);
            Component {
                name: source.name.clone(),
                view: None,
                kind: source.kind.clone(),
                state,
                since: self.of(format!("source {}", source.name), state, at),
                last_error: source.last_error.clone(),
            }
        };
        sources.iter().map(component).collect()
    }

    /// The deliveries to sinks at system time `at`.
    pub(super) fn sinks(&mut self, sinks: &[SinkSeen], at: EventTime) -> Vec<Component> {
        let component = |sink: &SinkSeen| {
            let state = sink.state.name();
            Component {
                name: sink.name.clone(),
                view: Some(sink.view),
                kind: sink.kind.clone(),
                state,
                since: self.of(format!("sink {} {}", sink.name, sink.view), state, at),
                last_error: sink.last_error.clone(),
            }
        };
        sinks.iter().map(component).collect()
    }
}

/// What a source does: what is wrong with it comes first, then what the view `sources` said last.
fn state_of(source: &SourceSeen, all_pause: bool) -> &'static str {
    match source {
        SourceSeen { is_given_up: true, .. } => "given_up",
        SourceSeen { failure: Some(_), .. } => "failed",
        SourceSeen { is_reached: false, .. } => "not_reached",
        SourceSeen { is_down: true, .. } => "disconnected",
        SourceSeen { state: "ended", .. } => "ended",
        _ if all_pause => "paused",
        _ if source.is_held_back() => "held_back",
        SourceSeen { state, .. } => state,
    }
}
