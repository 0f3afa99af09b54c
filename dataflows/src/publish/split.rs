//! The end of the dataflow: the operators' output becomes rows, log rows and counts, and rows are arranged.

use std::sync::Arc;

use market::{AcceptedEvent, Commit, Gap};
use operators::indicators::IndicatorOut;
use operators::keyed::Time;
use operators::portfolio::ValuationStreams;
use operators::signals::{AlertChange, SignalChange};
use operators::{AuditEvent, CommitContext, GapChange, GapOut, LedgerOut, RecordOutcome};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::generic::Operator;

use super::arranged::{Arranged, RowUpdate, arrange};
use super::board::Board;
use super::digest::Digest;
use super::history::arrange_history;
use super::keyed::{
    Alerts, Candles, Drifts, Edges, Gaps, Indicators, Portfolios, Positions, Risks, Signals,
};
use super::keyed_rows::{Keyed, rows_of};
use super::logs::LogRow;
use super::schema::debug_check;
use super::trade_log::TRADE_LOG;
use crate::telemetry::Metrics;
use crate::views::{TradeRow, view};
use rows::{Cell, Row};

/// The commits of a worker, each at its time.
pub(super) type Contexts<'scope> = StreamVec<'scope, Time, Arc<CommitContext>>;

/// Publishes the output of ledger and roll-ups on this worker.
///
/// Rows that are emitted again after a restore enter the arrangement only.
pub fn publish_candles<'scope>(
    output: StreamVec<'scope, Time, LedgerOut>,
    contexts: Contexts<'scope>,
    board: &Arc<Board>,
    metrics: &Metrics,
    sources: Arc<[String]>,
) -> Arranged {
    let metrics = metrics.clone();
    let logs = Arc::clone(board);
    publish(output, contexts, board, move |change, rows: &mut Rows<'_, Candles>| match change {
        LedgerOut::Bar(change) => {
            rows.change(change.key, change.before.clone(), change.after.clone());
        }
        LedgerOut::Restored(key, candle) => rows.restored(key, candle),
        LedgerOut::Audit(event) => {
            match &*event {
                // The row does not name the source of the record.
                AuditEvent::Unmatched(row) => metrics.unmatched("", row.reason, 1),
                AuditEvent::Outlier(row) => metrics.outliers(row.kind, 1),
                AuditEvent::Conflict(_) | AuditEvent::TooLate(_) | AuditEvent::Revision(_) => {}
            }
            log(&logs, rows.commit, LogRow::Audit(*event));
        }
        LedgerOut::Counts(counts) => {
            let Some(source) = sources.get(usize::from(counts.source.0)) else { return };
            count(&metrics, source, counts.outcome, counts.records);
        }
        LedgerOut::Accepted(events) => append_trades(&logs, rows.commit, events),
        LedgerOut::Gap(_) | LedgerOut::SourceSeen(..) | LedgerOut::NewestBar(..) => {}
    })
}

/// Arranges the gaps of this worker.
pub fn publish_gaps<'scope>(
    output: StreamVec<'scope, Time, GapOut>,
    contexts: Contexts<'scope>,
    board: &Arc<Board>,
    metrics: &Metrics,
) -> Arranged {
    let metrics = metrics.clone();
    let missing = |gap: Option<Gap>| gap.map_or(0, |gap| gap.missing);
    publish(output, contexts, board, move |change, rows: &mut Rows<'_, Gaps>| match change {
        GapOut::Changed(GapChange { key, before, after }) => {
            metrics.missing(missing(before), missing(after));
            rows.change(key, before, after);
        }
        GapOut::Restored(key, gap) => {
            metrics.missing(0, gap.missing);
            rows.restored(key, gap);
        }
    })
}

/// Arranges the indicators of this worker.
pub fn publish_indicators<'scope>(
    output: StreamVec<'scope, Time, IndicatorOut>,
    contexts: Contexts<'scope>,
    board: &Arc<Board>,
) -> Arranged {
    publish(output, contexts, board, |change, rows: &mut Rows<'_, Indicators>| match change {
        IndicatorOut::Changed(change) => rows.change(change.key, change.before, change.after),
        IndicatorOut::Restored(key, numbers) => rows.restored(key, numbers),
    })
}

