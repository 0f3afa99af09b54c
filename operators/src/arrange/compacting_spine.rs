//! A trace that merges its batches soon after it may compact them.
//!
//! Differential's spine merges batches as new ones come. Those of a history are large beside what a second brings: what
//! may be forgotten would stay until as much has come again. This one takes a bounded step with each call that moves its
//! frontiers, as if some updates had come, until all batches are compacted up to the logical frontier.

use differential_dataflow::logging::Logger;
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::{Batch, BatchReader, ExertionLogic, Trace, TraceReader};
use timely::PartialOrder;
use timely::dataflow::operators::generic::OperatorInfo;
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;
use timely::scheduling::activate::Activator;

/// A spine of an arrangement that is compacted rarely and by much.
pub struct CompactingSpine<B: Batch>(Spine<B>);

/// A step is as large as if two to the power of this many updates had come.
const STEP_LEVEL: usize = 13;

/// Whether a batch has nothing that a trace which may compact up to `since` could still merge.
pub(super) fn is_compacted<B: BatchReader>(batch: &B, since: &AntichainRef<'_, B::Time>) -> bool {
    let is_past =
        |frontier: &Antichain<B::Time>| PartialOrder::less_equal(since, &frontier.borrow());
    let description = batch.description();
    batch.is_empty() || is_past(description.since()) || is_past(description.lower())
}

impl<B: Batch + Clone + 'static> TraceReader for CompactingSpine<B> {
    type Time = B::Time;
    type Batch = B;

    fn batches_through(&mut self, upper: AntichainRef<'_, B::Time>) -> Option<Vec<B>> {
        self.0.batches_through(upper)
    }

    fn set_logical_compaction(&mut self, frontier: AntichainRef<'_, B::Time>) {
        self.0.set_logical_compaction(frontier);
    }

    fn get_logical_compaction(&mut self) -> AntichainRef<'_, B::Time> {
        self.0.get_logical_compaction()
    }

    fn set_physical_compaction(&mut self, frontier: AntichainRef<'_, B::Time>) {
        self.0.set_physical_compaction(frontier);
        let since = self.0.get_logical_compaction().to_owned();
        let mut is_done = true;
        self.0.map_batches(|batch| is_done &= is_compacted(batch, &since.borrow()));
        if !is_done {
            self.0.introduce_batch(None, STEP_LEVEL);
        }
    }

    fn get_physical_compaction(&mut self) -> AntichainRef<'_, B::Time> {
        self.0.get_physical_compaction()
    }

    fn map_batches<F: FnMut(&B)>(&self, f: F) {
        self.0.map_batches(f);
    }
}

impl<B: Batch + Clone + 'static> Trace for CompactingSpine<B> {
    fn new(
        info: OperatorInfo,
        logging: Option<Logger>,
        activator: Option<Activator>,
    ) -> CompactingSpine<B> {
        CompactingSpine(Spine::new(info, logging, activator))
    }

    fn exert(&mut self) {
        self.0.exert();
    }

    fn set_exert_logic(&mut self, logic: ExertionLogic) {
        self.0.set_exert_logic(logic);
    }

    fn insert(&mut self, batch: B) {
        self.0.insert(batch);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
