//! The newest commit, and its age at the time of the request.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use market::Commit;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::Metrics;
use super::list::{AGE, NEWEST};
use super::parts::encode_gauge;

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
        encode_gauge(&mut encoder, NEWEST, number)?;
        encode_gauge(&mut encoder, AGE, published.elapsed().as_secs_f64())
    }
}
