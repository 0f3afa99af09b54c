//! Rows: one cell per column.

use crate::cell::Cell;
use crate::column::Column;

/// A row type: its columns, declared once.
pub trait Row {
    /// The columns, in order.
    const COLUMNS: &'static [Column];

    /// Appends one cell per column, in the same order.
    fn cells(&self, into: &mut Vec<Cell>);
}
