//! Reading a view page by page, at one frontier.
//!
//! A read that begins with `cursor=*` takes a cut of the view and keeps it for some time (`open_cuts`). Each page has
//! the cursor of the next one (`cursor`): it names the cut, the query and the place behind the last row (`order`). So
//! the pages add up to the view as it was when the read began, whatever has changed since. A cut that is no longer kept
//! is 410, and not other rows.

mod cursor;
mod open_cuts;
mod order;

pub(super) use cursor::{Cursor, CursorKey};
pub(super) use open_cuts::OpenCuts;
pub(super) use order::{Order, Place, SORT};
