//! What the board keeps of a view.

use super::keyed_reads::KeyedReads;
use super::logs::RetainedLog;
use crate::views::kinds::LogBound;
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
    Log(LogBound, fn(usize) -> Box<dyn RetainedLog>),
    /// A table.
    Table,
}
