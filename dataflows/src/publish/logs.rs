//! Logs: append-only rows, bounded in bytes.

use std::collections::BTreeMap;

use market::{Commit, Fill};
use operators::AuditEvent;
use operators::portfolio::{Fault, FillFault};

use super::change_log::{ChangeLog, Exempt, Retained};
use super::log_rows::LogEntry;
use super::trade_log::TRADE_LOG;
use crate::views::{
    ConflictRow, DeadLetterRow, FillFaultRow, IncidentRow, OutlierRow, RevisionRow, TooLateRow,
    UnmatchedRow, VIEWS,
};
use rows::{Cell, Labels, Row, RowFilter, View, ViewKind};

/// A row of any log.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "dead letters are rare and live in a bounded log")]
pub enum LogRow {
    /// For all logs of operators.
    Audit(AuditEvent),
    /// For `dead_letters`.
    DeadLetter(DeadLetterRow),
    /// For `fill_faults`.
    FillFault(FillFault),
    /// For `incidents`.
    Incident(IncidentRow),
}

/// All logs except the trade log, whose entries are other ones.
pub struct Logs {
    logs: BTreeMap<&'static str, ChangeLog<LogRow>>,
    bytes_max: usize,
}

impl LogRow {
    /// The view that the row belongs to.
    pub fn view(&self) -> &'static str {
        match self {
            LogRow::Audit(AuditEvent::Conflict(_)) => "conflicts",
            LogRow::Audit(AuditEvent::TooLate(_)) => "too_late",
            LogRow::Audit(AuditEvent::Unmatched(_)) => "unmatched",
            LogRow::Audit(AuditEvent::Revision(_)) => "revisions",
            LogRow::Audit(AuditEvent::Outlier(_)) => "outliers",
            LogRow::DeadLetter(_) => "dead_letters",
            LogRow::FillFault(_) => "fill_faults",
            LogRow::Incident(_) => "incidents",
        }
    }

    /// The commit that the row belongs to.
    pub fn commit(&self) -> Commit {
        match self {
            LogRow::Audit(AuditEvent::Conflict(row)) => row.commit,
            LogRow::Audit(AuditEvent::TooLate(row)) => row.commit,
            LogRow::Audit(AuditEvent::Unmatched(row)) => row.commit,
            LogRow::Audit(AuditEvent::Revision(row)) => row.commit,
            LogRow::Audit(AuditEvent::Outlier(row)) => row.commit,
            LogRow::DeadLetter(row) => row.commit,
            LogRow::FillFault(row) => row.commit,
            LogRow::Incident(row) => row.commit,
        }
    }

    /// Appends the row's cells.
    pub fn cells(&self, into: &mut Vec<Cell>) {
        match self {
            LogRow::Audit(AuditEvent::Conflict(row)) => ConflictRow(row).cells(into),
            LogRow::Audit(AuditEvent::TooLate(row)) => TooLateRow(row).cells(into),
            LogRow::Audit(AuditEvent::Unmatched(row)) => UnmatchedRow(row).cells(into),
            LogRow::Audit(AuditEvent::Revision(row)) => RevisionRow(row).cells(into),
            LogRow::Audit(AuditEvent::Outlier(row)) => OutlierRow(row).cells(into),
            LogRow::DeadLetter(row) => row.cells(into),
            LogRow::FillFault(row) => fill_fault(row).cells(into),
            LogRow::Incident(row) => row.cells(into),
        }
    }

    /// The order of rows within a commit. It does not depend on the order in which workers append.
    fn order(&self, other: &LogRow) -> std::cmp::Ordering {
        match (self, other) {
            (LogRow::Audit(a), LogRow::Audit(b)) => a.cmp(b),
            (LogRow::DeadLetter(a), LogRow::DeadLetter(b)) => {
                let key =
                    |row: &DeadLetterRow| (row.source.clone(), row.partition.clone(), row.position);
                key(a).cmp(&key(b))
            }
            (LogRow::FillFault(a), LogRow::FillFault(b)) => a.cmp(b),
            // In the order of arrival: one thread appends them, and the sort is stable.
            (LogRow::Incident(_), LogRow::Incident(_)) => std::cmp::Ordering::Equal,
            // Rows of different kinds are in different logs.
            (
                LogRow::Audit(_)
                | LogRow::DeadLetter(_)
                | LogRow::FillFault(_)
                | LogRow::Incident(_),
                _,
            ) => self.view().cmp(other.view()),
        }
    }
}

