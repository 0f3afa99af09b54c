//! The system's clock: read by ingestion alone, which binds its time to commits.

use std::time::{SystemTime, UNIX_EPOCH};

use market::EventTime;

/// The system's time.
pub fn now() -> EventTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
}
