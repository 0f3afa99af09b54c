//! From updates to batches: what comes is kept as it comes, and sorted once when its commits are closed.
//!
//! Differential's own batcher keeps what comes in sorted chains of short chunks and merges them as they grow, since
//! its times may close in any part and order. Commits close in order and mostly one by one, so that everything
//! there is belongs to the next batch: then one sort of the whole, which finds what is in order already, moves
//! each update a few times instead of once per level of a merge.

use std::collections::VecDeque;

use differential_dataflow::ExchangeData;
use differential_dataflow::logging::Logger;
use differential_dataflow::trace::{Batcher, Description};
use timely::container::{ContainerBuilder, PushInto};
use timely::progress::frontier::AntichainRef;
use timely::progress::{Antichain, Timestamp};

use super::Update;
use crate::time::Time;

/// Hands on containers as they are.
pub(super) struct Whole<U> {
    ready: VecDeque<Vec<U>>,
    at_hand: Vec<U>,
}

/// Keeps updates until their commits are closed.
pub(super) struct Sorted<K, V> {
    /// In no order.
    pending: Vec<Update<K, V>>,
    /// The least time of what is pending, as of the last seal.
    frontier: Antichain<Time>,
    lower: Antichain<Time>,
}

impl<U> Default for Whole<U> {
    fn default() -> Whole<U> {
        Whole { ready: VecDeque::new(), at_hand: Vec::new() }
    }
}

impl<U> PushInto<&mut Vec<U>> for Whole<U> {
    fn push_into(&mut self, container: &mut Vec<U>) {
        if !container.is_empty() {
            self.ready.push_back(std::mem::take(container));
        }
    }
}

impl<U: Clone + 'static> ContainerBuilder for Whole<U> {
    type Container = Vec<U>;

    fn extract(&mut self) -> Option<&mut Vec<U>> {
        self.at_hand = self.ready.pop_front()?;
        Some(&mut self.at_hand)
    }

    fn finish(&mut self) -> Option<&mut Vec<U>> {
        self.extract()
    }
}

impl<K, V> PushInto<Vec<Update<K, V>>> for Sorted<K, V> {
    fn push_into(&mut self, mut updates: Vec<Update<K, V>>) {
        match self.pending.is_empty() {
            true => self.pending = updates,
            false => self.pending.append(&mut updates),
        }
    }
}

impl<K: ExchangeData, V: ExchangeData> Batcher for Sorted<K, V> {
    type Output = Vec<Update<K, V>>;
    type Time = Time;

    fn new(_logger: Option<Logger>, _operator_id: usize) -> Sorted<K, V> {
        let lower = Antichain::from_elem(Time::minimum());
        Sorted { pending: Vec::new(), frontier: Antichain::new(), lower }
    }

    fn seal(&mut self, upper: Antichain<Time>) -> (Vec<Vec<Update<K, V>>>, Description<Time>) {
        let mut closed = std::mem::take(&mut self.pending);
        if closed.iter().any(|(_, time, _)| upper.less_equal(time)) {
            self.pending = closed.extract_if(.., |(_, time, _)| upper.less_equal(time)).collect();
        }
        self.frontier = self.pending.iter().map(|(_, time, _)| *time).min().into_iter().collect();
        // What operators put out is in runs of ascending keys, one per shard, which a stable sort finds and merges.
        closed.sort_by(|(a, at, _), (b, bt, _)| (a, at).cmp(&(b, bt)));
        closed.dedup_by(|(next, at, more), (kept, time, diff)| {
            let same = (&*next, &*at) == (&*kept, &*time);
            if same {
                *diff += *more;
            }
            same
        });
        closed.retain(|(_, _, diff)| *diff != 0);
        let lower = std::mem::replace(&mut self.lower, upper.clone());
        let since = Antichain::from_elem(Time::minimum());
        let chain = if closed.is_empty() { Vec::new() } else { vec![closed] };
        (chain, Description::new(lower, upper, since))
    }

    fn frontier(&mut self) -> AntichainRef<'_, Time> {
        self.frontier.borrow()
    }
}
