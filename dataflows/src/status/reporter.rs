//! Publishes the status of sources, sinks and the process.

use std::sync::Arc;

use rows::Row;
use serving::Check;

use super::sources::SourceStatuses;
use crate::clock::Binding;
use crate::delivery::SinkStatuses;
use crate::health::HealthMonitor;
use crate::ingest::{ClosedCommit, CommitObserver, ControlRecord};
use crate::publish::{Board, LogRow, log};
use crate::views::HealthRow;

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
    }

    fn announced(
        &mut self,
        binding: &Binding,
        control: Vec<ControlRecord>,
        over_budget: Option<(usize, usize)>,
    ) {
        for incident in self.sources.incidents(binding.commit, control) {
            log(&self.board, binding.commit, LogRow::Incident(incident));
        }
        if binding.round {
            self.publish(binding, over_budget);
        }
    }
}

impl StatusReporter {
    fn publish(&self, binding: &Binding, over_budget: Option<(usize, usize)>) {
        let tables = &self.board.tables;
        tables.sources.update(binding.commit, self.sources.rows(binding));
        tables.sinks.update(binding.commit, self.sinks.rows());
        let checks = self.health.round(binding.at, binding.commit, over_budget).into_iter();
        let checks = checks.map(|(name, Check { status, output, .. })| {
            let row = HealthRow { check: name, status: status.name(), output: &output };
            let mut cells = Vec::with_capacity(HealthRow::COLUMNS.len());
            row.cells(&mut cells);
            (name.to_owned(), cells)
        });
        tables.health.update(binding.commit, checks);
    }
}
