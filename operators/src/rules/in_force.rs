//! Which rules count in a commit, and what it says of them and of their alerts.

use std::sync::Arc;

use market::{EventTime, InstrumentId, RuleId, Timeframe};
use serde::{Deserialize, Serialize};

use super::condition::Rule;
use crate::heap;

/// The rules that count in a commit, the same on every worker. They may change from commit to commit.
#[derive(Clone, Debug, Default)]
pub struct RulesInForce {
    /// All of them, each with a number of its own. Commits share the list while it stays the same.
    pub rules: Arc<[Rule]>,
    /// Those of them that this commit has put there: their bars are put out again in it.
    pub put: Arc<[Rule]>,
    /// What this commit says of alerts, in this order. Of those that are not raised it says nothing.
    pub acknowledged: Arc<[Acknowledgement]>,
}

/// Names an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The timeframe of the bar.
    pub timeframe: Timeframe,
    /// The bar at which the rule came to hold.
    pub open_time: EventTime,
    /// The rule.
    pub rule: RuleId,
}

/// Somebody acknowledges an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Which alert.
    pub key: AlertKey,
    /// Who, when and why.
    pub acknowledged: Arc<Acknowledged>,
}

/// Who has acknowledged an alert, when and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The system time of the commit.
    pub at: EventTime,
    /// The name of whoever did.
    pub by: String,
    /// What they say; empty if nothing.
    pub note: String,
}

impl RulesInForce {
    /// These rules, which have counted from the first commit on.
    pub fn new(rules: impl Into<Arc<[Rule]>>) -> RulesInForce {
        RulesInForce { rules: rules.into(), ..RulesInForce::default() }
    }

    /// Whether any bars are put out again in this commit.
    pub fn shows_bars(&self) -> bool {
        !self.put.is_empty()
    }

    /// Whether those of this instrument and timeframe are.
    pub fn shows(&self, instrument: InstrumentId, timeframe: Timeframe) -> bool {
        self.put.iter().any(|rule| rule.applies_to(instrument, timeframe))
    }
}

impl Acknowledged {
    /// How many bytes it takes, shared by whoever has it.
    pub fn bytes(&self) -> usize {
        heap::shared::<Acknowledged>() + self.by.capacity() + self.note.capacity()
    }
}
