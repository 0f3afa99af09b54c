//! Logs: append-only rows, bounded in bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use market::{Commit, Fill};
use operators::AuditEvent;
use operators::portfolio::{Fault, FillFault};
use tokio::sync::watch;

use super::snapshots::{self, LogQuery};
use super::trade_log::TRADE_LOG;
use crate::views::{
    ConflictRow, DeadLetterRow, FillFaultRow, IncidentRow, OutlierRow, RevisionRow, TooLateRow,
    UnmatchedRow, VIEWS, view,
};
use rows::readers::{Allowance, Exceeded};
use rows::{Cell, Row, View, ViewKind};

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

/// All logs except the trade log, which is a type of its own.
///
/// If a log exceeds its bound, its oldest commits are dropped whole; [`Logs::dropped`] counts their rows.
pub struct Logs {
    logs: BTreeMap<&'static str, Mutex<Log>>,
    bytes_max: usize,
}

/// The rows of a commit, shared with their readers.
pub(super) type SharedRows = Arc<Vec<LogRow>>;

#[derive(Default)]
struct Log {
    /// Rows by commit.
    commits: BTreeMap<Commit, SharedRows>,
    bytes: usize,
    appended: u64,
    dropped: u64,
    /// Commits up to this one were dropped.
    dropped_through: Option<Commit>,
    /// The latest commit with a row of which subscribers were not notified.
    unannounced: Option<Commit>,
    moved: watch::Sender<u64>,
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
        Logs { logs: names.map(|name| (name, Mutex::default())).collect(), bytes_max }
    }

    /// Appends a row to its log.
    pub fn append(&self, row: LogRow) {
        let Some(log) = self.logs.get(row.view()) else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.appended += 1;
        let commit = row.commit();
        if log.dropped_through.is_some_and(|gone| commit <= gone) {
            log.dropped += 1;
            return;
        }
        log.bytes += row.bytes();
        log.unannounced = log.unannounced.max(Some(commit));
        Arc::make_mut(log.commits.entry(commit).or_default()).push(row); // copies only if a reader holds the rows
        while log.bytes > self.bytes_max && log.commits.len() > 1 {
            let Some((commit, rows)) = log.commits.pop_first() else { break };
            log.bytes -= rows.iter().map(LogRow::bytes).sum::<usize>();
            log.dropped += rows.len() as u64;
            log.dropped_through = Some(commit);
        }
    }

    /// The rows of `view` up to `through`, in order, or latest first. Stops after `limit` rows that `keep` accepts; the
    /// second result says whether more follow.
    pub fn read(
        &self,
        view: &View,
        through: Commit,
        (latest_first, limit): (bool, usize),
        allowance: &mut Allowance<'_>,
        keep: impl Fn(&[Cell]) -> bool,
    ) -> Result<(Vec<Vec<Cell>>, bool), Exceeded> {
        let mut rows = Vec::new();
        let mut commits = self.commits(view, through);
        if latest_first {
            commits.reverse();
        }
        for (_, rows_of_commit) in commits {
            allowance.take(rows_of_commit.len())?;
            let mut sorted = in_order(&rows_of_commit);
            if latest_first {
                sorted.reverse();
            }
            for row in sorted {
                let cells = cells(row);
                if !keep(&cells) {
                    continue;
                }
                if rows.len() == limit {
                    return Ok((rows, true));
                }
                rows.push(cells);
            }
        }
        Ok((rows, false))
    }

    /// The retained rows of `view` up to commit `through`, shared. Readers make cells of them while workers append.
    pub(super) fn commits(&self, view: &View, through: Commit) -> Vec<(Commit, SharedRows)> {
        let Some(log) = self.logs.get(view.name) else { return Vec::new() };
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.commits.range(..=through).map(|(commit, rows)| (*commit, Arc::clone(rows))).collect()
    }

    /// The rows of `view` from commit `from` up to `through`, in order; none if some of them were dropped.
    pub fn between(
        &self,
        view: &View,
        from: Commit,
        through: Commit,
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<Vec<Vec<Cell>>>, Exceeded> {
        let Some(log) = self.logs.get(view.name) else { return Ok(None) };
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.dropped_through.is_some_and(|gone| gone >= from) {
            return Ok(None);
        }
        let rows_of_commit: Vec<SharedRows> =
            log.commits.range(from..=through).map(|(_, r)| Arc::clone(r)).collect();
        drop(log);
        let mut rows = Vec::new();
        for rows_of_commit in rows_of_commit {
            allowance.take(rows_of_commit.len())?;
            rows.extend(in_order(&rows_of_commit).into_iter().map(cells));
        }
        Ok(Some(rows))
    }

    /// Notifies subscribers that all commits before this number are complete, if the log may have new rows.
    pub fn complete(&self, complete_before: u64) {
        for log in self.logs.values() {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(unannounced) = log.unannounced else { continue };
            if unannounced.0 < complete_before {
                log.unannounced = None;
            }
            log.moved.send_replace(complete_before.saturating_sub(1));
        }
    }

    /// A channel with the number of the latest commit that may have added rows to a log.
    pub fn moved(&self, view: &View) -> watch::Receiver<u64> {
        self.logs.get(view.name).map_or_else(
            || watch::channel(0).1,
            |log| log.lock().unwrap_or_else(PoisonError::into_inner).moved.subscribe(),
        )
    }

    /// The bound of each log, in bytes.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// The number of rows that were ever appended to a log.
    pub fn appended(&self, name: &str) -> u64 {
        self.of(name, |log| log.appended)
    }

    /// The number of rows that were dropped because of the bound.
    pub fn dropped(&self, name: &str) -> u64 {
        self.of(name, |log| log.dropped)
    }

    fn of(&self, name: &str, get: impl Fn(&Log) -> u64) -> u64 {
        let known = view(name).and_then(|view| self.logs.get(view.name));
        known.map_or(0, |log| get(&log.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl snapshots::CommitRows for SharedRows {
    fn count(&self) -> usize {
        self.len()
    }

    fn each(
        &self,
        _: &LogQuery,
        _: Commit,
        from: usize,
        each: &mut dyn FnMut(usize, Vec<Cell>) -> bool,
    ) {
        let mut rows = in_order(self).into_iter().enumerate().skip(from);
        let _ = rows.all(|(number, row)| each(number, cells(row)));
    }
}

/// The rows of a commit, sorted.
fn in_order(rows_of_commit: &[LogRow]) -> Vec<&LogRow> {
    let mut sorted: Vec<&LogRow> = rows_of_commit.iter().collect();
    sorted.sort_by(|a, b| a.order(b));
    sorted
}

fn cells(row: &LogRow) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(16);
    row.cells(&mut cells);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Rejection, RejectionReason};

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
        let view = view("dead_letters").unwrap();
        let positions = |latest_first, limit| {
            let (rows, more) = logs
                .read(view, Commit(9), (latest_first, limit), &mut Allowance::unlimited(), |_| true)
                .unwrap();
            let at = |row: &Vec<Cell>| (row[0].clone(), row[3].clone());
            (rows.iter().map(at).collect::<Vec<_>>(), more)
        };
        let cell = |commit, position| (Cell::Unsigned(commit), Cell::Unsigned(position));
        assert_eq!(positions(false, 9), (vec![cell(4, 1), cell(4, 2)], false));
        assert_eq!(positions(true, 1), (vec![cell(4, 2)], true));
        assert_eq!((logs.appended("dead_letters"), logs.dropped("dead_letters")), (10, 8));
        assert!(logs.commits(view, Commit(3)).is_empty(), "not complete yet");
        // Rows that a reader holds do not change.
        let before = logs.commits(view, Commit(4));
        logs.append(dead(4, 3));
        assert_eq!(before[0].1.len(), 2);
    }
}