/// Arranges the alerts of this worker.
pub fn publish_alerts<'scope>(
    output: StreamVec<'scope, Time, AlertChange>,
    contexts: Contexts<'scope>,
    board: &Arc<Board>,
) -> Arranged {
    publish(output, contexts, board, |change, rows: &mut Rows<'_, Alerts>| match change.restored {
        true => rows.restored(change.key, change.after),
        false => rows.change(change.key, change.before, Some(change.after)),
    })
}

/// Arranges the states of rules on this worker.
pub fn publish_signals<'scope>(
    output: StreamVec<'scope, Time, SignalChange>,
    contexts: Contexts<'scope>,
    board: &Arc<Board>,
) -> Arranged {
    publish(output, contexts, board, |change, rows: &mut Rows<'_, Signals>| match change {
        SignalChange { key, after: Some(after), restored: true, .. } => rows.restored(key, after),
        SignalChange { key, before, after, .. } => rows.change(key, before, after),
    })
}

/// Arranges the tables of portfolios on this worker. The rows of commit `restored` existed before and are emitted
/// again.
pub fn publish_portfolios<'scope>(
    valuation: ValuationStreams<'scope>,
    contexts: Contexts<'scope>,
    restored: Option<Commit>,
    board: &Arc<Board>,
) -> Vec<Arranged> {
    let ValuationStreams { positions, portfolios, drift, risk, edges, faults } = valuation;
    let logs = Arc::clone(board);
    faults.inspect(move |fault| log(&logs, fault.commit, LogRow::FillFault(*fault)));
    vec![
        publish_updates::<Positions>(positions, contexts.clone(), restored, board),
        publish_updates::<Portfolios>(portfolios, contexts.clone(), restored, board),
        publish_updates::<Drifts>(drift, contexts.clone(), restored, board),
        publish_updates::<Risks>(risk, contexts.clone(), restored, board),
        publish_updates::<Edges>(edges, contexts, restored, board),
    ]
}

/// Arranges rows that are net changes already, without copying their containers.
fn publish_updates<'scope, V: Keyed>(
    output: StreamVec<'scope, Time, RowUpdate<V>>,
    contexts: Contexts<'scope>,
    restored: Option<Commit>,
    board: &Arc<Board>,
) -> Arranged {
    let of_views = Arc::clone(board);
    let updates = output.unary(Pipeline, V::VIEW, move |_capability, _info| {
        let mut cells: Vec<Cell> = Vec::new();
        move |input, output| {
            input.for_each_time(|time, batches| {
                let mut rows = Rows::<V>::of(Commit(*time.time()), 0, &of_views, &mut cells);
                let is_new = restored != Some(rows.commit);
                for batch in batches {
                    for ((key, value), _, diff) in batch.iter() {
                        if is_new {
                            rows.digest(key, value, None, *diff);
                        }
                        rows.count(value, *diff);
                    }
                    output.session(&time).give_container(batch);
                }
                rows.end();
            });
        }
    });
    arranged::<V>(updates, contexts, board)
}

/// The rows of a view that change in one commit.
pub struct Rows<'a, V: Keyed> {
    /// The commit.
    pub commit: Commit,
    updates: Vec<RowUpdate<V>>,
    /// The change of the number of rows.
    rows: i64,
    digest: Digest,
    board: &'a Board,
    cells: &'a mut Vec<Cell>,
}

impl<'a, V: Keyed> Rows<'a, V> {
    /// No changes yet; `about` is the expected number.
    fn of(commit: Commit, about: usize, board: &'a Board, cells: &'a mut Vec<Cell>) -> Rows<'a, V> {
        let (updates, digest) = (Vec::with_capacity(about), Digest::default());
        Rows { commit, updates, rows: 0, digest, board, cells }
    }

    /// Adds count and digest to the board; returns the changes.
    fn end(self) -> Vec<RowUpdate<V>> {
        self.board.count(V::VIEW, self.rows);
        self.board.add_changes(V::VIEW, self.digest);
        self.updates
    }

    /// Replaces the row `before` by `after`.
    pub fn change(&mut self, key: V::Key, before: Option<V::Value>, after: Option<V::Value>) {
        for (value, other, diff) in [(&before, &after, -1), (&after, &before, 1)] {
            let Some(value) = value else { continue };
            self.digest(&key, value, other.as_ref(), diff);
        }
        for (value, diff) in [(before, -1), (after, 1)] {
            let Some(value) = value else { continue };
            self.push(key, value, diff);
        }
    }

    /// Inserts a row that is emitted again after a restore.
    pub fn restored(&mut self, key: V::Key, value: V::Value) {
        self.push(key, value, 1);
    }

    fn push(&mut self, key: V::Key, value: V::Value, diff: i64) {
        self.count(&value, diff);
        self.updates.push(((key, value), self.commit.0, diff));
    }

    fn count(&mut self, value: &V::Value, diff: i64) {
        self.rows += diff * rows_of::<V>(value).count() as i64;
    }

    /// Adds the rows of a value to the digest, without those that `other` has too.
    fn digest(&mut self, key: &V::Key, value: &V::Value, other: Option<&V::Value>, diff: i64) {
        if !self.board.digests {
            return;
        }
        for part in rows_of::<V>(value) {
            let stays = |other| part < V::rows_per_entry(other) && V::same(value, other, part);
            if !other.is_some_and(stays) {
                self.cells.clear();
                V::cells(key, value, part, &self.board.labels, self.cells);
                debug_check(V::VIEW, self.cells);
                self.digest.change(self.commit, self.cells, diff);
            }
        }
    }
}