impl Retained for LogRow {
    fn bytes(&self) -> usize {
        size_of::<LogRow>()
            + match self {
                LogRow::Audit(_) | LogRow::FillFault(_) => 0,
                LogRow::Incident(row) => {
                    [&row.source, &row.partition, &row.detail].map(String::len).iter().sum()
                }
                LogRow::DeadLetter(row) => {
                    let rejection = &row.rejection;
                    let texts = [&row.source, &row.partition, &rejection.detail, &rejection.raw];
                    texts.map(String::len).iter().sum::<usize>()
                }
            }
    }
}

impl LogEntry for LogRow {
    type Row = LogRow;

    fn in_order<'a>(rows: &'a [LogRow], _: &RowFilter) -> Vec<&'a LogRow> {
        let mut sorted: Vec<&LogRow> = rows.iter().collect();
        sorted.sort_by(|a, b| a.order(b));
        sorted
    }

    fn cells(row: &LogRow, _: Commit, _: &Labels) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(16);
        row.cells(&mut cells);
        cells
    }
}

fn fill_fault(row: &FillFault) -> FillFaultRow {
    let version = |fill: Fill| (fill.time, fill.price, fill.quantity, fill.contract.spec);
    let versions = match row.fault {
        Fault::Conflict { kept, dropped } => Some([kept, dropped].map(version)),
        Fault::Unmatched => None,
    };
    FillFaultRow { commit: row.commit.0, fill: row.fill, fault: row.fault.name(), versions }
}

impl Logs {
    /// Empty logs of at most `bytes_max` bytes each.
    pub fn new(bytes_max: usize) -> Logs {
        let own = |view: &&View| view.kind == ViewKind::Log && view.name != TRADE_LOG;
        let names = VIEWS.iter().filter(own).map(|view| view.name);
        let empty = |name| (name, ChangeLog::new(bytes_max, Exempt::NewestCommit));
        Logs { logs: names.map(empty).collect(), bytes_max }
    }

    /// Appends a row to its log.
    pub fn append(&self, row: LogRow) {
        if let Some(log) = self.of(row.view()) {
            log.append(row.commit(), row);
        }
    }

    /// The log of this name.
    pub(super) fn of(&self, name: &str) -> Option<&ChangeLog<LogRow>> {
        self.logs.get(name)
    }

    /// Notifies subscribers that all commits before this number are complete, of logs that may have new rows.
    pub fn complete(&self, complete_before: u64) {
        self.logs.values().for_each(|log| log.complete(complete_before));
    }

    /// The bound of each log, in bytes.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// The number of rows that were ever appended to a log.
    pub fn appended(&self, name: &str) -> u64 {
        self.of(name).map_or(0, ChangeLog::appended)
    }

    /// The number of rows that were dropped because of the bound.
    pub fn dropped(&self, name: &str) -> u64 {
        self.of(name).map_or(0, ChangeLog::dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::log_rows::LogQuery;
    use crate::views::view;
    use market::{Rejection, RejectionReason};
    use rows::readers::Allowance;

    fn dead(commit: u64, position: u64) -> LogRow {
        LogRow::DeadLetter(DeadLetterRow {
            commit: Commit(commit),
            source: "s".to_owned(),
            partition: "p".to_owned(),
            position,
            rejection: Rejection::new(RejectionReason::Malformed, "no", b"x"),
        })
    }

    #[test]
    fn the_oldest_commits_go_and_are_counted() {
        let one = dead(0, 0).bytes();
        let logs = Logs::new(3 * one);
        for commit in 0..5 {
            logs.append(dead(commit, 2));
            logs.append(dead(commit, 1));
        }
        let log = logs.of("dead_letters").unwrap();
        let (filter, labels) = (RowFilter::default(), Labels::default());
        let query =
            LogQuery { view: view("dead_letters").unwrap(), filter: &filter, labels: &labels };
        let positions = |latest_first, limit| {
            let retained = log.through(Commit(9));
            let order = (latest_first, limit);
            let (rows, more) = query.first(&retained, order, &mut Allowance::unlimited()).unwrap();
            let at = |row: &Vec<Cell>| (row[0].clone(), row[3].clone());
            (rows.iter().map(at).collect::<Vec<_>>(), more)
        };
        let cell = |commit, position| (Cell::Unsigned(commit), Cell::Unsigned(position));
        assert_eq!(positions(false, 9), (vec![cell(4, 1), cell(4, 2)], false));
        assert_eq!(positions(true, 1), (vec![cell(4, 2)], true));
        assert_eq!((logs.appended("dead_letters"), logs.dropped("dead_letters")), (10, 8));
        assert!(log.through(Commit(3)).is_empty(), "not complete yet");
    }
}
