//! `[[rule]]`: when to raise an alert.

use market::{Commit, SharedRegistries};
use operators::signals::Rule;

use super::ConfigError;
use crate::rules::{RawRule, RuleTerms};

/// Checks the rules of a configuration.
pub(super) fn check(
    raw: Vec<RawRule>,
    terms: &RuleTerms,
    registries: &SharedRegistries,
) -> Result<Vec<Rule>, ConfigError> {
    if raw.len() > usize::from(u16::MAX) {
        let problem = format!("{} rules are more than {}", raw.len(), u16::MAX);
        return Err(ConfigError::Value { place: "rule".to_owned(), problem });
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let place = format!("rule[{index}] (name `{}`)", raw.name);
        let id = registries.register_rule(&raw.name);
        let id = id.map_err(|error| ConfigError::at(place.clone())(error.to_string()))?;
        let rule = terms.rule(raw, id, Commit(0)).map_err(ConfigError::at(place.clone()))?;
        if rules.iter().any(|other| other.name == rule.name) {
            return Err(ConfigError::at(place)("another rule has this name".to_owned()));
        }
        rules.push(rule);
    }
    Ok(rules)
}
