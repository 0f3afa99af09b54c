//! Buffers the input of commits that are not closed yet, with the capabilities to emit at them.

use std::collections::BTreeMap;
use std::slice::IterMut;

use timely::communication::Pull;
use timely::dataflow::channels::Message;
use timely::dataflow::operators::generic::InputHandleCore;
use timely::dataflow::operators::{Capability, InputCapability};
use timely::progress::frontier::MutableAntichain;

use crate::time::Time;

/// Of two inputs of an operator with so many outputs, by commit.
pub(crate) struct TimestampBuffer<L, R, const OUTPUTS: usize> {
    pending: BTreeMap<Time, PendingCommit<L, R, OUTPUTS>>,
}

/// What one commit has brought.
pub(crate) struct PendingCommit<L, R, const OUTPUTS: usize> {
    /// To put out at its time, one for each output.
    pub(crate) capabilities: [Capability<Time>; OUTPUTS],
    /// On the first input.
    pub(crate) left: Vec<L>,
    /// On the second.
    pub(crate) right: Vec<R>,
}

impl<L: 'static, R: 'static, const OUTPUTS: usize> TimestampBuffer<L, R, OUTPUTS> {
    /// Nothing has arrived.
    pub(crate) fn new() -> TimestampBuffer<L, R, OUTPUTS> {
        TimestampBuffer { pending: BTreeMap::new() }
    }

    /// Takes what has arrived since.
    pub(crate) fn take(
        &mut self,
        left: &mut InputHandleCore<Time, Vec<L>, impl Pull<Message<Time, Vec<L>>>>,
        right: &mut InputHandleCore<Time, Vec<R>, impl Pull<Message<Time, Vec<R>>>>,
    ) {
        left.for_each_time(|time, batches| append(&mut self.at(&time).left, batches));
        right.for_each_time(|time, batches| append(&mut self.at(&time).right, batches));
    }

    /// The next commit, in order, to which both inputs are complete.
    pub(crate) fn closed(
        &mut self,
        left: &MutableAntichain<Time>,
        right: &MutableAntichain<Time>,
    ) -> Option<(Time, PendingCommit<L, R, OUTPUTS>)> {
        let entry = self.pending.first_entry()?;
        let is_open = left.less_equal(entry.key()) || right.less_equal(entry.key());
        (!is_open).then(|| entry.remove_entry())
    }

    fn at(&mut self, time: &InputCapability<Time>) -> &mut PendingCommit<L, R, OUTPUTS> {
        self.pending.entry(*time.time()).or_insert_with(|| PendingCommit {
            capabilities: std::array::from_fn(|output| time.retain(output)),
            left: Vec::new(),
            right: Vec::new(),
        })
    }
}

fn append<T>(all: &mut Vec<T>, batches: IterMut<'_, Vec<T>>) {
    batches.for_each(|batch| match all.is_empty() {
        true => std::mem::swap(all, batch),
        false => all.append(batch),
    });
}
