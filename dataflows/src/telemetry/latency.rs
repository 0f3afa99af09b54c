//! The time from a tick to its visibility in views.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::Metrics;
use super::list::{STATE_SAVE, TICK_TO_VIEW};
use super::parts::register;

/// The latencies of commits: all of them in buckets, the newest exactly.
#[derive(Clone, Debug)]
pub(super) struct TickToView {
    histogram: Histogram,
    newest: Arc<Mutex<VecDeque<Duration>>>,
    /// For how long workers encoded states, by commit: all in buckets, the newest exactly.
    saves: Histogram,
    newest_saves: Arc<Mutex<VecDeque<Duration>>>,
}

/// The number of commits whose exact latency is kept.
pub const NEWEST_COMMITS: usize = 1_024;

impl Default for TickToView {
    fn default() -> TickToView {
        // 0.5 ms to 8 s.
        TickToView {
            histogram: Histogram::new(exponential_buckets(0.000_5, 2.0, 15)),
            newest: Arc::default(),
            // 0.1 ms to 3 s.
            saves: Histogram::new(exponential_buckets(0.000_1, 2.0, 15)),
            newest_saves: Arc::default(),
        }
    }
}

impl TickToView {
    pub(super) fn register(&self, registry: &mut Registry) {
        register(registry, TICK_TO_VIEW, self.histogram.clone());
        register(registry, STATE_SAVE, self.saves.clone());
    }

    fn observe(&self, took: Duration) {
        self.histogram.observe(took.as_secs_f64());
        push(&self.newest, took);
    }
}

fn push(newest: &Mutex<VecDeque<Duration>>, took: Duration) {
    let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
    if newest.len() == NEWEST_COMMITS {
        newest.pop_front();
    }
    newest.push_back(took);
}

fn within(newest: &Mutex<VecDeque<Duration>>, fraction: f64) -> Option<Duration> {
    let newest = newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut newest = Vec::from(newest);
    newest.sort_unstable();
    let last = newest.len().checked_sub(1)?;
    let rank = (newest.len() as f64 * fraction).ceil() as usize;
    Some(newest[rank.saturating_sub(1).min(last)])
}

impl Metrics {
    /// Records the time from the arrival of a commit's oldest row until the commit could be read.
    pub fn tick_to_view(&self, took: Duration) {
        self.0.tick_to_view.observe(took);
    }

    /// Records for how long a worker encoded states in a commit.
    pub fn state_saved(&self, took: Duration) {
        let own = &self.0.tick_to_view;
        own.saves.observe(took.as_secs_f64());
        push(&own.newest_saves, took);
    }

    /// The quantile of for how long workers encoded states in a commit, of the newest ones ([`NEWEST_COMMITS`] at most);
    /// none before the first.
    pub fn state_saved_within(&self, fraction: f64) -> Option<Duration> {
        within(&self.0.tick_to_view.newest_saves, fraction)
    }

    /// The quantile of the newest commits ([`NEWEST_COMMITS`] at most); none before the first.
    pub fn tick_to_view_within(&self, fraction: f64) -> Option<Duration> {
        within(&self.0.tick_to_view.newest, fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_from_tick_to_view_is_that_of_the_newest_commits() {
        let metrics = Metrics::new("0");
        assert_eq!(metrics.tick_to_view_within(0.99), None);
        metrics.tick_to_view(Duration::from_secs(9));
        assert_eq!(metrics.tick_to_view_within(0.99), Some(Duration::from_secs(9)));
        for ms in (1..=100).cycle().take(NEWEST_COMMITS) {
            metrics.tick_to_view(Duration::from_millis(ms));
        }
        assert_eq!(metrics.tick_to_view_within(0.0), Some(Duration::from_millis(1)));
        assert_eq!(metrics.tick_to_view_within(0.99), Some(Duration::from_millis(99)));
        assert_eq!(metrics.tick_to_view_within(1.0), Some(Duration::from_millis(100)));
        let text = metrics.render();
        assert!(text.contains("\ntickweave_tick_to_view_seconds_count 1025\n"), "{text}");
        assert!(
            text.contains("tickweave_tick_to_view_seconds_bucket{le=\"8.192\"} 1024"),
            "{text}"
        );
    }
}
