//! How the process is connected: its checks, its sources and its sinks, shown at the end of every round.

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
/// How a source is connected to its servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// Partitions that are connected.
    pub connected: u64,
    /// Rows that servers have and that were not read yet, if that is known.
    pub rows_behind: Option<u64>,
    /// How often a partition lost its server.
    pub disconnects: u64,
    /// How often rows were lost.
    pub gaps: u64,
    /// How many were, as far as known.
    pub lost_rows: u64,
}

/// How the delivery of a view to a sink goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    /// Whether the sink has given up.
    pub failed: bool,
    /// Changes that were delivered.
    pub rows: u64,
    /// Tries that did not go well.
    pub retries: u64,
    /// How often the sink got a snapshot anew.
    pub resyncs: u64,
}

/// Counters that somebody else counts, and that are only shown here.
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
    /// A check of `/health` passes (0), warns (1) or fails (2).
    pub fn health(&self, check: &str, level: u64) {
        let labels = vec![("check", check.to_owned())];
        self.0.links.health.get_or_create(&labels).set(level);
    }

    /// How a source is connected.
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

    /// How the delivery of a view to a sink goes.
    pub fn delivery(&self, sink: &str, view: &str, delivered: Delivered) {
        let of = || vec![("sink", sink.to_owned()), ("view", view.to_owned())];
        let links = &self.0.links;
        links.sink_failed.get_or_create(&of()).set(u64::from(delivered.failed));
        show(&links.sink_rows, of(), delivered.rows);
        show(&links.sink_retries, of(), delivered.retries);
        show(&links.sink_resyncs, of(), delivered.resyncs);
    }
}

/// Brings a counter to what was counted elsewhere; it never goes down.
fn show(family: &Shown, labels: Labels, counted: u64) {
    family.get_or_create(&labels).inner().fetch_max(counted, Ordering::Relaxed);
}
