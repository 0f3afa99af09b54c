//! Turns the output of an operator into rows of a keyed view, commit by commit.

use std::sync::Arc;

use market::Commit;
use operators::keyed::Time;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::arranged::{Arranged, arrange};
use super::batches::RowUpdate;
use super::board::Board;
use super::digest::Digest;
use super::history::arrange_history;
use super::output_context::OutputContext;
use crate::views::kinds::{KeyedView, RowChanges, TakeRows, rows_of};
use rows::Cell;

/// Takes the rows of a view from the output of an operator, and arranges them.
///
/// Rows that are emitted again after a restore enter the arrangement only.
pub(super) fn publish<'scope, V: TakeRows>(
    output: StreamVec<'scope, Time, V::Out>,
    to: &OutputContext<'scope>,
) -> Arranged {
    let board = Arc::clone(&to.board);
    let updates = output.unary(Pipeline, V::VIEW.name, move |_capability, _info| {
        let mut cells: Vec<Cell> = Vec::new();
        let mut about = 0; // capacity: the next commit will have about as many changes
        move |input, output| {
            input.for_each_time(|time, batches| {
                let mut rows = Rows::<V>::of(Commit(*time.time()), about, &board, &mut cells);
                batches.for_each(|batch| batch.drain(..).for_each(|out| V::take(out, &mut rows)));
                let mut updates = rows.end();
                about = updates.len();
                output.session(&time).give_container(&mut updates);
            });
        }
    });
    arranged::<V>(updates.container::<Vec<RowUpdate<V>>>(), to)
}

/// Arranges rows that are net changes already, without copying their containers.
pub(super) fn publish_updates<'scope, V: KeyedView>(
    output: StreamVec<'scope, Time, RowUpdate<V>>,
    to: &OutputContext<'scope>,
) -> Arranged {
    let (board, restored) = (Arc::clone(&to.board), to.restored);
    let updates = output.unary(Pipeline, V::VIEW.name, move |_capability, _info| {
        let mut cells: Vec<Cell> = Vec::new();
        move |input, output| {
            input.for_each_time(|time, batches| {
                let mut rows = Rows::<V>::of(Commit(*time.time()), 0, &board, &mut cells);
                let is_new = Some(rows.commit) > restored;
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
    arranged::<V>(updates, to)
}

/// Arranges the rows of a view, and its history if it has one.
fn arranged<'scope, V: KeyedView>(
    updates: StreamVec<'scope, Time, RowUpdate<V>>,
    to: &OutputContext<'scope>,
) -> Arranged {
    let points = &to.board.history;
    let has_history = V::VIEW.history && points.is_enabled();
    let before = has_history
        .then(|| arrange_history::<V>(updates.clone(), to.contexts.clone(), Arc::clone(points)));
    Arranged { now: arrange::<V>(updates), before }
}

/// The rows of a view that change in one commit.
pub(super) struct Rows<'a, V: KeyedView> {
    /// The commit.
    commit: Commit,
    updates: Vec<RowUpdate<V>>,
    /// The change of the number of rows.
    rows: i64,
    digest: Digest,
    board: &'a Board,
    cells: &'a mut Vec<Cell>,
}

impl<'a, V: KeyedView> Rows<'a, V> {
    /// No changes yet; `about` is the expected number.
    fn of(commit: Commit, about: usize, board: &'a Board, cells: &'a mut Vec<Cell>) -> Rows<'a, V> {
        let (updates, digest) = (Vec::with_capacity(about), Digest::default());
        Rows { commit, updates, rows: 0, digest, board, cells }
    }

    /// Adds count and digest to the board; returns the changes.
    fn end(self) -> Vec<RowUpdate<V>> {
        self.board.count(V::VIEW.name, self.rows);
        self.board.add_changes(V::VIEW.name, self.digest);
        self.updates
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
                V::VIEW.debug_check(self.cells);
                self.digest.change(self.commit, self.cells, diff);
            }
        }
    }
}

impl<V: KeyedView> RowChanges<V> for Rows<'_, V> {
    fn change(&mut self, key: V::Key, before: Option<V::Value>, after: Option<V::Value>) {
        for (value, other, diff) in [(&before, &after, -1), (&after, &before, 1)] {
            let Some(value) = value else { continue };
            self.digest(&key, value, other.as_ref(), diff);
        }
        for (value, diff) in [(before, -1), (after, 1)] {
            let Some(value) = value else { continue };
            self.push(key, value, diff);
        }
    }

    fn restored(&mut self, key: V::Key, value: V::Value) {
        self.push(key, value, 1);
    }
}
