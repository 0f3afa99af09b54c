//! What the process retains, part by part and in all. Shown as of one moment, so that the parts add up.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Metrics;
use super::list::{RETAINED, STATE, STATE_LIMIT};
use super::parts::{encode_gauge, help, unit};

/// The parts, and what all of them may take.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<RwLock<Option<Measured>>>);

#[derive(Clone, Debug)]
struct Measured {
    parts: Vec<(&'static str, u64)>,
    limit: u64,
}

impl Metrics {
    /// Sets the bytes of each part of what is retained, and how many all of them may take.
    pub fn retained(&self, parts: Vec<(&'static str, u64)>, limit: u64) {
        let mut measured = self.0.memory.0.write().unwrap_or_else(PoisonError::into_inner);
        *measured = Some(Measured { parts, limit });
    }
}

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let measured = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(Measured { parts, limit }) = measured else { return Ok(()) };
        let unit = unit(RETAINED);
        let mut family = encoder.encode_descriptor(
            RETAINED.name,
            &help(RETAINED),
            unit.as_ref(),
            MetricType::Gauge,
        )?;
        for (part, bytes) in &parts {
            let labels = [("part", *part)];
            ConstGauge::new(*bytes).encode(family.encode_family(&labels)?)?;
        }
        encode_gauge(&mut encoder, STATE, parts.iter().map(|(_, bytes)| *bytes).sum::<u64>())?;
        encode_gauge(&mut encoder, STATE_LIMIT, limit)
    }
}
