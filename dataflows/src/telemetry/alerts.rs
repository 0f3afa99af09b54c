//! Alerts, by the rule that raised them.

use prometheus_client::registry::Registry;

use super::Metrics;
use super::list::{RAISED, WITHDRAWN};
use super::parts::{Counted, Labels, register};

/// How often alerts were raised, and withdrawn.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    pub(super) raised: Counted,
    pub(super) withdrawn: Counted,
}

impl Alerts {
    pub(super) fn register(&self, registry: &mut Registry) {
        register(registry, RAISED, self.raised.family());
        register(registry, WITHDRAWN, self.withdrawn.family());
    }
}

impl Metrics {
    /// Exports the counters of a rule from now on, at zero, so that their first step is visible.
    pub fn rule(&self, rule: &str) {
        self.alerts_raised(rule, 0);
        self.alerts_withdrawn(rule, 0);
    }

    /// So many alerts of a rule were raised; one that is raised again counts again.
    pub fn alerts_raised(&self, rule: &str, n: u64) {
        self.0.alerts.raised.add(of(rule), n);
    }

    /// So many alerts of a rule were withdrawn.
    pub fn alerts_withdrawn(&self, rule: &str, n: u64) {
        self.0.alerts.withdrawn.add(of(rule), n);
    }
}

fn of(rule: &str) -> Labels {
    vec![("rule", rule.to_owned())]
}
