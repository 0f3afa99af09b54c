//! Names for the numbers in rows.

use std::fmt;
use std::sync::Arc;

use market::RuleId;

/// Names for the numbers in rows.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// The names of rules.
    pub rules: RuleNames,
    /// The names of sources and of their partitions, by number.
    pub sources: Vec<(String, PartitionNames)>,
    /// The labels of indicators and the names of their outputs, by number.
    pub indicators: Vec<(String, &'static [&'static str])>,
}

impl Labels {
    /// The indicator and output in a slot of a bar; slots are in the order of indicators and their outputs.
    pub fn number(&self, slot: usize) -> Option<(&str, &'static str)> {
        let outputs = self.indicators.iter().flat_map(|(indicator, outputs)| {
            outputs.iter().map(move |output| (indicator.as_str(), *output))
        });
        outputs.into_iter().nth(slot)
    }
}

/// Names rules by number, including those that are put while the job runs. By default none has a name.
#[derive(Clone, Default)]
pub struct RuleNames(Option<Arc<dyn Fn(RuleId) -> String + Send + Sync>>);

impl RuleNames {
    /// `name` must always return the same name for a rule that is in a row.
    pub fn new(name: impl Fn(RuleId) -> String + Send + Sync + 'static) -> RuleNames {
        RuleNames(Some(Arc::new(name)))
    }

    /// The name of a rule; empty if it has none.
    pub fn of(&self, rule: RuleId) -> String {
        self.0.as_ref().map(|name| name(rule)).unwrap_or_default()
    }
}

impl fmt::Debug for RuleNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuleNames({}, …)", self.of(RuleId(0)))
    }
}

/// Names the partitions of a source by number, including those that appear while it is read.
#[derive(Clone)]
pub struct PartitionNames(Arc<dyn Fn(u32) -> String + Send + Sync>);

impl PartitionNames {
    /// `name` must always return the same name for a number.
    pub fn new(name: impl Fn(u32) -> String + Send + Sync + 'static) -> PartitionNames {
        PartitionNames(Arc::new(name))
    }

    /// A source with one partition of this name.
    pub fn one(name: &'static str) -> PartitionNames {
        PartitionNames::new(move |_| name.to_owned())
    }

    /// The name of partition number `partition`.
    pub fn of(&self, partition: u32) -> String {
        (self.0)(partition)
    }
}

impl fmt::Debug for PartitionNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionNames({}, …)", self.of(0))
    }
}
