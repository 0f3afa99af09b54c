//! Missing trades: holes in ids that a venue gives out without holes.

use serde::{Deserialize, Serialize};

use crate::id::{IdScope, InstrumentId};
use crate::time::EventTime;

/// Names a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GapKey {
    /// Whose trades are missing.
    pub instrument: InstrumentId,
    /// The space of their ids.
    pub scope: IdScope,
    /// The lowest missing id.
    pub first_id: u64,
}

/// Ids without a trade, between two ids with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// The highest missing id.
    pub last_id: u64,
    /// How many ids are missing: all from first to last, or fewer if gaps were merged.
    pub missing: u64,
    /// Event time of the trade before the first missing one.
    pub from_time: EventTime,
    /// Event time of the trade after the last missing one.
    pub to_time: EventTime,
}

impl Gap {
    /// Whether this gap, which begins at `first_id`, was merged from several: then it is no longer known
    /// which of its ids are missing.
    pub const fn is_merged(&self, first_id: u64) -> bool {
        self.missing <= self.last_id.saturating_sub(first_id)
    }
}
