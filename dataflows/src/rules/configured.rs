//! The rules of the configuration, and what further ones may refer to.

use std::sync::Arc;

use operators::signals::Rule;

use super::raw::RawRule;
use super::terms::RuleTerms;

/// The rules of a configuration.
#[derive(Clone, Debug, Default)]
pub struct ConfiguredRules {
    /// As they are written.
    pub raw: Vec<RawRule>,
    /// The same, checked.
    pub rules: Arc<[Rule]>,
    /// What rules may refer to; none of a job that has no bars, and so no rules.
    pub terms: Option<RuleTerms>,
}

impl ConfiguredRules {
    /// The rule of this name, as it is written.
    pub fn named(&self, name: &str) -> Option<&RawRule> {
        self.raw.iter().find(|rule| rule.name == name)
    }
}
