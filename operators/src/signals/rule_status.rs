//! The status of each rule at the bars of one instrument and timeframe, from its alerts and the bars.

use std::collections::{BTreeMap, BTreeSet};

use market::{EventTime, InstrumentId, RuleId, Timeframe};
use serde::{Deserialize, Serialize};

use super::{Signal, SignalChange, SignalKey, SignalOut};
use crate::heap;

/// The bars at which rules hold, and the rows last emitted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RuleStatus {
    /// Per rule, the bars at which an alert of it is raised.
    held: BTreeMap<RuleId, BTreeSet<EventTime>>,
    rows: BTreeMap<RuleId, Signal>,
}

impl RuleStatus {
    /// A rule has come to hold at a bar, or no longer does.
    pub(super) fn alert(&mut self, rule: RuleId, open_time: EventTime, raised: bool) {
        let held = self.held.entry(rule).or_default();
        match raised {
            true => held.insert(open_time),
            false => held.remove(&open_time),
        };
    }

    /// Ends a round for a rule; `newest` is the newest bar that has a row.
    pub(super) fn settle(
        &mut self,
        key: SignalKey,
        newest: Option<EventTime>,
        out: &mut Vec<SignalOut>,
    ) {
        let held = self.held.get(&key.rule);
        let after = newest.map(|newest| Signal {
            newest,
            holds: held.is_some_and(|held| held.contains(&newest)),
            last_held: held.and_then(BTreeSet::last).copied(),
            standing: held.map_or(0, BTreeSet::len) as u64,
        });
        let before = match after {
            Some(after) => self.rows.insert(key.rule, after),
            None => self.rows.remove(&key.rule),
        };
        if before != after {
            let change = SignalChange { key, before, after, restored: false };
            out.push(SignalOut::Signal(change));
        }
    }

    /// The bars at which a rule holds.
    pub(super) fn held(&self, rule: RuleId) -> impl Iterator<Item = EventTime> + '_ {
        self.held.get(&rule).into_iter().flatten().copied()
    }

    /// A rule does not watch these bars any more, and holds at none.
    pub(super) fn end(&mut self, key: SignalKey, out: &mut Vec<SignalOut>) {
        self.held.remove(&key.rule);
        if let Some(before) = self.rows.remove(&key.rule) {
            let (before, after) = (Some(before), None);
            out.push(SignalOut::Signal(SignalChange { key, before, after, restored: false }));
        }
    }

    /// Every row that exists.
    pub(super) fn restate(
        &self,
        (instrument, timeframe): (InstrumentId, Timeframe),
        out: &mut Vec<SignalOut>,
    ) {
        out.extend(self.rows.iter().map(|(rule, row)| {
            let key = SignalKey { instrument, timeframe, rule: *rule };
            let after = Some(*row);
            SignalOut::Signal(SignalChange { key, before: None, after, restored: true })
        }));
    }

    /// About how many bytes it retains besides the alerts, of which there are so many.
    pub(super) fn bytes(&self, alerts: usize) -> usize {
        heap::btree::<RuleId, Signal>(self.rows.len())
            + alerts * heap::btree_entry::<EventTime, ()>()
    }
}
