//! The end of the dataflow: what operators put out becomes rows, log rows and counts; rows are arranged, and
//! the worker's loop publishes the arrangements.

use std::sync::Arc;

use differential_dataflow::trace::TraceReader;
use market::Commit;
use operators::arrange::{SharedTrace, Update, arrange_local};
use operators::indicators::IndicatorOut;
use operators::keyed::Time;
use operators::signals::AlertChange;
use operators::{LedgerOut, Notice, Verdict};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use super::board::{Board, Published};
use super::digest::Digest;
use super::keyed::{Alerts, Candles, Indicators, Keyed};
use super::logs::LogRow;
use crate::telemetry::Metrics;
use crate::views::Cell;

/// The arrangement of a keyed view on one worker.
pub type Trace<V> = SharedTrace<<V as Keyed>::Key, <V as Keyed>::Value>;

/// A change of a row of a keyed view.
type RowUpdate<V> = Update<<V as Keyed>::Key, <V as Keyed>::Value>;

/// A worker's arrangements.
pub struct Traces {
    /// Of `candles`.
    pub candles: Trace<Candles>,
    /// Of `indicators`.
    pub indicators: Trace<Indicators>,
    /// Of `alerts`.
    pub alerts: Trace<Alerts>,
}

/// Splits and arranges what ledger and roll-ups put out on this worker.
///
/// Rows told again after a restore enter the arrangement and nothing else.
pub fn publish_candles<'scope>(
    output: StreamVec<'scope, Time, LedgerOut>,
    board: &Arc<Board>,
    metrics: &Metrics,
    sources: Arc<[String]>,
) -> Trace<Candles> {
    let metrics = metrics.clone();
    let logs = Arc::clone(board);
    publish(output, board, move |said, rows: &mut Rows<'_, Candles>| match said {
        LedgerOut::Bar(change) => rows.change(change.key, change.before, change.after),
        LedgerOut::Restored(key, candle) => rows.restored(key, candle),
        LedgerOut::Notice(notice) => {
            match &notice {
                // The source of a record is not told with its row.
                Notice::Unmatched(row) => metrics.unmatched("", row.reason, 1),
                Notice::Outlier(row) => metrics.outliers(row.kind, 1),
                _ => {}
            }
            log(&logs, rows.commit, LogRow::Notice(notice));
        }
        LedgerOut::Tally(tally) => {
            let Some(source) = sources.get(usize::from(tally.source.0)) else { return };
            count(&metrics, source, tally.verdict, tally.records);
        }
        LedgerOut::Heard(..) | LedgerOut::Seen(..) => {}
    })
}

/// Arranges the indicators of this worker.
pub fn publish_indicators<'scope>(
    output: StreamVec<'scope, Time, IndicatorOut>,
    board: &Arc<Board>,
) -> Trace<Indicators> {
    publish(output, board, |said, rows: &mut Rows<'_, Indicators>| match said {
        IndicatorOut::Changed(change) => rows.change(change.key, change.before, change.after),
        IndicatorOut::Restored(key, value) => rows.restored(key, value),
    })
}

/// Arranges the alerts of this worker.
pub fn publish_alerts<'scope>(
    output: StreamVec<'scope, Time, AlertChange>,
    board: &Arc<Board>,
) -> Trace<Alerts> {
    publish(output, board, |change, rows: &mut Rows<'_, Alerts>| match change.restored {
        true => rows.restored(change.key, change.after),
        false => rows.change(change.key, change.before, Some(change.after)),
    })
}

/// The rows of a view that change in one commit.
struct Rows<'a, V: Keyed> {
    commit: Commit,
    updates: Vec<RowUpdate<V>>,
    digest: Digest,
    board: &'a Board,
    cells: &'a mut Vec<Cell>,
}

impl<V: Keyed> Rows<'_, V> {
    fn change(&mut self, key: V::Key, before: Option<V::Value>, after: Option<V::Value>) {
        for (value, diff) in [(before, -1), (after, 1)] {
            let Some(value) = value else { continue };
            self.cells.clear();
            V::cells(&key, &value, &self.board.labels, self.cells);
            self.digest.change(self.commit, self.cells, diff);
            self.updates.push(((key, value), self.commit.0, diff));
        }
    }

    fn restored(&mut self, key: V::Key, value: V::Value) {
        self.updates.push(((key, value), self.commit.0, 1));
    }
}

