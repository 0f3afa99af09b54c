//! Time as timely sees it.

/// The timely timestamp: the number of a commit.
pub type Time = u64;