/// Turns outputs into changes of rows by `take`, and arranges them.
pub fn publish<'scope, V: Keyed, O: Clone + 'static>(
    output: StreamVec<'scope, Time, O>,
    contexts: Contexts<'scope>,
    board: &Arc<Board>,
    mut take: impl FnMut(O, &mut Rows<'_, V>) + 'static,
) -> Arranged {
    let of_views = Arc::clone(board);
    let updates = output.unary(Pipeline, V::VIEW, move |_capability, _info| {
        let mut cells: Vec<Cell> = Vec::new();
        let mut about = 0; // capacity: the next commit will have about as many changes
        move |input, output| {
            input.for_each_time(|time, batches| {
                let mut rows = Rows::of(Commit(*time.time()), about, &of_views, &mut cells);
                batches.for_each(|batch| batch.drain(..).for_each(|out| take(out, &mut rows)));
                let mut updates = rows.end();
                about = updates.len();
                output.session(&time).give_container(&mut updates);
            });
        }
    });
    arranged::<V>(updates.container::<Vec<RowUpdate<V>>>(), contexts, board)
}

/// Arranges the rows of a view, and its history if it has one.
fn arranged<'scope, V: Keyed>(
    updates: StreamVec<'scope, Time, RowUpdate<V>>,
    contexts: Contexts<'scope>,
    board: &Arc<Board>,
) -> Arranged {
    let has_history = view(V::VIEW).is_some_and(|view| view.history) && board.history.is_enabled();
    let points = || Arc::clone(&board.history);
    let before = has_history.then(|| arrange_history::<V>(updates.clone(), contexts, points()));
    Arranged { now: arrange::<V>(updates), before }
}

/// Appends the accepted events of a commit in one shard to the trade log, and to its digest.
fn append_trades(board: &Board, commit: Commit, events: Arc<Vec<AcceptedEvent>>) {
    if board.digests {
        let (mut cells, mut digest) = (Vec::new(), Digest::default());
        for statement in events.iter() {
            cells.clear();
            TradeRow { commit, statement, labels: &board.labels }.cells(&mut cells);
            debug_check(TRADE_LOG, &cells);
            digest.change(commit, &cells, 1);
        }
        board.add_changes(TRADE_LOG, digest);
    }
    board.trade_log.append(commit, events);
}

/// Appends a row to its log and to the log's digest.
pub fn log(board: &Board, commit: Commit, row: LogRow) {
    if board.digests {
        let mut cells = Vec::new();
        row.cells(&mut cells);
        debug_check(row.view(), &cells);
        let mut digest = Digest::default();
        digest.change(commit, &cells, 1);
        board.add_changes(row.view(), digest);
    }
    board.logs.append(row);
}

fn count(metrics: &Metrics, source: &str, outcome: RecordOutcome, records: u64) {
    match outcome {
        RecordOutcome::Accepted => metrics.accepted(source, records),
        RecordOutcome::Correction => metrics.corrections(source, records),
        RecordOutcome::Cancel => metrics.cancels(source, records),
        RecordOutcome::Duplicate => metrics.duplicates(source, records),
        RecordOutcome::Conflict => metrics.conflicts(source, records),
        RecordOutcome::Late => metrics.late(source, "reject_after", records),
    }
}
