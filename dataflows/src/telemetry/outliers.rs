//! Outliers, by the kind of the record that has their price.

use market::CauseKind;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::list::OUTLIERS;
use super::parts::{Counted, register};

/// How many prices were far away from recent ones.
#[derive(Debug, Default)]
pub(super) struct Outliers {
    pub(super) counted: Counted,
}

impl Outliers {
    pub(super) fn register(&self, registry: &mut Registry) {
        register(registry, OUTLIERS, self.counted.family());
    }
}

impl Metrics {
    /// Counts new trades or corrections whose price is far away from recent ones.
    pub fn outliers(&self, kind: CauseKind, n: u64) {
        self.0.outliers.counted.add(vec![("kind", kind.name().to_owned())], n);
    }
}
