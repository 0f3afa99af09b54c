//! Arrangements whose batches any thread may read.
//!
//! Differential's own spines share batches by `Rc`. These share them by `Arc`, so that a worker hands
//! out the batches of a trace and a reader walks them on its own thread, never holding the worker up.
//! Everything here delegates.

mod batcher;
mod compacting_spine;

use std::sync::Arc;

use differential_dataflow::ExchangeData;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::operators::join::join_traces;
use differential_dataflow::trace::implementations::ord_neu::{
    OrdValBatch, OrdValBuilder, val_batch::OrdValStorage,
};
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::implementations::{OffsetList, Vector};
use differential_dataflow::trace::{
    Batch, BatchReader, Builder, Cursor, Description, Merger, Navigable, Trace,
};
use timely::container::{CapacityContainerBuilder, PushInto};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use crate::heap;
use crate::time::Time;
use batcher::{Sorted, Whole};
use compacting_spine::CompactingSpine;

/// What a key or a value of an arrangement is, so that any thread may read it.
pub trait RowData: ExchangeData + Sync {}

impl<T: ExchangeData + Sync> RowData for T {}

/// How often a row is there: 1, or −1 for a retraction.
pub type Diff = i64;

/// A change of a row.
pub type Update<K, V> = ((K, V), Time, Diff);

type Layout<K, V> = Vector<((K, V), Time, Diff)>;

/// An immutable batch of updates, sorted by key.
pub type SharedBatch<K, V> = ArcBatch<OrdValBatch<Layout<K, V>>>;

/// A trace of [`SharedBatch`]es.
pub type SharedTrace<K, V> = TraceAgent<Spine<SharedBatch<K, V>>>;

/// A trace that is compacted rarely and by much, such as that of a history.
pub type CompactingTrace<K, V> = TraceAgent<CompactingSpine<SharedBatch<K, V>>>;

/// Arranges updates that are already on the worker that owns their shard.
pub fn arrange_local<'scope, K: ExchangeData, V: ExchangeData>(
    updates: StreamVec<'scope, Time, Update<K, V>>,
    name: &str,
) -> Arranged<'scope, SharedTrace<K, V>> {
    arrange_as::<_, _, Spine<SharedBatch<K, V>>>(updates, name)
}

/// Like [`arrange_local`], for a trace that is compacted rarely and by much.
pub fn arrange_compacting<'scope, K: ExchangeData, V: ExchangeData>(
    updates: StreamVec<'scope, Time, Update<K, V>>,
    name: &str,
) -> Arranged<'scope, CompactingTrace<K, V>> {
    arrange_as::<_, _, CompactingSpine<SharedBatch<K, V>>>(updates, name)
}

fn arrange_as<'scope, K, V, T>(
    updates: StreamVec<'scope, Time, Update<K, V>>,
    name: &str,
) -> Arranged<'scope, TraceAgent<T>>
where
    K: ExchangeData,
    V: ExchangeData,
    T: Trace<Batch = SharedBatch<K, V>, Time = Time> + 'static,
{
    arrange_core::<
        _,
        _,
        Whole<Update<K, V>>,
        Sorted<K, V>,
        ArcBuilder<OrdValBuilder<Layout<K, V>, Vec<Update<K, V>>>>,
        T,
    >(updates, Pipeline, name)
}

/// What `logic` makes of every pair of values of one key. Not consolidated: it is arranged anyway.
pub fn join_local<'scope, K: ExchangeData, V: ExchangeData, W: ExchangeData, D: Clone + 'static>(
    left: Arranged<'scope, SharedTrace<K, V>>,
    right: Arranged<'scope, SharedTrace<K, W>>,
    mut logic: impl FnMut(&K, &V, &W) -> D + 'static,
) -> StreamVec<'scope, Time, (D, Time, Diff)> {
    join_traces::<_, _, _, _, CapacityContainerBuilder<Vec<(D, Time, Diff)>>>(
        left,
        right,
        move |key, left, right, time, copies, of_copies, put| {
            put.push_into((logic(key, left, right), time, copies * of_copies));
        },
    )
}

