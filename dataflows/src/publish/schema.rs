//! Holds rows to the columns of their views.

use crate::views::view;
use rows::Cell;

/// In builds with debug assertions, panics at a row that does not fit the columns of its view.
pub(super) fn debug_check(name: &str, cells: &[Cell]) {
    if cfg!(debug_assertions)
        && let Some(view) = view(name)
    {
        view.debug_check(cells);
    }
}
