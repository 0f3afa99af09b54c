//! A worker's arrangements of keyed views, and their publication on the board.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::operators::arrange::TraceReplayInstruction;
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::{BatchReader, TraceReader};
use operators::arrange::{
    CompactingTrace, SharedBatch, SharedTrace, arrange_compacting, arrange_local,
};
use operators::keyed::Time;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::probe::Handle;
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;
use timely::scheduling::Activator;

use super::batch_sizes::{BatchSizes, bytes_with_values};
use super::batches::{Batch, BatchList, RowUpdate};
use super::board::{Board, Published};
use super::ring::Ring;
use super::snapshot_points::HistoryReport;
use crate::telemetry::Metrics;
use crate::views::kinds::KeyedView;

/// The arrangement of a keyed view on one worker, independent of its row type.
pub trait Arrangement {
    /// The view.
    fn view(&self) -> &'static str;

    /// The first commit that is not complete; none if the arrangement is done.
    fn upper(&mut self) -> Option<u64>;

    /// All its batches.
    fn batch_list(&mut self) -> BatchList;

    /// Pushes the batches since the last call into `ring`.
    fn publish_new_batches(&mut self, ring: &Ring);

    /// Bytes of all its batches.
    fn bytes(&mut self) -> usize;

    /// Whether compaction up to `since` has freed what it can free.
    fn is_compacted(&mut self, since: u64) -> bool;

    /// Allows compaction: commits before `since` may be merged into one time.
    fn compact(&mut self, since: u64);
}

/// A worker's arrangements of one view.
pub struct Arranged {
    /// The current rows.
    pub now: Box<dyn Arrangement>,
    /// The rows at snapshot points, if the view has a history.
    pub before: Option<Box<dyn Arrangement>>,
}

/// The views of a job on one worker.
#[derive(Default)]
pub struct WorkerViews {
    /// The arrangements of keyed views.
    pub(super) arranged: Vec<Arranged>,
    /// How far the logs are.
    pub(super) logs: Vec<Handle<Time>>,
    /// The views that are taken from outputs.
    pub(super) taken: Vec<&'static str>,
    /// Those of them that are connected to one.
    pub(super) connected: Vec<&'static str>,
}

/// Arranges this worker's rows of a view.
pub(super) fn arrange<'scope, V: KeyedView>(
    updates: StreamVec<'scope, Time, RowUpdate<V>>,
) -> Box<dyn Arrangement> {
    let scope = updates.scope();
    let mut trace: SharedTrace<V::Key, V::Value> = arrange_local(updates, V::VIEW.name).trace;
    // A trace wakes its listener with each batch. The worker's loop polls anyway, so the activator does nothing.
    let new_batches = Some(trace.new_listener(scope.activator_for(scope.addr())));
    let sizes = BatchSizes::of_containers();
    Box::new(LocalArrangement::<V, SharedTrace<V::Key, V::Value>> { trace, new_batches, sizes })
}

/// Arranges this worker's rows of a view at snapshot points. Nobody is told of its batches one by one: a queue that
/// nobody empties would hold all that there ever were.
pub(super) fn arrange_before<'scope, V: KeyedView>(
    updates: StreamVec<'scope, Time, RowUpdate<V>>,
) -> Box<dyn Arrangement> {
    let trace = arrange_compacting(updates, V::VIEW.name).trace;
    let sizes = BatchSizes::with_values();
    Box::new(LocalArrangement::<V, CompactingTrace<V::Key, V::Value>> {
        trace,
        new_batches: None,
        sizes,
    })
}

type ViewSpine<V> = Spine<SharedBatch<<V as KeyedView>::Key, <V as KeyedView>::Value>>;
type BatchQueue<V> = Rc<(Activator, RefCell<VecDeque<TraceReplayInstruction<ViewSpine<V>>>>)>;

struct LocalArrangement<V: KeyedView, T> {
    trace: T,
    /// Batches since the last look, of an arrangement with a ring.
    new_batches: Option<BatchQueue<V>>,
    sizes: BatchSizes,
}

impl<V: KeyedView, T: TraceReader<Batch = Batch<V>, Time = Time>> Arrangement
    for LocalArrangement<V, T>
