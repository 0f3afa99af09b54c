//! What the process holds now: records in flight and rows; also missing trades, rejected reads and refused clients.

use std::sync::Arc;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use rows::readers::OnRefused;

use super::Metrics;
use super::list::{CLIENT_REFUSED, IN_FLIGHT, MISSING, REFUSED, ROWS, SUBSCRIPTIONS};
use super::parts::{Counted, Labels, Whole, register};

/// The gauges.
#[derive(Debug, Default)]
pub(super) struct Held {
    in_flight: Whole,
    rows: Family<Labels, Whole>,
    subscriptions: Family<Labels, Gauge>,
    missing: Whole,
    refused: Counted,
    clients_refused: Counted,
}

impl Held {
    pub(super) fn register(&self, registry: &mut Registry) {
        register(registry, IN_FLIGHT, self.in_flight.clone());
        register(registry, ROWS, self.rows.clone());
        register(registry, SUBSCRIPTIONS, self.subscriptions.clone());
        register(registry, MISSING, self.missing.clone());
        register(registry, REFUSED, self.refused.family());
        register(registry, CLIENT_REFUSED, self.clients_refused.family());
    }
}

impl Metrics {
    /// Sets the number of records in flight through the workers.
    pub fn in_flight(&self, records: u64) {
        self.0.held.in_flight.set(records);
    }

    /// Sets the number of rows of a view.
    pub fn view_rows(&self, view: &str, rows: u64) {
        let labels = vec![("view", view.to_owned())];
        self.0.held.rows.get_or_create(&labels).set(rows);
    }

    /// Adds to the number of subscriptions of a view.
    pub fn subscriptions(&self, view: &str, difference: i64) {
        let labels = vec![("view", view.to_owned())];
        self.0.held.subscriptions.get_or_create(&labels).inc_by(difference);
    }

    /// What counts the rejected reads of reader threads.
    pub fn on_refused(&self) -> OnRefused {
        let metrics = self.clone();
        Arc::new(move |reason| metrics.read_refused(reason))
    }

    /// Counts a rejected read of a client.
    pub fn read_refused(&self, reason: &'static str) {
        self.0.held.refused.add(vec![("reason", reason.to_owned())], 1);
    }

    /// Counts a refused request or connection of a client.
    pub fn client_refused(&self, reason: &'static str) {
        self.0.held.clients_refused.add(vec![("reason", reason.to_owned())], 1);
    }

    /// Replaces a number of missing trades by another.
    pub fn missing(&self, before: u64, after: u64) {
        self.0.held.missing.inc_by(after);
        self.0.held.missing.dec_by(before);
    }
}
