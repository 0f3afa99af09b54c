//! The newest commit, and its age at the time of the request.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use market::Commit;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::Metrics;
use super::list::{AGE, Described, NEWEST};

/// The newest commit and when it was published.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest(Arc<RwLock<Option<(Commit, Instant)>>>);

impl Metrics {
    /// Records that a commit was published now. Commits older than the newest are ignored.
    pub fn committed(&self, commit: Commit) {
        let mut newest = self.0.newest.0.write().unwrap_or_else(PoisonError::into_inner);
        if newest.is_none_or(|(known, _)| known < commit) {
            *newest = Some((commit, Instant::now()));
        }
    }
}

impl Collector for Newest {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let newest = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some((Commit(number), published)) = newest else {
            return Ok(());
        };
        let number = ConstGauge::new(number);
        let metric =
            encoder.encode_descriptor(NEWEST.name, &help(NEWEST), None, number.metric_type())?;
        number.encode(metric)?;
        let age = ConstGauge::new(published.elapsed().as_secs_f64());
        let unit = AGE.unit.map(|unit| Unit::Other(unit.to_owned()));
        let metric =
            encoder.encode_descriptor(AGE.name, &help(AGE), unit.as_ref(), age.metric_type())?;
        age.encode(metric)
    }
}

/// As the registry writes the help of its own.
fn help(of: Described) -> String {
    format!("{}.", of.doc)
}
