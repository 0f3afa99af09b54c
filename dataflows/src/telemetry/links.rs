//! The status of checks, connections and sinks, updated at the end of every round.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::list::{
    BEHIND, CONNECTED, DISCONNECTS, GAPS, HEALTH, LOST, SINK_FAILED, SINK_RESYNCS, SINK_RETRIES,
    SINK_ROWS,
};
use super::parts::{Labels, Whole, register};
/// The connection of a source to its servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// Partitions that are connected.
    pub connected: u64,
    /// Rows that servers have and that were not read yet, if known.
    pub rows_behind: Option<u64>,
    /// The number of lost connections.
    pub disconnects: u64,
    /// The number of losses of rows.
    pub gaps: u64,
    /// The number of lost rows, as far as known.
    pub lost_rows: u64,
}

/// The status of the delivery of a view to a sink.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    /// Whether the sink has given up.
    pub failed: bool,
    /// Changes that were delivered.
    pub rows: u64,
    /// Failed attempts.
    pub retries: u64,
    /// Snapshots that were sent because changes were no longer retained.
    pub resyncs: u64,
}

/// Counters that are counted elsewhere and exported here.
type Shown = Family<Labels, Counter>;

/// What is shown.
#[derive(Debug, Default)]
pub(super) struct Links {
    health: Family<Labels, Whole>,
    connected: Family<Labels, Whole>,
    behind: Family<Labels, Whole>,
    disconnects: Shown,
    gaps: Shown,
    lost: Shown,
    sink_failed: Family<Labels, Whole>,
    sink_rows: Shown,
    sink_retries: Shown,
    sink_resyncs: Shown,
}

impl Links {
    pub(super) fn register(&self, registry: &mut Registry) {
        for (described, family) in [
            (HEALTH, &self.health),
            (CONNECTED, &self.connected),
            (BEHIND, &self.behind),
            (SINK_FAILED, &self.sink_failed),
        ] {
            register(registry, described, family.clone());
        }
        for (described, family) in [
            (DISCONNECTS, &self.disconnects),
            (GAPS, &self.gaps),
            (LOST, &self.lost),
            (SINK_ROWS, &self.sink_rows),
            (SINK_RETRIES, &self.sink_retries),
            (SINK_RESYNCS, &self.sink_resyncs),
        ] {
            register(registry, described, family.clone());
        }
    }
}

impl Metrics {
    /// The status of a check of `/health`: passes (0), warns (1) or fails (2).
    pub fn health(&self, check: &str, level: u64) {
        let labels = vec![("check", check.to_owned())];
        self.0.links.health.get_or_create(&labels).set(level);
    }

    /// Exports the connection of a source.
    pub fn connection(&self, source: &str, connection: Connection) {
        let of = || vec![("source", source.to_owned())];
        let links = &self.0.links;
        links.connected.get_or_create(&of()).set(connection.connected);
        match connection.rows_behind {
            Some(rows) => drop(links.behind.get_or_create(&of()).set(rows)),
            None => drop(links.behind.remove(&of())),
        }
        show(&links.disconnects, of(), connection.disconnects);
        show(&links.gaps, of(), connection.gaps);
        show(&links.lost, of(), connection.lost_rows);
    }

    /// Exports the status of a delivery.
    pub fn delivery(&self, sink: &str, view: &str, delivered: Delivered) {
        let of = || vec![("sink", sink.to_owned()), ("view", view.to_owned())];
        let links = &self.0.links;
        links.sink_failed.get_or_create(&of()).set(u64::from(delivered.failed));
        show(&links.sink_rows, of(), delivered.rows);
        show(&links.sink_retries, of(), delivered.retries);
        show(&links.sink_resyncs, of(), delivered.resyncs);
    }
}

/// Raises a counter to a total that is counted elsewhere; it never decreases.
fn show(family: &Shown, labels: Labels, counted: u64) {
    family.get_or_create(&labels).inner().fetch_max(counted, Ordering::Relaxed);
}
