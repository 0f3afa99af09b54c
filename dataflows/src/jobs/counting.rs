//! Counts what operators put out, for metrics.

use std::sync::Arc;

use market::Gap;
use operators::keyed::Time;
use operators::signals::AlertChange;
use operators::{AuditEvent, GapChange, GapOut, LedgerOut, OutcomeCounts, RecordOutcome};

use crate::telemetry::Metrics;
use rows::RuleNames;

/// Counts records by outcome and source, and what the logs of audits do not count.
pub(super) fn records(
    metrics: &Metrics,
    sources: Arc<[String]>,
) -> impl Fn(&Time, &Vec<LedgerOut>) + use<> {
    let metrics = metrics.clone();
    move |_commit, outputs| {
        for out in outputs {
            match out {
                LedgerOut::Counts(counts) => {
                    if let Some(source) = sources.get(usize::from(counts.source.0)) {
                        count(&metrics, source, counts);
                    }
                }
                LedgerOut::Audit(event) => match &**event {
                    // The row does not name the source of the record.
                    AuditEvent::Unmatched(row) => metrics.unmatched("", row.reason, 1),
                    AuditEvent::Outlier(row) => metrics.outliers(row.kind, 1),
                    AuditEvent::Conflict(row) => metrics.conflict(row),
                    AuditEvent::TooLate(_) | AuditEvent::Revision(_) => {}
                },
                _ => {}
            }
        }
    }
}

fn count(metrics: &Metrics, source: &str, counts: &OutcomeCounts) {
    let records = counts.records;
    match counts.outcome {
        RecordOutcome::Accepted => metrics.accepted(source, records),
        RecordOutcome::Correction => metrics.corrections(source, records),
        RecordOutcome::Cancel => metrics.cancels(source, records),
        RecordOutcome::Duplicate => metrics.duplicates(source, records),
        RecordOutcome::Conflict => metrics.conflicts(source, records),
        RecordOutcome::Late => metrics.late(source, "reject_after", records),
    }
}

/// Counts the missing trades of gaps.
pub(super) fn missing_trades(metrics: &Metrics) -> impl Fn(&Time, &Vec<GapOut>) + use<> {
    let metrics = metrics.clone();
    let missing = |gap: &Option<Gap>| gap.map_or(0, |gap| gap.missing);
    move |_commit, outputs| {
        for out in outputs {
            match out {
                GapOut::Changed(GapChange { before, after, .. }) => {
                    metrics.missing(missing(before), missing(after));
                }
                GapOut::Restored(_, gap) => metrics.missing(0, gap.missing),
            }
        }
    }
}

/// Counts alerts that are raised or withdrawn, by rule.
pub(super) fn alerts(
    metrics: &Metrics,
    rules: RuleNames,
) -> impl Fn(&Time, &Vec<AlertChange>) + use<> {
    let metrics = metrics.clone();
    move |_commit, changes| {
        // An alert that is emitted again after a restore was counted before.
        for change in changes.iter().filter(|change| !change.restored) {
            let was_raised = change.before.as_ref().is_some_and(|before| before.raised);
            match (was_raised, change.after.raised) {
                (false, true) => metrics.alerts_raised(&rules.of(change.key.rule), 1),
                (true, false) => metrics.alerts_withdrawn(&rules.of(change.key.rule), 1),
                (false, false) | (true, true) => {}
            }
        }
    }
}
