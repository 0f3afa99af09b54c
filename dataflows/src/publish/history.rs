//! The history of views: keyed views with a history can be read as of a snapshot point while the bound in bytes allows
//! it.
//!
//! A second arrangement takes the net change of a view from one snapshot point to the next. It is compacted only when
//! it exceeds its bound; then the oldest snapshot points are dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use operators::CommitContext;
use operators::keyed::Time;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use super::arranged::{Arrangement, arrange_before};
use super::batches::RowUpdate;
use super::snapshot_points::SnapshotPoints;
use crate::views::kinds::KeyedView;

/// The net change since the last snapshot point: per key, rows with their counts. It is folded commit by commit, so
/// that little work is left at a snapshot point.
struct Net<V: KeyedView>(BTreeMap<V::Key, Vec<(V::Value, i64)>>);

/// Changes that wait until their commit is closed.
struct Waiting<V: KeyedView> {
    /// The capabilities of snapshot points that are not closed.
    snapshot_points: BTreeMap<Time, Capability<Time>>,
    /// Changes of open commits.
    changes: BTreeMap<Time, Vec<RowUpdate<V>>>,
    /// The net change of closed commits.
    net: Net<V>,
}

impl<V: KeyedView> Net<V> {
    fn add(&mut self, key: V::Key, value: V::Value, diff: i64) {
        let rows = self.0.entry(key).or_default();
        match rows.iter().position(|(known, _)| *known == value) {
            None => rows.push((value, diff)),
            Some(at) => {
                rows[at].1 += diff;
                if rows[at].1 == 0 {
                    rows.swap_remove(at);
                }
            }
        }
    }

    /// Takes everything as changes at one commit, in the order of keys.
    fn take(&mut self, commit: Time) -> impl Iterator<Item = RowUpdate<V>> + use<V> {
        std::mem::take(&mut self.0).into_iter().flat_map(move |(key, rows)| {
            rows.into_iter().map(move |(value, diff)| ((key, value), commit, diff))
        })
    }
}

impl<V: KeyedView> Waiting<V> {
    /// Folds the changes of all commits up to this one.
    fn fold_through(&mut self, commit: Time) {
        while let Some(first) = self.changes.first_entry().filter(|first| *first.key() <= commit) {
            for ((key, value), _, diff) in first.remove() {
                if V::in_history(&value) {
                    self.net.add(key, value, diff);
                }
            }
        }
    }
}

/// Arranges the changes of a view from one snapshot point to the next.
pub(super) fn arrange_history<'scope, V: KeyedView>(
    updates: StreamVec<'scope, Time, RowUpdate<V>>,
    contexts: StreamVec<'scope, Time, Arc<CommitContext>>,
    points: Arc<SnapshotPoints>,
) -> Box<dyn Arrangement> {
    let name = format!("{}-history", V::VIEW.name);
    let at_snapshot_points =
        contexts.binary_frontier(updates, Pipeline, Pipeline, &name, move |_capability, _info| {
            let (snapshot_points, changes) = (BTreeMap::new(), BTreeMap::new());
            let mut waiting = Waiting::<V> { snapshot_points, changes, net: Net(BTreeMap::new()) };
            move |(contexts, contexts_frontier), (updates, updates_frontier), output| {
                contexts.for_each_time(|time, batches| {
                    batches.for_each(Vec::clear);
                    if points.is_snapshot_point(*time.time()) {
                        waiting.snapshot_points.insert(*time.time(), time.retain(0));
                    }
                });
                updates.for_each_time(|time, batches| {
                    let changes = waiting.changes.entry(*time.time()).or_default();
                    batches.for_each(|batch| changes.append(batch));
                });
                let is_closed = |commit: &Time| {
                    !contexts_frontier.less_equal(commit) && !updates_frontier.less_equal(commit)
                };
                while let Some(first) =
                    waiting.snapshot_points.first_entry().filter(|f| is_closed(f.key()))
                {
                    let (commit, capability) = first.remove_entry();
                    waiting.fold_through(commit);
                    output.session(&capability).give_iterator(waiting.net.take(commit));
                }
                // Commits after the last snapshot point, as far as all snapshot points among them are known.
                let closed = waiting.changes.keys().copied().take_while(is_closed).last();
                if let Some(closed) = closed {
                    waiting.fold_through(closed);
                }
            }
        });
    arrange_before::<V>(at_snapshot_points.container::<Vec<RowUpdate<V>>>())
}
