//! What a source reported of a trade.

use market::{Origin, Trade};
use serde::{Deserialize, Serialize};

/// One reported version of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) trade: Trade,
    pub(super) origin: Origin,
}
