//! What earlier commits of a job leave behind for a clock that goes on.

use std::collections::{BTreeMap, HashSet};

use market::{Commit, Event, EventTime, InstrumentId, Numbered, PartitionId, SourceId, Span};
use serde::{Deserialize, Serialize};

use super::Binding;
use super::clients::ClientClock;

/// What is known of the commits before.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ClockHistory {
    pub(super) last: Option<Binding>,
    /// The newest event time of each partition.
    pub(super) newest: BTreeMap<(usize, usize), EventTime>,
    /// Which sources have sent which instruments.
    pub(super) sent: HashSet<(usize, InstrumentId)>,
    /// The source of clients, and what is known of them.
    pub(super) clients: Option<(usize, ClientClock)>,
}

impl ClockHistory {
    /// Before the first commit; `clients` are the number of the source of clients and its grace, if there is one.
    pub fn of(clients: Option<(usize, Span)>) -> ClockHistory {
        let clients = clients.map(|(source, grace)| (source, ClientClock::new(grace)));
        ClockHistory { clients, ..ClockHistory::default() }
    }

    /// An event that is in the commit at hand.
    pub fn note(&mut self, (source, partition): (SourceId, PartitionId), event: &Event) {
        let source = source.number();
        self.sent.insert((source, event.instrument()));
        // As when it was bound: only trades move watermarks.
        if let (Event::New(_) | Event::Correct { .. }, Some(time)) = (event, event.time()) {
            let newest = self.newest.entry((source, partition.number()));
            let newest = newest.or_insert(EventTime::NEVER);
            *newest = (*newest).max(time);
            let clients = self.clients.iter_mut().filter(|(clients, _)| *clients == source);
            clients.for_each(|(_, clients)| clients.note(time));
        }
    }

    /// The commit at hand is closed.
    pub fn close(&mut self, binding: &Binding) {
        self.clients.iter_mut().for_each(|(_, clients)| clients.close(binding.at));
        self.last = Some(binding.clone());
    }

    /// The commit that follows; none before the first.
    pub fn next(&self) -> Option<Commit> {
        Some(self.last.as_ref()?.commit.next())
    }

    /// The last commit.
    pub fn last(&self) -> Option<&Binding> {
        self.last.as_ref()
    }

    /// The position up to which rows of a partition are bound; none if it has brought none.
    pub fn position(&self, source: SourceId, partition: PartitionId) -> Option<u64> {
        let positions = self.last.as_ref()?.positions.get(source.number())?;
        positions.get(partition.number()).copied().filter(|position| *position > 0)
    }
}
