//! The rules of a running job, commit by commit.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use market::{Commit, EventTime, SharedRegistries};
use node_api::RuleError;
use operators::signals::{Acknowledged, Acknowledgement, AlertKey, Rule, RulesInForce};

use super::change::RuleChange;
use super::configured::ConfiguredRules;
use super::raw::RawRule;
use super::requests::{RuleAnswer, RuleAnswers, RuleRequest, RuleRequests};
use super::run_time::{RULES_MAX, RunTimeRules};
use super::watching::Watching;
use crate::telemetry::Metrics;

/// The rules of a job. The thread that dispatches commits has it; clients see the rules that were put through
/// [`JobRules::shared`].
pub struct JobRules {
    configured: Arc<ConfiguredRules>,
    registries: SharedRegistries,
    run_time: RunTimeRules,
    shared: Arc<RwLock<RunTimeRules>>,
    requests: RuleRequests,
    /// Those of the rules that were put that count, checked.
    counting: BTreeMap<String, Rule>,
    /// What a commit without changes has.
    in_force: RulesInForce,
    watching: Arc<Watching>,
    metrics: Metrics,
}

impl JobRules {
    /// Those of the configuration alone.
    pub fn new(
        configured: Arc<ConfiguredRules>,
        registries: SharedRegistries,
        watching: Arc<Watching>,
        metrics: Metrics,
    ) -> JobRules {
        let mut rules = JobRules {
            configured,
            registries,
            run_time: RunTimeRules::default(),
            shared: Arc::default(),
            requests: RuleRequests::default(),
            counting: BTreeMap::new(),
            in_force: RulesInForce::default(),
            watching,
            metrics,
        };
        rules.renew();
        rules
    }

    /// The rules that were put, as of the last commit that was dispatched.
    pub fn shared(&self) -> Arc<RwLock<RunTimeRules>> {
        Arc::clone(&self.shared)
    }

    /// Where clients ask for changes.
    pub fn requests(&self) -> RuleRequests {
        self.requests.clone()
    }

    /// The rules that were put at run time in the commits so far.
    pub fn run_time(&self) -> &RunTimeRules {
        &self.run_time
    }

    /// These were put at run time before the commit that comes next.
    pub fn go_on(&mut self, run_time: RunTimeRules) {
        if self.run_time == run_time {
            return;
        }
        self.run_time = run_time;
        let names: Vec<String> = self.run_time.iter().map(|(name, _)| name.to_owned()).collect();
        self.counting.clear();
        names.iter().for_each(|name| self.check(name));
        self.renew();
    }

    /// Binds what clients have asked for to a commit: gives its changes, and what clients are told when it is
    /// dispatched.
    pub fn bind(&self, commit: Commit, at: EventTime) -> (Vec<RuleChange>, RuleAnswers) {
        let requests = self.requests.take();
        let (mut changes, mut answers) = (Vec::new(), RuleAnswers::default());
        if requests.is_empty() {
            return (changes, answers);
        }
        let mut next = self.run_time.clone();
        for RuleRequest { change, answer } in requests {
            let decided = self.decide(&mut next, &change, (commit, at));
            let decided = decided.map(|(is_change, decided)| {
                changes.extend(is_change.then_some(change));
                decided
            });
            answers.0.push((answer, decided));
        }
        (changes, answers)
    }

    /// Whether a request changes anything of `next`, and what its client is told.
    fn decide(
        &self,
        next: &mut RunTimeRules,
        change: &RuleChange,
        (commit, at): (Commit, EventTime),
    ) -> Result<(bool, RuleAnswer), RuleError> {
        let name = match change {
            RuleChange::Put { name, .. } | RuleChange::Delete { name, .. } => name,
            RuleChange::Acknowledge { .. } => {
                return Ok((true, RuleAnswer { commit, before: None, now: None }));
            }
        };
        let before = next.get(name).cloned();
        let is_change = match (change, &before) {
            (RuleChange::Put { rule, .. }, Some(before)) => before.rule != *rule,
            (RuleChange::Put { .. }, None) => {
                if next.len() >= RULES_MAX {
                    return Err(RuleError::Full { most: RULES_MAX });
                }
                let id = self.registries.register_rule(name);
                id.map_err(|error| RuleError::Refused(error.to_string()))?;
                true
            }
            (_, before) => before.is_some(),
        };
        if is_change {
            next.apply(change, (commit, at));
        }
        Ok((is_change, RuleAnswer { commit, before, now: next.get(name).cloned() }))
    }

    /// Applies the changes of a commit; gives the rules that count in it.
    pub fn apply(
        &mut self,
        changes: &[RuleChange],
        (commit, at): (Commit, EventTime),
    ) -> RulesInForce {
        if changes.is_empty() {
            return self.in_force.clone();
        }
        let mut put = BTreeSet::new();
        for change in changes {
            self.run_time.apply(change, (commit, at));
            if let RuleChange::Put { name, .. } | RuleChange::Delete { name, .. } = change {
                put.insert(name);
            }
        }
        if !put.is_empty() {
            put.iter().for_each(|name| self.check(name));
            self.renew();
        }
        let put = put.into_iter().filter_map(|name| self.counting.get(name));
        let put: Arc<[Rule]> = put.cloned().collect();
        let acknowledged = changes.iter().filter_map(|change| self.acknowledgement(change, at));
        let acknowledged = acknowledged.collect();
        RulesInForce { put, acknowledged, ..self.in_force.clone() }
    }

    fn acknowledgement(&self, change: &RuleChange, at: EventTime) -> Option<Acknowledgement> {
        let RuleChange::Acknowledge { instrument, timeframe, open_time, rule, by, note } = change
        else {
            return None;
        };
        let rule = self.registries.with(|registries| registries.rules.find(rule))?;
        let (instrument, timeframe, open_time) = (*instrument, *timeframe, *open_time);
        let acknowledged = Acknowledged { at, by: by.clone(), note: note.clone() };
        Some(Acknowledgement {
            key: AlertKey { instrument, timeframe, open_time, rule },
            acknowledged: Arc::new(acknowledged),
        })
    }

    /// Checks the rule of this name that was put, if there is one; says so if it does not count.
    fn check(&mut self, name: &str) {
        self.counting.remove(name);
        let Some(put) = self.run_time.get(name) else { return };
        if self.configured.named(name).is_some() {
            tracing::warn!(
                "rule `{name}` is in the configuration, which counts; the one that was put at run time in commit {} \
                 does not count any more",
                put.since
            );
            return;
        }
        let Some(terms) = &self.configured.terms else { return };
        let rule = self.registries.register_rule(name).map_err(|error| error.to_string());
        let rule = rule.and_then(|id| {
            let raw: RawRule =
                serde_json::from_str(&put.rule).map_err(|error| error.to_string())?;
            terms.rule(RawRule { name: name.to_owned(), ..raw }, id, put.since)
        });
        match rule {
            Ok(rule) => drop(self.counting.insert(name.to_owned(), rule)),
            Err(why) => tracing::warn!(
                "rule `{name}`, which was put at run time in commit {}, does not count: {why}",
                put.since
            ),
        }
    }

    /// The rules that count are others now.
    fn renew(&mut self) {
        let configured = self.configured.rules.iter();
        let rules: Arc<[Rule]> = configured.chain(self.counting.values()).cloned().collect();
        rules.iter().for_each(|rule| self.metrics.rule(&rule.name));
        self.watching.note(&rules);
        self.in_force = RulesInForce::new(rules);
        self.shared.write().unwrap_or_else(PoisonError::into_inner).clone_from(&self.run_time);
    }
}
