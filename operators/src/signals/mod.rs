//! Signals: rules over bars and indicators, and the alerts that they raise and withdraw.
//!
//! * **Key**: instrument. **Input**: [`SignalIn`], what changed of bars and indicator values. **Output**:
//!   [`SignalOut`].
//! * **Meaning**: a rule holds at a bar or it does not, as a function of this bar, those before it and the
//!   indicator values at them ([`Rule::holds`]). An alert is *raised* for a rule and a bar when the rule
//!   comes to hold there, and *withdrawn* when a restatement ends that; both are rows, and it may be raised
//!   again. A rule that settles on final counts bars only from when they are final.
//! * **Rules may change** from commit to commit ([`RulesInForce`]). At the end of the round a rule that was put is
//!   judged at all bars that there are; alerts that no longer hold are withdrawn. So are those of a rule that is gone,
//!   or does not watch these bars any more, and its status goes. Bars reach the signals only while rules watch them, so
//!   in the commit that puts a rule its bars and their numbers come again (`Core::show`).
//! * An alert that is raised may be **acknowledged**. That shows at the end of the round, and stays until the alert is
//!   raised again.
//! * The **status** of a rule at the bars of an instrument and timeframe ([`Signal`]) follows from its alerts
//!   and from which bars have a row, at the end of each round.
//! * Works per round, like roll-ups and indicators: its history is a function of the rounds.
//! * **State bound**: one point per watched bar, one row per alert ever raised, one per rule; [`Core::size`] gives the
//!   bytes.
//! * **Cost**: per round, rule and changed bar, one evaluation for it and for each bar after it that looks
//!   back on it; per rule that was put, one for each bar that it watches.

mod input;
mod judgement;
mod rule_state;
mod rule_status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use market::{Commit, EventTime, InstrumentId, RuleId, Timeframe};
use serde::{Deserialize, Serialize};

use crate::context::CommitContext;
use crate::keyed::Core;
use crate::numbers::Reading;

pub use crate::rules::{
    Acknowledged, Acknowledgement, AlertKey, Condition, Direction, PATTERNS, Pattern, Point, Rule,
    RulesInForce, Series, Settle, Shape,
};
pub use input::SignalIn;
use rule_state::{Judged, RuleState};

/// The state of an alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Who has acknowledged it since, if anybody has.
    pub acknowledged: Option<Arc<Acknowledged>>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// The status of a rule; there is a row while it watches and any bar has one.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalOut {
    /// An alert was raised, withdrawn, settled or acknowledged.
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
    /// What the numbers in the slots of a bar are called.
    labels: Arc<[String]>,
    /// As in the last commit.
    rules: Arc<[Rule]>,
    states: BTreeMap<(InstrumentId, Timeframe), RuleState>,
    dirty: BTreeSet<(InstrumentId, Timeframe)>,
    /// The rules that were judged at the end of the last round, each with the commit that had put it.
    judged: BTreeMap<RuleId, Commit>,
    bytes: usize,
}

/// What is saved. The labels name the numbers.
type Saved = (
    Vec<String>,
    Vec<((InstrumentId, Timeframe), RuleState)>,
    BTreeSet<(InstrumentId, Timeframe)>,
    BTreeMap<RuleId, Commit>,
);

impl Signals {
    /// An empty shard; `labels` name the numbers in the slots of a bar.
    pub fn new(labels: Arc<[String]>) -> Signals {
        Signals {
            labels,
            rules: Arc::default(),
            states: BTreeMap::new(),
            dirty: BTreeSet::new(),
            judged: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn are_watched(rules: &[Rule], of: (InstrumentId, Timeframe)) -> bool {
        rules.iter().any(|rule| rule.applies_to(of.0, of.1))
    }

    /// Takes the rules of a commit. Bars that nobody watches any more are forgotten, and so are those that come again
    /// in this commit for rules which it has put: some of them may have changed while nobody watched.
    fn take_rules(&mut self, now: &RulesInForce) {
        if !Arc::ptr_eq(&self.rules, &now.rules) {
            self.rules = Arc::clone(&now.rules);
            let unwatched = self.states.iter_mut();
            unwatched
                .filter(|(of, _)| !Signals::are_watched(&now.rules, **of))
                .for_each(|(_, state)| state.forget_bars());
        }
        if now.shows_bars() {
            let shown = self.states.iter_mut().filter(|((instrument, timeframe), _)| {
                now.shows(*instrument, *timeframe) // what comes in this commit is all that there is
            });
            shown.for_each(|(_, state)| state.forget_bars());
        }
        for acknowledgement in &*now.acknowledged {
            let key = acknowledgement.key;
            let of = (key.instrument, key.timeframe);
            if let Some(state) = self.states.get_mut(&of) {
                state.acknowledge(key, &acknowledgement.acknowledged);
                self.dirty.insert(of);
            }
        }
    }

    /// The rules that are others than at the end of the last round: those to be judged at all bars, and those that are
    /// gone.
    fn changed_rules(&self) -> (BTreeSet<RuleId>, BTreeSet<RuleId>) {
        let anew = self.rules.iter().filter(|rule| self.judged.get(&rule.id) != Some(&rule.since));
        let is_gone = |id: &&RuleId| self.rules.iter().all(|rule| rule.id != **id);
        let gone = self.judged.keys().filter(is_gone);
        (anew.map(|rule| rule.id).collect(), gone.copied().collect())
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
        self.take_rules(&context.rules);
        for input in records.drain(..) {
            let of = input.of();
            if !Signals::are_watched(&self.rules, of) {
                continue;
            }
            self.dirty.insert(of);
            self.states.entry(of).or_default().apply(input);
        }
        if !context.round {
            return;
        }
        let (anew, gone) = self.changed_rules();
        let mut dirty = std::mem::take(&mut self.dirty);
        if !anew.is_empty() || !gone.is_empty() {
            dirty = self.states.keys().copied().collect();
            self.judged = self.rules.iter().map(|rule| (rule.id, rule.since)).collect();
        }
        let judged = Judged {
            rules: &self.rules,
            anew: &anew,
            gone: &gone,
            commit: context.commit,
            at: context.at,
        };
        for of in dirty {
            let Some(state) = self.states.get_mut(&of) else { continue };
            state.round(of, &judged, out);
            self.bytes = self.bytes.saturating_add_signed(state.grown());
        }
    }

    fn restate(&self, out: &mut Vec<SignalOut>) {
        self.states.iter().for_each(|(of, state)| state.restate(*of, out));
    }

    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let states: Vec<_> = self.states.iter().collect();
        postcard::to_stdvec(&(&*self.labels, states, &self.dirty, &self.judged))
    }

    fn decode(&mut self, state: &[u8]) -> Result<(), postcard::Error> {
        let (labels, states, dirty, judged): Saved = postcard::from_bytes(state)?;
        // By name: the configuration may list indicators in another order.
        let place = |label: &String| labels.iter().position(|saved| saved == label);
        let places: Vec<Option<usize>> = self.labels.iter().map(place).collect();
        let is_same = labels[..] == self.labels[..];
        self.states = states.into_iter().collect();
        (self.dirty, self.judged) = (dirty, judged);
        for state in self.states.values_mut() {
            state.restored((!is_same).then_some(&*places));
        }
        let grown: isize = self.states.values_mut().map(RuleState::grown).sum();
        self.bytes = 0_usize.saturating_add_signed(grown);
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        (self.states.len(), self.bytes)
    }
}
