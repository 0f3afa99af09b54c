//! Which ids have anything to do with a bar.

use std::collections::{HashMap, HashSet};

use market::{AcceptedEvent, TradeRef};

use super::{BarQuestion, EXPLAINED_RECORDS_MAX, TooManyRecords};
use crate::ledger::plain::trades::Id;

/// The ids of trades that were reported for a bar, and those that corrections join with them. Every event of the log is
/// shown to it before [`RelatedIds::closed`].
#[derive(Debug, Default)]
pub struct RelatedIds {
    own: HashSet<Id>,
    /// The two ids of each correction.
    joined: Vec<(Id, Id)>,
}

impl RelatedIds {
    /// Looks at an event of the log.
    ///
    /// # Errors
    ///
    /// If the bar has more trades than can be explained.
    pub fn look_at(
        &mut self,
        question: &BarQuestion<'_>,
        event: &AcceptedEvent,
    ) -> Result<(), TooManyRecords> {
        if event.instrument != question.instrument {
            return Ok(());
        }
        let Some(trade) = event.trade() else { return Ok(()) };
        let named = event.named().map(id_of);
        let reported = id_of(trade.name());
        self.joined.extend(named.filter(|named| *named != reported).map(|named| (named, reported)));
        if question.holds(&trade) {
            self.own.insert(reported);
            self.own.extend(named);
        }
        match self.own.len() > EXPLAINED_RECORDS_MAX {
            true => Err(TooManyRecords),
            false => Ok(()),
        }
    }

    /// All ids of the trades that these ids name.
    #[must_use]
    pub fn closed(mut self) -> RelatedIds {
        let mut beside: HashMap<Id, Vec<Id>> = HashMap::new();
        for (one, other) in self.joined.drain(..) {
            beside.entry(one).or_default().push(other);
            beside.entry(other).or_default().push(one);
        }
        let mut left: Vec<Id> =
            beside.keys().filter(|id| self.own.contains(*id)).copied().collect();
        while let Some(id) = left.pop() {
            for other in beside.get(&id).into_iter().flatten() {
                if self.own.insert(*other) {
                    left.push(*other);
                }
            }
        }
        self
    }

    /// Whether an event names one of them.
    pub(super) fn has(&self, event: &AcceptedEvent) -> bool {
        let reported = event.trade().map(|trade| id_of(trade.name()));
        let named = event.named().map(id_of);
        reported.into_iter().chain(named).any(|id| self.own.contains(&id))
    }

    /// Whether this is one of them.
    pub(super) fn has_id(&self, name: TradeRef) -> bool {
        self.own.contains(&id_of(name))
    }
}

pub(super) fn id_of(name: TradeRef) -> Id {
    (name.scope, name.id)
}
