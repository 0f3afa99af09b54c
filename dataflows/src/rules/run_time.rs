//! The rules that were put at run time.

use std::collections::BTreeMap;

use market::{Commit, EventTime};
use serde::{Deserialize, Serialize};

use super::change::RuleChange;

/// The most rules that a job has of those that were put at run time.
pub const RULES_MAX: usize = 1_024;

/// The rules that were put at run time, by name: a function of the changes in the commits so far.
///
/// Each segment of the log begins with them, and so does a recording that begins behind the first commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTimeRules(BTreeMap<String, RunTimeRule>);

/// A rule that was put at run time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTimeRule {
    /// As it was written, as JSON.
    pub rule: String,
    /// The commit from which on it counts as it is.
    pub since: Commit,
    /// The system time of that commit.
    pub at: EventTime,
    /// The name of whoever has put it; empty where there are no API keys.
    pub by: String,
}

impl RunTimeRules {
    /// Applies a change of a commit with this number and system time.
    pub fn apply(&mut self, change: &RuleChange, (since, at): (Commit, EventTime)) {
        match change {
            RuleChange::Put { name, rule, by } => {
                let rule = RunTimeRule { rule: rule.clone(), since, at, by: by.clone() };
                self.0.insert(name.clone(), rule);
            }
            RuleChange::Delete { name, .. } => drop(self.0.remove(name)),
            RuleChange::Acknowledge { .. } => {}
        }
    }

    /// The rule of this name.
    pub fn get(&self, name: &str) -> Option<&RunTimeRule> {
        self.0.get(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RunTimeRule)> {
        self.0.iter().map(|(name, rule)| (name.as_str(), rule))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
