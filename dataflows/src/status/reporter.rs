//! Publishes the status of sources, sinks and the process.

use std::sync::Arc;

use node_api::Check;
use rows::{Cell, Row, View};

use super::sources::SourceStatuses;
use crate::clock::Binding;
use crate::delivery::SinkStatuses;
use crate::health::HealthMonitor;
use crate::ingest::{ClosedCommit, CommitObserver, Decided};
use crate::publish::{Board, OverBudget, append};
use crate::views::{ControlLog, HEALTH, HealthRow, IncidentLog, SINKS, SOURCES};

/// Publishes on the board what describes the process: incidents per commit, tables at the end of every round.
pub struct StatusReporter {
    /// Where it is published.
    pub board: Arc<Board>,
    /// What sources have sent.
    pub sources: SourceStatuses,
    /// The deliveries to sinks.
    pub sinks: SinkStatuses,
    /// Runs the checks.
    pub health: HealthMonitor,
}

impl CommitObserver for StatusReporter {
    fn observe(&mut self, closed: &ClosedCommit) {
        self.sources.observe(closed);
        self.health.log_dead_letters(&closed.refused);
    }

    fn save(&self) -> Vec<u8> {
        self.sources.encode()
    }

    fn restore(&mut self, saved: &[u8]) {
        self.sources.decode(saved);
    }

    fn announced(&mut self, binding: &Binding, decided: Decided, over_budget: Option<OverBudget>) {
        for row in self.sources.decisions(binding.commit, &decided) {
            append::<ControlLog>(&self.board, binding.commit, row);
        }
        for incident in self.sources.incidents(binding.commit, decided.control) {
            self.health.log_incident(&incident);
            append::<IncidentLog>(&self.board, binding.commit, incident);
        }
        if binding.round {
            self.publish(binding, over_budget);
        }
    }
}

impl StatusReporter {
    fn publish(&self, binding: &Binding, over_budget: Option<OverBudget>) {
        let states = self.sources.states(binding);
        let checks = self.health.round(binding.at, binding.commit, over_budget, &states);
        let checks = checks.into_iter();
        let checks = checks.map(|(name, Check { status, output, .. })| {
            let row = HealthRow { check: name, status: status.name(), output: &output };
            let mut cells = Vec::with_capacity(HealthRow::COLUMNS.len());
            row.cells(&mut cells);
            (name.to_owned(), cells)
        });
        self.update(&SOURCES, binding, self.sources.rows(binding));
        self.update(&SINKS, binding, self.sinks.rows());
        self.update(&HEALTH, binding, checks);
    }

    /// Replaces the rows of a table, if the job has it.
    fn update(
        &self,
        view: &View,
        binding: &Binding,
        rows: impl IntoIterator<Item = (String, Vec<Cell>)>,
    ) {
        if let Some(table) = self.board.table(view) {
            table.update(binding.commit, rows);
        }
    }
}
