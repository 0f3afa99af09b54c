//! What the board keeps of a view.

use std::sync::Arc;

use super::keyed_reads::KeyedReads;
use super::logs::RetainedLog;
use crate::views::kinds::{LogBound, UnionPart};
use rows::View;

/// A view, and what holds its rows.
#[derive(Clone, Copy)]
pub struct StoredView {
    /// The view.
    pub view: View,
    pub(super) storage: Storage,
}

/// What holds the rows of a view.
#[derive(Clone, Copy)]
pub(super) enum Storage {
    /// Arrangements, read by these functions.
    Keyed(KeyedReads),
    /// A log; the function makes an empty one of at most so many bytes.
    Log(LogBound, fn(usize) -> Arc<dyn RetainedLog>),
    /// The logs of these views, as far as the job has them.
    Union(&'static [UnionPart]),
    /// A table.
    Table,
}