/// Has `take` turn outputs into changes of rows, and arranges them.
fn publish<'scope, V: Keyed, O: Clone + 'static>(
    output: StreamVec<'scope, Time, O>,
    board: &Arc<Board>,
    mut take: impl FnMut(O, &mut Rows<'_, V>) + 'static,
) -> Trace<V> {
    let board = Arc::clone(board);
    let updates = output.unary(Pipeline, V::VIEW, move |_capability, _info| {
        let mut cells: Vec<Cell> = Vec::new();
        move |input, output| {
            input.for_each_time(|time, batches| {
                let commit = Commit(*time.time());
                let (updates, digest) = (Vec::new(), Digest::default());
                let mut rows =
                    Rows::<V> { commit, updates, digest, board: &board, cells: &mut cells };
                batches.for_each(|batch| batch.drain(..).for_each(|said| take(said, &mut rows)));
                let Rows { mut updates, digest, .. } = rows;
                board.count(V::VIEW, updates.iter().map(|(_, _, diff)| diff).sum());
                board.add_changes(V::VIEW, digest);
                output.session(&time).give_container(&mut updates);
            });
        }
    });
    arrange_local(updates.container::<Vec<RowUpdate<V>>>(), V::VIEW).trace
}

/// Appends a row to its log and to the log's digest.
pub fn log(board: &Board, commit: Commit, row: LogRow) {
    let mut cells = Vec::new();
    row.cells(&mut cells);
    let mut digest = Digest::default();
    digest.change(commit, &cells, 1);
    board.add_changes(row.view(), digest);
    board.logs.append(row);
}

fn count(metrics: &Metrics, source: &str, verdict: Verdict, records: u64) {
    match verdict {
        Verdict::Accepted => metrics.accepted(source, records),
        Verdict::Correction => metrics.corrections(source, records),
        Verdict::Cancel => metrics.cancels(source, records),
        Verdict::Duplicate => metrics.duplicates(source, records),
        Verdict::Conflict => metrics.conflicts(source, records),
        Verdict::Late => metrics.late(source, "reject_after", records),
    }
}

/// Publishes a worker's arrangements whenever they have moved.
pub struct Publisher {
    worker: usize,
    traces: Traces,
    board: Arc<Board>,
    metrics: Metrics,
    upper: Option<u64>,
    since: u64,
}

impl Publisher {
    /// For one worker.
    pub fn new(worker: usize, traces: Traces, board: Arc<Board>, metrics: Metrics) -> Publisher {
        Publisher { worker, traces, board, metrics, upper: Some(0), since: 0 }
    }

    /// Publishes if there is something new, and lets the arrangements compact what no reader can ask for.
    /// Says whether everything has been published for good.
    pub fn step(&mut self) -> bool {
        let Traces { candles, indicators, alerts } = &mut self.traces;
        let uppers = [upper(candles), upper(indicators), upper(alerts)];
        // Complete is what all of them have completed; none is done before all are.
        let complete = uppers.iter().copied().flatten().min();
        if complete != self.upper {
            let published = Published {
                candles: batches(candles),
                indicators: batches(indicators),
                alerts: batches(alerts),
            };
            let number = complete.unwrap_or(u64::MAX);
            let completed = self.board.publish(self.worker, number, self.since, published);
            completed.took.into_iter().for_each(|took| self.metrics.tick_to_view(took));
            let floor = completed.readable_from;
            if complete.is_some() {
                self.since = self.since.max(floor.min(number.saturating_sub(1)));
                compact(candles, self.since);
                compact(indicators, self.since);
                compact(alerts, self.since);
            }
            self.upper = complete;
        }
        complete.is_none()
    }
}

/// The first commit that an arrangement has not completed; none if it is done.
fn upper<T: TraceReader<Time = Time>>(trace: &mut T) -> Option<u64> {
    let mut upper = Antichain::new();
    trace.read_upper(&mut upper);
    upper.elements().first().copied()
}

fn batches<T: TraceReader<Time = Time>>(trace: &mut T) -> Vec<T::Batch> {
    trace.batches_through(Antichain::new().borrow()).unwrap_or_default()
}

/// Lets an arrangement forget when, before `since`, something changed.
fn compact<T: TraceReader<Time = Time>>(trace: &mut T, since: u64) {
    trace.set_logical_compaction(AntichainRef::new(&[since]));
    let mut upper = Antichain::new();
    trace.read_upper(&mut upper);
    trace.set_physical_compaction(upper.borrow());
}
