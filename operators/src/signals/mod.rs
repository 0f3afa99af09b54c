//! Signals: rules over bars and indicators, and the alerts that they raise and withdraw.
//!
//! * **Key**: instrument. **Input**: [`SignalIn`], what changed of bars and indicator values. **Output**:
//!   [`SignalOut`].
//! * **Meaning**: a rule holds at a bar or it does not, as a function of this bar, those before it and the
//!   indicator values at them ([`Rule::holds`]). An alert is *raised* for a rule and a bar when the rule
//!   comes to hold there, and *withdrawn* when a restatement ends that; both are rows, and it may be raised
//!   again. A rule that settles on final counts bars only from when they are final.
//! * The **status** of a rule at the bars of an instrument and timeframe ([`Signal`]) follows from its alerts
//!   and from which bars have a row, at the end of each round.
//! * Works per round, like roll-ups and indicators: its history is a function of the rounds.
//! * **State bound**: one point per bar, one row per alert ever raised, one per rule; [`Core::size`] gives the bytes.
//! * **Cost**: per round, rule and changed bar, one evaluation for it and for each bar after it that looks
//!   back on it.

mod condition;
mod pattern;
mod point;
mod rule_state;
mod rule_status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{Commit, EventTime, InstrumentId, RuleId, SeriesId, Shard, Timeframe};
use serde::{Deserialize, Serialize};

use crate::context::CommitContext;
use crate::indicators::Reading;
use crate::keyed::{Core, Sharded};
use crate::output::BarChange;

pub use condition::{Condition, Direction, Rule, Series, Settle};
pub use pattern::{PATTERNS, Pattern};
pub use point::{Point, Shape};
use rule_state::RuleState;

/// What rules look at.
#[derive(Clone, Debug, PartialEq)]
pub enum SignalIn {
    /// A bar changed.
    Bar(Arc<BarChange>),
    /// A value that rules refer to changed.
    Value {
        /// Of which instrument.
        instrument: InstrumentId,
        /// Of which timeframe.
        timeframe: Timeframe,
        /// At which bar.
        open_time: EventTime,
        /// Which of the values that rules refer to: [`Series::Value`].
        series: SeriesId,
        /// What it is now; none if the bar has none.
        value: Option<f64>,
    },
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

/// The state of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Alert {
    /// Whether the rule holds now; else the alert is withdrawn.
    pub raised: bool,
    /// Whether the bar was final when this was decided; it may still be revised.
    pub settled: bool,
    /// The commit that first raised it.
    pub first: Commit,
    /// The commit that last raised or withdrew it.
    pub last: Commit,
    /// How often it was raised or withdrawn.
    pub changes: u32,
    /// What was so when it was last raised.
    pub raising: Raising,
}

/// What was so when a rule came to hold at a bar. It stays as it was, whatever becomes of the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Raising {
    /// The system time of the commit.
    pub at: EventTime,
    /// The close of the bar at its price scale, and that scale; none of a bar without prices.
    pub close: Option<(i64, u8)>,
    /// The number at the bar that the rule compares: the left series of a cross, the series of a threshold.
    pub value: Option<Reading>,
}

/// The net change of an alert in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertChange {
    /// Which alert.
    pub key: AlertKey,
    /// Its row before, if it had one.
    pub before: Option<Alert>,
    /// Its row after; alerts never go.
    pub after: Alert,
    /// Whether this row existed before and is emitted again because state was restored.
    pub restored: bool,
}

/// Names what is known of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SignalKey {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The timeframe of the bars.
    pub timeframe: Timeframe,
    /// The rule.
    pub rule: RuleId,
}

/// The status of a rule; there is a row while any bar has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal {
    /// When the newest bar that has a row opens.
    pub newest: EventTime,
    /// Whether the rule holds at it.
    pub holds: bool,
    /// When the newest bar opens at which it holds.
    pub last_held: Option<EventTime>,
    /// At how many bars it holds: its alerts that are raised.
    pub standing: u64,
}

/// The net change of the status of a rule in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalChange {
    /// Of which rule.
    pub key: SignalKey,
    /// Its row before, if it had one.
    pub before: Option<Signal>,
    /// Its row after, if it has one. Differs from `before`.
    pub after: Option<Signal>,
    /// Whether this row existed before and is emitted again because state was restored.
    pub restored: bool,
}

/// The output of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalOut {
    /// An alert was raised, withdrawn or settled.
    Alert(AlertChange),
    /// The status of a rule changed.
    Signal(SignalChange),
}

impl SignalOut {
    /// The part about alerts.
    pub fn alert(self) -> Option<AlertChange> {
        match self {
            SignalOut::Alert(change) => Some(change),
            SignalOut::Signal(_) => None,
        }
    }

    /// The part about the status of rules.
    pub fn signal(self) -> Option<SignalChange> {
        match self {
            SignalOut::Signal(change) => Some(change),
            SignalOut::Alert(_) => None,
        }
    }
}

/// One shard of the signals.
pub struct Signals {
    rules: Arc<[Rule]>,
    states: BTreeMap<(InstrumentId, Timeframe), RuleState>,
    dirty: BTreeSet<(InstrumentId, Timeframe)>,
    bytes: usize,
}

impl SignalIn {
    /// Instrument and timeframe that it speaks of.
    pub fn of(&self) -> (InstrumentId, Timeframe) {
        match self {
            SignalIn::Bar(change) => (change.key.instrument, change.key.timeframe),
            SignalIn::Value { instrument, timeframe, .. } => (*instrument, *timeframe),
        }
    }
}

impl Sharded for SignalIn {
    fn shard(&self) -> Shard {
        self.of().0.shard()
    }
}

impl Signals {
    /// An empty shard that watches for `rules`.
    pub fn new(rules: Arc<[Rule]>) -> Signals {
        Signals { rules, states: BTreeMap::new(), dirty: BTreeSet::new(), bytes: 0 }
    }
}

impl Core for Signals {
    type In = SignalIn;
    type Out = SignalOut;

    fn commit(
        &mut self,
        context: &CommitContext,
        records: &mut Vec<SignalIn>,
        out: &mut Vec<SignalOut>,
    ) {
        for input in records.drain(..) {
            let of = input.of();
            if !self.rules.iter().any(|rule| rule.applies_to(of.0, of.1)) {
                continue;
            }
            self.dirty.insert(of);
            self.states.entry(of).or_default().apply(input);
        }
        if !context.round {
            return;
        }
        for of in std::mem::take(&mut self.dirty) {
            let Some(state) = self.states.get_mut(&of) else { continue };
            state.round(of, &self.rules, (context.commit, context.at), out);
            self.bytes = self.bytes.saturating_add_signed(state.grown());
        }
    }

    fn restate(&self, out: &mut Vec<SignalOut>) {
        self.states.iter().for_each(|(of, state)| state.restate(*of, out));
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let states: Vec<_> = self.states.iter().collect();
        postcard::to_stdvec(&(states, &self.dirty))
    }

    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error> {
        let (states, dirty): (Vec<_>, _) = postcard::from_bytes(state)?;
        self.states = states.into_iter().collect();
        self.dirty = dirty;
        let grown: isize = self.states.values_mut().map(RuleState::grown).sum();
        self.bytes = 0_usize.saturating_add_signed(grown);
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        (self.states.len(), self.bytes)
    }
}
