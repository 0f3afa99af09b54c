//! A line of the list of views: the schema of a view, and everything generic that is made for it, with its types erased.

use std::any::Any;

use market::Commit;
use operators::keyed::Time;
use timely::dataflow::StreamVec;

use super::append::append;
use super::arranged::Arranged;
use super::batches::RowUpdate;
use super::board::Board;
use super::keyed_reads::KeyedReads;
use super::logs::LogOf;
use super::output_context::OutputContext;
use super::row_changes::{publish, publish_updates};
use super::stored_view::{Storage, StoredView};
use crate::views::kinds::{KeyedView, LogView, TakeEntry, TakeRows, UnionView};
use rows::View;

/// A view of the list.
pub struct Entry {
    /// The view, and what holds its rows.
    pub stored: StoredView,
    /// Connects the view to the output of an operator: a [`KeyedConnector`] or a [`LogConnector`] of the output's
    /// type. None if the rows do not come from operators.
    pub(super) connector: Option<&'static (dyn Any + Send + Sync)>,
}

/// Publishes and arranges a stream of outputs.
pub(super) struct KeyedConnector<O: 'static>(
    pub(super) for<'s> fn(StreamVec<'s, Time, O>, &OutputContext<'s>) -> Arranged,
);

/// Appends what some outputs of a commit hold for a log.
pub(super) struct LogConnector<O: 'static>(pub(super) fn(&[O], Commit, &Board));

/// A keyed view whose rows are taken from the output of an operator.
pub const fn keyed<V: TakeRows>() -> Entry {
    let connector: &'static KeyedConnector<V::Out> = const { &KeyedConnector(publish::<V>) };
    Entry { stored: keyed_view::<V>(), connector: Some(connector) }
}

/// A keyed view whose operator puts out net changes of rows.
pub const fn updates<V: KeyedView>() -> Entry {
    let connector: &'static KeyedConnector<RowUpdate<V>> =
        const { &KeyedConnector(publish_updates::<V>) };
    Entry { stored: keyed_view::<V>(), connector: Some(connector) }
}

/// A log whose entries are taken from the output of an operator.
pub const fn log<L: TakeEntry>() -> Entry {
    let connector: &'static LogConnector<L::Out> = const { &LogConnector(append_taken::<L>) };
    Entry { connector: Some(connector), ..own_log::<L>() }
}

/// A log whose entries are [appended](append) by other threads than workers.
pub const fn own_log<L: LogView>() -> Entry {
    let storage = Storage::Log(L::BOUND, LogOf::<L>::shared);
    Entry { stored: StoredView { view: L::VIEW, storage }, connector: None }
}

/// A log of the rows of other logs.
pub const fn union<U: UnionView>() -> Entry {
    let storage = Storage::Union(U::PARTS);
    Entry { stored: StoredView { view: U::VIEW, storage }, connector: None }
}

/// A table, which the commit dispatcher updates.
pub const fn table(view: View) -> Entry {
    Entry { stored: StoredView { view, storage: Storage::Table }, connector: None }
}

const fn keyed_view<V: KeyedView>() -> StoredView {
    StoredView { view: V::VIEW, storage: Storage::Keyed(KeyedReads::of::<V>()) }
}

fn append_taken<L: TakeEntry>(outputs: &[L::Out], commit: Commit, board: &Board) {
    outputs.iter().filter_map(L::take).for_each(|entry| append::<L>(board, commit, entry));
}
