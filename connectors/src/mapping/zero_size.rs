//! What a print of size zero is.

use market::{Quantity, Updates};
use serde::{Deserialize, Serialize};

/// What a print of size zero is. Most feeds that send such prints repeat a price, or take a trade back; nobody traded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ZeroSize {
    /// No trade: its id is known, and no bar shows it; unless what it updates leaves out the volume.
    #[default]
    Ignore,
    /// A trade: its price counts.
    Count,
    /// A dead letter.
    Refuse,
}

impl ZeroSize {
    /// What a print of this size updates, of what its record says.
    ///
    /// ```
    /// use connectors::mapping::ZeroSize;
    /// use market::{Quantity, Updates};
    /// let official_close = Updates::HIGH_LOW.and(Updates::OPEN_CLOSE);
    /// let ignored = |updates| ZeroSize::Ignore.updates(Quantity(0), updates);
    /// assert_eq!(ignored(Updates::ALL), Ok(Updates::NONE));
    /// assert_eq!(ignored(official_close), Ok(official_close), "a price without a trade, and it says so");
    /// assert_eq!(ZeroSize::Count.updates(Quantity(0), Updates::ALL), Ok(Updates::ALL));
    /// ```
    pub fn updates(self, size: Quantity, updates: Updates) -> Result<Updates, &'static str> {
        match self {
            _ if size.0 != 0 => Ok(updates),
            ZeroSize::Ignore if updates.has(Updates::VOLUME) => Ok(Updates::NONE),
            ZeroSize::Ignore | ZeroSize::Count => Ok(updates),
            ZeroSize::Refuse => Err("is zero, and `zero_size` is \"refuse\""),
        }
    }
}