/// Keeps, for each key, what `logic` makes of its values: of all that are there, with how often each is.
pub fn reduce_local<'scope, K: ExchangeData, V: ExchangeData, W: ExchangeData>(
    arranged: Arranged<'scope, SharedTrace<K, V>>,
    name: &str,
    mut logic: impl FnMut(&K, &[(&V, Diff)], &mut Vec<(W, Diff)>) + 'static,
) -> Arranged<'scope, SharedTrace<K, W>> {
    arranged.reduce_abelian::<
        _,
        ArcBuilder<OrdValBuilder<Layout<K, W>, Vec<Update<K, W>>>>,
        Spine<SharedBatch<K, W>>,
        _,
        _,
    >(
        name,
        move |key, values, put| logic(key, values, put),
        |container, key, updates| {
            container.clear();
            let rows = updates.drain(..).map(|(row, time, diff)| ((key.clone(), row), time, diff));
            container.extend(rows);
        },
    )
}

/// A batch shared by `Arc`.
pub struct ArcBatch<B>(Arc<B>);

impl<B> Clone for ArcBatch<B> {
    fn clone(&self) -> Self {
        ArcBatch(Arc::clone(&self.0))
    }
}

impl<B: BatchReader + Navigable + 'static> Navigable for ArcBatch<B> {
    type Cursor = ArcCursor<B::Cursor>;

    fn cursor(&self) -> Self::Cursor {
        ArcCursor(self.0.cursor())
    }
}

impl<B: BatchReader> BatchReader for ArcBatch<B> {
    type Time = B::Time;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn description(&self) -> &Description<B::Time> {
        self.0.description()
    }
}

impl<B: Batch> Batch for ArcBatch<B> {
    type Merger = ArcMerger<B>;

    fn empty(lower: Antichain<B::Time>, upper: Antichain<B::Time>) -> Self {
        ArcBatch(Arc::new(B::empty(lower, upper)))
    }
}

impl<K: ExchangeData, V: ExchangeData> ArcBatch<OrdValBatch<Layout<K, V>>> {
    /// How many bytes it has on the heap, but for what its keys and values have there.
    pub fn heap_bytes(&self) -> usize {
        let OrdValStorage { keys, vals, upds } = &self.0.storage;
        let offsets = |list: &OffsetList| {
            heap::vec::<u32>(list.smol.capacity()) + heap::vec::<u64>(list.chonk.capacity())
        };
        heap::shared::<OrdValBatch<Layout<K, V>>>()
            + heap::vec::<K>(keys.capacity())
            + heap::vec::<V>(vals.vals.capacity())
            + heap::vec::<Time>(upds.times.capacity())
            + heap::vec::<Diff>(upds.diffs.capacity())
            + offsets(&vals.offs)
            + offsets(&upds.offs)
    }

    /// Whether a trace that may compact its commits before `since` has nothing left to do with it.
    pub fn is_compacted(&self, since: Time) -> bool {
        compacting_spine::is_compacted(self, &AntichainRef::new(&[since]))
    }

    /// The values that it inserts. What it only retracts was inserted by an earlier batch.
    pub fn inserted(&self) -> impl Iterator<Item = &V> {
        let OrdValStorage { vals, upds, .. } = &self.0.storage;
        vals.vals.iter().enumerate().filter_map(|(at, value)| {
            let (lower, upper) = upds.bounds(at);
            upds.diffs[lower..upper].iter().any(|diff| *diff > 0).then_some(value)
        })
    }

    /// Which batch it is among those of one arrangement: no two that are there at one time, or one after the other at
    /// one place in memory, have the same.
    pub fn identity(&self) -> (usize, Option<Time>, Option<Time>, usize) {
        let bound = |frontier: &Antichain<Time>| frontier.elements().first().copied();
        let description = self.0.description();
        let place = Arc::as_ptr(&self.0).cast::<()>() as usize;
        (place, bound(description.lower()), bound(description.upper()), self.0.len())
    }
}

/// Walks an [`ArcBatch`].
pub struct ArcCursor<C>(C);

