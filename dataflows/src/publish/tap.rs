//! The end of the dataflow: splits the operators' output into rows, log rows and counts, arranges the
//! rows, and publishes the arrangement from the worker's loop.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use differential_dataflow::trace::TraceReader;
use market::{Candle, CandleKey, Commit};
use operators::arrange::{SharedTrace, Update, arrange_local};
use operators::keyed::Time;
use operators::{LedgerOut, Notice, Verdict};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use super::board::Board;
use super::digest::Digest;
use super::logs::LogRow;
use crate::telemetry::Metrics;
use crate::views::{CandleRow, Cell, Row};

type CandleUpdate = Update<CandleKey, Candle>;

/// Arranges and taps everything that the operators put out on this worker.
///
/// Rows told again after a restore enter the arrangement and nothing else.
pub fn publish<'scope>(
    output: StreamVec<'scope, Time, LedgerOut>,
    board: &Arc<Board>,
    metrics: &Metrics,
    sources: Arc<[String]>,
) -> SharedTrace<CandleKey, Candle> {
    let board = Arc::clone(board);
    let metrics = metrics.clone();
    let updates = output.unary(Pipeline, "Publish", move |_capability, _info| {
        let mut cells: Vec<Cell> = Vec::new();
        move |input, output| {
            input.for_each_time(|time, batches| {
                let commit = Commit(*time.time());
                let mut split = Split {
                    commit,
                    updates: Vec::new(),
                    candles: Digest::default(),
                    board: &board,
                    metrics: &metrics,
                    sources: &sources,
                    cells: &mut cells,
                };
                batches.for_each(|batch| batch.drain(..).for_each(|said| split.take(said)));
                let mut updates = split.finish();
                output.session(&time).give_container(&mut updates);
            });
        }
    });
    arrange_local(updates.container::<Vec<CandleUpdate>>(), "Candles").trace
}

/// The output of one commit, being split.
struct Split<'a> {
    commit: Commit,
    updates: Vec<CandleUpdate>,
    candles: Digest,
    board: &'a Board,
    metrics: &'a Metrics,
    sources: &'a [String],
    cells: &'a mut Vec<Cell>,
}

impl Split<'_> {
    fn take(&mut self, said: LedgerOut) {
        match said {
            LedgerOut::Bar(change) => {
                for (candle, diff) in [(change.before, -1), (change.after, 1)] {
                    let Some(candle) = candle else { continue };
                    self.cells.clear();
                    CandleRow { key: &change.key, candle: &candle }.cells(self.cells);
                    self.candles.change(self.commit, self.cells, diff);
                    self.updates.push(((change.key, candle), self.commit.0, diff));
                }
            }
            LedgerOut::Restored(key, candle) => {
                self.updates.push(((key, candle), self.commit.0, 1));
            }
            LedgerOut::Notice(notice) => {
                if let Notice::Unmatched(row) = &notice {
                    // The source of a record is not told with its row.
                    self.metrics.unmatched("", row.reason, 1);
                }
                let row = LogRow::Notice(notice);
                let view = row.view();
                self.cells.clear();
                row.cells(self.cells);
                let mut digest = Digest::default();
                digest.change(self.commit, self.cells, 1);
                self.board.add_changes(view, digest);
                self.board.logs.append(row);
            }
            LedgerOut::Tally(tally) => {
                let Some(source) = self.sources.get(usize::from(tally.source.0)) else { return };
                count(self.metrics, source, tally.verdict, tally.records);
            }
            LedgerOut::Heard(..) | LedgerOut::Seen(..) => {}
        }
    }

    fn finish(self) -> Vec<CandleUpdate> {
        let rows: i64 = self.updates.iter().map(|(_, _, diff)| diff).sum();
        self.board.candle_rows.fetch_add(rows, Ordering::Relaxed);
        self.board.add_changes("candles", self.candles);
        self.updates
    }
}

fn count(metrics: &Metrics, source: &str, verdict: Verdict, records: u64) {
    match verdict {
        Verdict::Accepted | Verdict::Correction | Verdict::Cancel => {
            metrics.accepted(source, records);
        }
        Verdict::Duplicate => metrics.duplicates(source, records),
        Verdict::Conflict => metrics.conflicts(source, records),
        Verdict::Late => metrics.late(source, "reject_after", records),
    }
}

/// Publishes a worker's arrangement whenever it has moved.
pub struct Publisher {
    worker: usize,
    trace: SharedTrace<CandleKey, Candle>,
    board: Arc<Board>,
    upper: Antichain<Time>,
    since: u64,
}

impl Publisher {
    /// For one worker.
    pub fn new(
        worker: usize,
        trace: SharedTrace<CandleKey, Candle>,
        board: Arc<Board>,
    ) -> Publisher {
        Publisher { worker, trace, board, upper: Antichain::from_elem(0), since: 0 }
    }

    /// Publishes if there is something new, and lets the arrangement compact what no reader can ask for.
    /// Says whether everything has been published for good.
    pub fn step(&mut self) -> bool {
        let mut upper = Antichain::new();
        self.trace.read_upper(&mut upper);
        let done = upper.is_empty();
        if upper != self.upper {
            let batches = self.trace.batches_through(Antichain::new().borrow()).unwrap_or_default();
            let number = upper.elements().first().copied().unwrap_or(u64::MAX);
            let floor = self.board.publish(self.worker, number, self.since, batches);
            if !done {
                self.since = self.since.max(floor.min(number.saturating_sub(1)));
                self.trace.set_logical_compaction(AntichainRef::new(&[self.since]));
                self.trace.set_physical_compaction(upper.borrow());
            }
            self.upper = upper;
        }
        done
    }
}