where
    Vec<Batch<V>>: Send + Sync,
{
    fn view(&self) -> &'static str {
        V::VIEW.name
    }

    fn upper(&mut self) -> Option<u64> {
        let mut upper = Antichain::new();
        self.trace.read_upper(&mut upper);
        upper.elements().first().copied()
    }

    fn batch_list(&mut self) -> BatchList {
        let batches = self.trace.batches_through(Antichain::new().borrow());
        Arc::new(batches.unwrap_or_default())
    }

    fn publish_new_batches(&mut self, ring: &Ring) {
        let Some(new_batches) = &self.new_batches else { return };
        for instruction in new_batches.1.borrow_mut().drain(..) {
            let TraceReplayInstruction::Batch(batch, _) = instruction else { continue };
            if batch.is_empty() {
                continue;
            }
            let bound = |frontier: &Antichain<u64>| frontier.elements().first().copied();
            let description = batch.description();
            let (lower, upper) = (bound(description.lower()), bound(description.upper()));
            let bytes = bytes_with_values::<V>(&batch);
            let batch_list = Arc::new(vec![batch]);
            ring.push(lower.unwrap_or(0), upper.unwrap_or(u64::MAX), bytes, batch_list);
        }
    }

    fn bytes(&mut self) -> usize {
        let batches = self.trace.batches_through(Antichain::new().borrow()).unwrap_or_default();
        self.sizes.sum::<V>(&batches)
    }

    fn is_compacted(&mut self, since: u64) -> bool {
        let mut is_compacted = true;
        self.trace.map_batches(|batch| is_compacted &= batch.is_compacted(since));
        is_compacted
    }

    fn compact(&mut self, since: u64) {
        self.trace.set_logical_compaction(AntichainRef::new(&[since]));
        let mut upper = Antichain::new();
        self.trace.read_upper(&mut upper);
        self.trace.set_physical_compaction(upper.borrow());
    }
}

/// Publishes a worker's arrangements whenever their frontiers have advanced.
pub struct Publisher {
    worker: usize,
    /// In the order of the keyed views of the board.
    views: Vec<Arranged>,
    /// How far the logs are.
    logs: Vec<Handle<Time>>,
    board: Arc<Board>,
    metrics: Metrics,
    upper: Option<u64>,
    since: u64,
    /// Up to where histories may be compacted.
    history_since: u64,
}

impl Publisher {
    /// The publisher of one worker. `views` has each view of the board that is taken from operators once, in any order.
    pub fn new(
        worker: usize,
        views: WorkerViews,
        board: Arc<Board>,
        metrics: Metrics,
    ) -> Publisher {
        let WorkerViews { arranged: mut views, logs, mut taken, mut connected } = views;
        taken.sort_unstable();
        connected.sort_unstable();
        assert_eq!(connected, taken, "a job publishes the output of each of its views once");
        views.sort_by_key(|view| board.keyed(view.now.view()).map(|keyed| keyed.position));
        Publisher {
            worker,
            views,
            logs,
            board,
            metrics,
            upper: Some(0),
            since: 0,
            history_since: 0,
        }
    }

    /// Publishes new batches, and lets the arrangements compact what no reader can ask for. Returns true after the last
    /// commit.
    pub fn step(&mut self) -> bool {
        // A commit is complete when all arrangements and logs have completed it. The publisher is done when all are.
        let logs = self.logs.iter().filter_map(|log| log.with_frontier(|f| f.first().copied()));
        let logs = logs.min();
        let complete = self.all().filter_map(|own| own.upper()).chain(logs).min();
        if complete != self.upper {
            self.publish(complete);
            self.upper = complete;
        }
        complete.is_none()
    }

    fn publish(&mut self, complete: Option<u64>) {
        for (view, ring) in self.views.iter_mut().zip(&self.board.rings) {
            view.now.publish_new_batches(ring);
        }
        let now = self.views.iter_mut().map(|view| view.now.batch_list()).collect();
        let before =
            self.views.iter_mut().map(|view| view.before.as_mut().map(|own| own.batch_list()));
        let published = Published { now, before: before.collect() };
        let bytes = self.views.iter_mut().map(|view| view.now.bytes()).sum();
        self.board.report_view_bytes(self.worker, bytes);
        let number = complete.unwrap_or(u64::MAX);
        let completed = self.board.publish(self.worker, number, self.since, published);
        completed.took.into_iter().for_each(|took| self.metrics.tick_to_view(took));
        if complete.is_none() {
            return;
        }
        self.since = self.since.max(completed.readable_from.min(number.saturating_sub(1)));
        let since = self.since;
        self.views.iter_mut().for_each(|view| view.now.compact(since));
        if self.board.history.is_enabled() {
            self.compact_histories(since);
        }
    }

    /// Reports what the histories take, and compacts them up to the oldest snapshot point that is left, or as far as
    /// all workers are.
    fn compact_histories(&mut self, since: u64) {
        let compacted_to = self.history_since;
        let report = HistoryReport {
            bytes: self.histories().map(|own| own.bytes()).sum(),
            compacted_to,
            is_compacted: self.histories().all(|own| own.is_compacted(compacted_to)),
        };
        let oldest = self.board.history.report(self.worker, report).min(since);
        self.history_since = oldest;
        self.histories().for_each(|own| own.compact(oldest));
    }

    fn histories(&mut self) -> impl Iterator<Item = &mut Box<dyn Arrangement>> {
        self.views.iter_mut().filter_map(|view| view.before.as_mut())
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Box<dyn Arrangement>> {
        self.views.iter_mut().flat_map(|view| [&mut view.now].into_iter().chain(&mut view.before))
    }
}

#[cfg(test)]
mod tests;