impl<C: Cursor> Cursor for ArcCursor<C> {
    type Storage = ArcBatch<C::Storage>;
    type Key<'a> = C::Key<'a>;
    type ValOwn = C::ValOwn;
    type Val<'a> = C::Val<'a>;
    type Time = C::Time;
    type TimeGat<'a> = C::TimeGat<'a>;
    type Diff = C::Diff;
    type DiffGat<'a> = C::DiffGat<'a>;
    type KeyContainer = C::KeyContainer;
    type ValContainer = C::ValContainer;
    type TimeContainer = C::TimeContainer;
    type DiffContainer = C::DiffContainer;

    fn key_valid(&self, s: &Self::Storage) -> bool {
        self.0.key_valid(&s.0)
    }
    fn val_valid(&self, s: &Self::Storage) -> bool {
        self.0.val_valid(&s.0)
    }
    fn key<'a>(&self, s: &'a Self::Storage) -> Self::Key<'a> {
        self.0.key(&s.0)
    }
    fn val<'a>(&self, s: &'a Self::Storage) -> Self::Val<'a> {
        self.0.val(&s.0)
    }
    fn get_key<'a>(&self, s: &'a Self::Storage) -> Option<Self::Key<'a>> {
        self.0.get_key(&s.0)
    }
    fn get_val<'a>(&self, s: &'a Self::Storage) -> Option<Self::Val<'a>> {
        self.0.get_val(&s.0)
    }
    fn map_times<L: FnMut(Self::TimeGat<'_>, Self::DiffGat<'_>)>(
        &mut self,
        s: &Self::Storage,
        logic: L,
    ) {
        self.0.map_times(&s.0, logic)
    }
    fn step_key(&mut self, s: &Self::Storage) {
        self.0.step_key(&s.0)
    }
    fn seek_key(&mut self, s: &Self::Storage, key: Self::Key<'_>) {
        self.0.seek_key(&s.0, key)
    }
    fn step_val(&mut self, s: &Self::Storage) {
        self.0.step_val(&s.0)
    }
    fn seek_val(&mut self, s: &Self::Storage, val: Self::Val<'_>) {
        self.0.seek_val(&s.0, val)
    }
    fn rewind_keys(&mut self, s: &Self::Storage) {
        self.0.rewind_keys(&s.0)
    }
    fn rewind_vals(&mut self, s: &Self::Storage) {
        self.0.rewind_vals(&s.0)
    }
}

/// Merges two [`ArcBatch`]es into a new one.
pub struct ArcMerger<B: Batch>(B::Merger);

impl<B: Batch> Merger<ArcBatch<B>> for ArcMerger<B> {
    fn new(a: &ArcBatch<B>, b: &ArcBatch<B>, since: AntichainRef<'_, B::Time>) -> Self {
        ArcMerger(B::begin_merge(&a.0, &b.0, since))
    }
    fn work(&mut self, a: &ArcBatch<B>, b: &ArcBatch<B>, fuel: &mut isize) {
        self.0.work(&a.0, &b.0, fuel)
    }
    fn done(self) -> ArcBatch<B> {
        ArcBatch(Arc::new(self.0.done()))
    }
}

/// Builds an [`ArcBatch`].
pub struct ArcBuilder<B: Builder>(B);

impl<B: Builder> Builder for ArcBuilder<B> {
    type Input = B::Input;
    type Time = B::Time;
    type Output = ArcBatch<B::Output>;

    fn with_capacity(keys: usize, vals: usize, updates: usize) -> Self {
        ArcBuilder(B::with_capacity(keys, vals, updates))
    }
    fn push(&mut self, chunk: &mut Self::Input) {
        self.0.push(chunk)
    }
    fn done(self, description: Description<B::Time>) -> Self::Output {
        ArcBatch(Arc::new(self.0.done(description)))
    }
    fn seal(chain: &mut Vec<Self::Input>, description: Description<B::Time>) -> Self::Output {
        ArcBatch(Arc::new(B::seal(chain, description)))
    }
}
