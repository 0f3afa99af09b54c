//! The status of checks, connections and sinks, updated at the end of every round.

use std::sync::atomic::Ordering;

use market::NameCount;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::list::{
    BEHIND, CONNECTED, DISCONNECTS, Described, GAPS, HEALTH, HELD, LOST, NAMES, NAMES_LIMIT,
    PARTITION_BEHIND, PARTITION_CONNECTED, PARTITION_DISCONNECTS, PARTITION_GAPS, PARTITION_HELD,
    PARTITION_LOST, SINK_FAILED, SINK_HELD_BACK, SINK_MESSAGES, SINK_REJECTED, SINK_RESYNCS,
    SINK_RETRIES, SINK_ROWS, SINK_SKIPPED, SINK_WAITING,
};
use super::parts::{Labels, Whole, register};

/// The connection of a source to its servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// Partitions that are connected.
    pub connected: u64,
    /// Rows that servers have and that were not read yet, if known.
    pub rows_behind: Option<u64>,
    /// Rows that servers hold back.
    pub rows_held: u64,
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
    /// Whether the sink has not answered for a while.
    pub waiting: bool,
    /// Whether the sink has given up.
    pub failed: bool,
    /// Changes that were delivered.
    pub rows: u64,
    /// Failed attempts.
    pub retries: u64,
    /// Snapshots that were sent because changes were no longer retained.
    pub resyncs: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Changes that will never be delivered.
    pub rejected: u64,
    /// Changes that were not told.
    pub skipped: u64,
    /// Changes beyond the bound of messages per minute.
    pub held_back: u64,
}

/// Counters that are counted elsewhere and exported here.
type Shown = Family<Labels, Counter>;

/// The connections of sources, or of partitions.
#[derive(Debug, Default)]
struct Shapes {
    connected: Family<Labels, Whole>,
    behind: Family<Labels, Whole>,
    held: Family<Labels, Whole>,
    disconnects: Shown,
    gaps: Shown,
    lost: Shown,
}

/// What is shown.
#[derive(Debug, Default)]
pub(super) struct Links {
    health: Family<Labels, Whole>,
    names: Family<Labels, Whole>,
    names_limit: Family<Labels, Whole>,
    sources: Shapes,
    partitions: Shapes,
    sink_waiting: Family<Labels, Whole>,
    sink_failed: Family<Labels, Whole>,
    sink_rows: Shown,
    sink_retries: Shown,
    sink_resyncs: Shown,
    sink_messages: Shown,
    sink_rejected: Shown,
    sink_skipped: Shown,
    sink_held_back: Shown,
}

impl Links {
    pub(super) fn register(&self, registry: &mut Registry) {
        for (described, family) in [
            (HEALTH, &self.health),
            (NAMES, &self.names),
            (NAMES_LIMIT, &self.names_limit),
            (SINK_WAITING, &self.sink_waiting),
            (SINK_FAILED, &self.sink_failed),
        ] {
            register(registry, described, family.clone());
        }
        for (described, family) in [
            (SINK_ROWS, &self.sink_rows),
            (SINK_RETRIES, &self.sink_retries),
            (SINK_RESYNCS, &self.sink_resyncs),
            (SINK_MESSAGES, &self.sink_messages),
            (SINK_REJECTED, &self.sink_rejected),
            (SINK_SKIPPED, &self.sink_skipped),
            (SINK_HELD_BACK, &self.sink_held_back),
        ] {
            register(registry, described, family.clone());
        }
        self.sources.register(registry, [CONNECTED, BEHIND, HELD, DISCONNECTS, GAPS, LOST]);
        self.partitions.register(
            registry,
            [
                PARTITION_CONNECTED,
                PARTITION_BEHIND,
                PARTITION_HELD,
                PARTITION_DISCONNECTS,
                PARTITION_GAPS,
                PARTITION_LOST,
            ],
        );
    }
}

impl Shapes {
    /// Registers them, each as described.
    fn register(&self, registry: &mut Registry, described: [Described; 6]) {
        let [connected, behind, held, disconnects, gaps, lost] = described;
        register(registry, connected, self.connected.clone());
        register(registry, behind, self.behind.clone());
        register(registry, held, self.held.clone());
        register(registry, disconnects, self.disconnects.clone());
        register(registry, gaps, self.gaps.clone());
        register(registry, lost, self.lost.clone());
    }

    fn set(&self, of: &dyn Fn() -> Labels, connection: Connection) {
        self.connected.get_or_create(&of()).set(connection.connected);
        match connection.rows_behind {
            Some(rows) => drop(self.behind.get_or_create(&of()).set(rows)),
            None => drop(self.behind.remove(&of())),
        }
        self.held.get_or_create(&of()).set(connection.rows_held);
        show(&self.disconnects, of(), connection.disconnects);
        show(&self.gaps, of(), connection.gaps);
        show(&self.lost, of(), connection.lost_rows);
    }
}

impl Metrics {
    /// The status of a check of `/health`: passes (0), warns (1) or fails (2).
    pub fn health(&self, check: &str, level: u64) {
        let labels = vec![("check", check.to_owned())];
        self.0.links.health.get_or_create(&labels).set(level);
    }

    /// How many names there are of a kind, and how many there may be.
    pub fn names(&self, NameCount { what, used, limit, .. }: NameCount) {
        let labels = vec![("kind", what.to_owned())];
        self.0.links.names.get_or_create(&labels).set(used as u64);
        self.0.links.names_limit.get_or_create(&labels).set(limit as u64);
    }

    /// Exports the connection of a source.
    pub fn connection(&self, source: &str, connection: Connection) {
        self.0.links.sources.set(&|| vec![("source", source.to_owned())], connection);
    }

    /// Exports the connection of a partition.
    pub fn partition_connection(&self, source: &str, partition: &str, connection: Connection) {
        let of = || vec![("source", source.to_owned()), ("partition", partition.to_owned())];
        self.0.links.partitions.set(&of, connection);
    }

    /// Exports the status of a delivery.
    pub fn delivery(&self, sink: &str, view: &str, delivered: Delivered) {
        let of = || vec![("sink", sink.to_owned()), ("view", view.to_owned())];
        let links = &self.0.links;
        links.sink_waiting.get_or_create(&of()).set(u64::from(delivered.waiting));
        links.sink_failed.get_or_create(&of()).set(u64::from(delivered.failed));
        show(&links.sink_rows, of(), delivered.rows);
        show(&links.sink_retries, of(), delivered.retries);
        show(&links.sink_resyncs, of(), delivered.resyncs);
        show(&links.sink_messages, of(), delivered.messages);
        show(&links.sink_rejected, of(), delivered.rejected);
        show(&links.sink_skipped, of(), delivered.skipped);
        show(&links.sink_held_back, of(), delivered.held_back);
    }
}

/// Raises a counter to a total that is counted elsewhere; it never decreases.
fn show(family: &Shown, labels: Labels, counted: u64) {
    family.get_or_create(&labels).inner().fetch_max(counted, Ordering::Relaxed);
}
