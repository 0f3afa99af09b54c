//! How far the copy of the state lags, at the time of the request, and how much was uploaded.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use super::Metrics;
use super::list::{COPIED, COPY_AGE};
use super::parts::{encode_gauge, help, unit};

/// Since when nothing newer is in the copy, and how many bytes were uploaded; none without copies.
#[derive(Clone, Debug, Default)]
pub(super) struct StateCopies(Arc<RwLock<Option<(Instant, u64)>>>);

impl Metrics {
    /// The state of this moment is in the copy, or copies begin now.
    pub fn copying_since(&self, at: Instant) {
        let mut copies = self.0.copies.0.write().unwrap_or_else(PoisonError::into_inner);
        copies.get_or_insert((at, 0)).0 = at;
    }

    /// So many bytes were uploaded.
    pub fn state_copied(&self, bytes: u64) {
        let mut copies = self.0.copies.0.write().unwrap_or_else(PoisonError::into_inner);
        copies.get_or_insert_with(|| (Instant::now(), 0)).1 += bytes;
    }
}

impl Collector for StateCopies {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let copies = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some((since, bytes)) = copies else { return Ok(()) };
        encode_gauge(&mut encoder, COPY_AGE, since.elapsed().as_secs_f64())?;
        let (counter, unit) = (ConstCounter::new(bytes), unit(COPIED));
        let metric = encoder.encode_descriptor(
            COPIED.name,
            &help(COPIED),
            unit.as_ref(),
            counter.metric_type(),
        )?;
        counter.encode(metric)
    }
}
