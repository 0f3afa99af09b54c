//! A worker's arrangements of keyed views, and how they reach the board.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::operators::arrange::{TraceAgent, TraceReplayInstruction};
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::{BatchReader, Cursor, Navigable, TraceReader};
use operators::arrange::{SharedBatch, SharedTrace, Update, arrange_local};
use operators::keyed::Time;
use timely::dataflow::StreamVec;
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;
use timely::scheduling::Activator;

use super::board::{Board, Published};
use super::keyed::{Batch, KEYED, Keyed, Shelf};
use super::ring::Ring;
use crate::telemetry::Metrics;

/// The arrangement of some keyed view on one worker.
pub trait Arrangement {
    /// The view.
    fn view(&self) -> &'static str;

    /// The first commit that it has not completed; none if it is done.
    fn upper(&mut self) -> Option<u64>;

    /// All its batches.
    fn shelf(&mut self) -> Shelf;

    /// Passes on the batches that have come since the last time.
    fn pass_on(&mut self, ring: &Ring);

    /// About how many bytes its batches take.
    fn bytes(&mut self) -> usize;

    /// Lets it forget when, before `since`, something changed.
    fn compact(&mut self, since: u64);
}

/// A worker's arrangements of one view.
pub struct Arranged {
    /// As it is.
    pub now: Box<dyn Arrangement>,
    /// As it was, if that is kept.
    pub before: Option<Box<dyn Arrangement>>,
}

/// A change of a row of a keyed view.
pub(super) type RowUpdate<V> = Update<<V as Keyed>::Key, <V as Keyed>::Value>;

/// Arranges the rows of a view that are on this worker.
pub(super) fn arrange<'scope, V: Keyed>(
    updates: StreamVec<'scope, Time, RowUpdate<V>>,
) -> Box<dyn Arrangement> {
    let scope = updates.scope();
    let mut trace: SharedTrace<V::Key, V::Value> = arrange_local(updates, V::VIEW).trace;
    // Whoever listens to a trace is woken with each batch; here the worker's loop looks anyhow.
    let news = trace.new_listener(scope.activator_for(scope.addr()));
    Box::new(Own::<V> { trace, news })
}

type OwnSpine<V> = Spine<SharedBatch<<V as Keyed>::Key, <V as Keyed>::Value>>;
type News<V> = Rc<(Activator, RefCell<VecDeque<TraceReplayInstruction<OwnSpine<V>>>>)>;

struct Own<V: Keyed> {
    trace: TraceAgent<OwnSpine<V>>,
    news: News<V>,
}

impl<V: Keyed> Arrangement for Own<V>
where
    Vec<Batch<V>>: Send + Sync,
{
    fn view(&self) -> &'static str {
        V::VIEW
    }

    fn upper(&mut self) -> Option<u64> {
        let mut upper = Antichain::new();
        self.trace.read_upper(&mut upper);
        upper.elements().first().copied()
    }

    fn shelf(&mut self) -> Shelf {
        let batches = self.trace.batches_through(Antichain::new().borrow());
        Arc::new(batches.unwrap_or_default())
    }

    fn pass_on(&mut self, ring: &Ring) {
        for told in self.news.1.borrow_mut().drain(..) {
            let TraceReplayInstruction::Batch(batch, _) = told else { continue };
            if batch.is_empty() {
                continue;
            }
            let bound = |frontier: &Antichain<u64>| frontier.elements().first().copied();
            let description = batch.description();
            let (lower, upper) = (bound(description.lower()), bound(description.upper()));
            let bytes = bytes_of::<V>(&batch);
            let shelf = Arc::new(vec![batch]);
            ring.push(lower.unwrap_or(0), upper.unwrap_or(u64::MAX), bytes, shelf);
        }
    }

    fn bytes(&mut self) -> usize {
        let batches = self.trace.batches_through(Antichain::new().borrow()).unwrap_or_default();
        batches.iter().map(bytes_of::<V>).sum()
    }

    fn compact(&mut self, since: u64) {
        self.trace.set_logical_compaction(AntichainRef::new(&[since]));
        let mut upper = Antichain::new();
        self.trace.read_upper(&mut upper);
        self.trace.set_physical_compaction(upper.borrow());
    }
}

/// About how many bytes a batch takes, all whose values are about as large as its first.
fn bytes_of<V: Keyed>(batch: &Batch<V>) -> usize {
    let cursor = batch.cursor();
    let beside = cursor.get_val(batch).map_or(0, V::bytes_beside);
    batch.len() * (size_of::<RowUpdate<V>>() + beside)
}

/// Publishes a worker's arrangements whenever they have moved.
pub struct Publisher {
    worker: usize,
    /// In the order of [`KEYED`].
    views: Vec<Arranged>,
    board: Arc<Board>,
    metrics: Metrics,
    upper: Option<u64>,
    since: u64,
}

impl Publisher {
    /// For one worker; `views` has each keyed view once, in any order.
    pub fn new(
        worker: usize,
        mut views: Vec<Arranged>,
        board: Arc<Board>,
        metrics: Metrics,
    ) -> Publisher {
        let place = |view: &str| KEYED.iter().position(|keyed| keyed.name == view);
        views.sort_by_key(|view| place(view.now.view()));
        assert!(
            views.iter().map(|view| view.now.view()).eq(KEYED.iter().map(|keyed| keyed.name)),
            "a job arranges every view of KEYED once"
        );
        Publisher { worker, views, board, metrics, upper: Some(0), since: 0 }
    }

    /// Publishes if there is something new, and lets the arrangements compact what no reader can ask for.
    /// Says whether everything has been published for good.
    pub fn step(&mut self) -> bool {
        // Complete is what all of them have completed; none is done before all are.
        let complete = self.all().filter_map(|own| own.upper()).min();
        if complete != self.upper {
            self.publish(complete);
            self.upper = complete;
        }
        complete.is_none()
    }

    fn publish(&mut self, complete: Option<u64>) {
        for (view, ring) in self.views.iter_mut().zip(&self.board.rings) {
            view.now.pass_on(ring);
        }
        let now = self.views.iter_mut().map(|view| view.now.shelf()).collect();
        let before = self.views.iter_mut().map(|view| view.before.as_mut().map(|own| own.shelf()));
        let published = Published { now, before: before.collect() };
        let number = complete.unwrap_or(u64::MAX);
        let completed = self.board.publish(self.worker, number, self.since, published);
        completed.took.into_iter().for_each(|took| self.metrics.tick_to_view(took));
        if complete.is_none() {
            return;
        }
        self.since = self.since.max(completed.readable_from.min(number.saturating_sub(1)));
        let since = self.since;
        self.views.iter_mut().for_each(|view| view.now.compact(since));
        if self.board.history.is_kept() {
            let kept = self.views.iter_mut().filter_map(|view| view.before.as_mut());
            let held = kept.map(|own| own.bytes()).sum();
            let oldest = self.board.history.holds(self.worker, held).min(since);
            let kept = self.views.iter_mut().filter_map(|view| view.before.as_mut());
            kept.for_each(|own| own.compact(oldest));
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Box<dyn Arrangement>> {
        self.views.iter_mut().flat_map(|view| [&mut view.now].into_iter().chain(&mut view.before))
    }
}
