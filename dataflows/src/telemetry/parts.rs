//! Building blocks: counters that know their sum, gauges, and their registration.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Metric, Registry, Unit};

use super::list::Described;

pub(super) type Labels = Vec<(&'static str, String)>;
pub(super) type Whole = Gauge<u64, AtomicU64>;
pub(super) type Decimal = Gauge<f64, AtomicU64>;

/// A family of counters and their sum.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    family: Family<Labels, Counter>,
    sum: Arc<AtomicU64>,
    /// By each label.
    sums: Arc<Mutex<BTreeMap<(&'static str, String), u64>>>,
}

impl Counted {
    /// The counters, as a registry takes them.
    pub(super) fn family(&self) -> Family<Labels, Counter> {
        self.family.clone()
    }

    pub(super) fn add(&self, labels: Labels, n: u64) {
        self.family.get_or_create(&labels).inc_by(n);
        self.sum.fetch_add(n, Ordering::Relaxed);
        for label in labels {
            *self.sums().entry(label).or_default() += n;
        }
    }

    /// The sum of those that have this label.
    pub(super) fn of(&self, label: &(&'static str, String)) -> u64 {
        self.sums().get(label).copied().unwrap_or(0)
    }

    /// The counter with exactly these labels.
    pub(super) fn at(&self, labels: &Labels) -> u64 {
        self.family.get(labels).map_or(0, |counter| counter.get())
    }

    fn sums(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), u64>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

/// A gauge without labels, as a collector writes it.
pub(super) fn encode_gauge<N>(
    encoder: &mut DescriptorEncoder<'_>,
    of: Described,
    value: N,
) -> Result<(), fmt::Error>
where
    ConstGauge<N>: EncodeMetric,
{
    let (gauge, unit) = (ConstGauge::new(value), unit(of));
    let metric =
        encoder.encode_descriptor(of.name, &help(of), unit.as_ref(), gauge.metric_type())?;
    gauge.encode(metric)
}

/// The unit of a metric.
pub(super) fn unit(of: Described) -> Option<Unit> {
    of.unit.map(|unit| Unit::Other(unit.to_owned()))
}

/// As the registry writes the help of its own.
pub(super) fn help(of: Described) -> String {
    format!("{}.", of.doc)
}

/// Registers a metric under its description.
pub(super) fn register(registry: &mut Registry, of: Described, metric: impl Metric) {
    match of.unit {
        Some(unit) => {
            registry.register_with_unit(of.name, of.doc, Unit::Other(unit.to_owned()), metric)
        }
        None => registry.register(of.name, of.doc, metric),
    }
}
