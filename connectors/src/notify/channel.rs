//! What carries notices to somebody.

use std::time::Duration;

use super::notice::Notice;

/// Sends notices one by one.
pub(super) trait Channel: Send {
    /// Sends a notice, and gives back when the other side has it. May block, for a bounded time.
    fn send(&mut self, notice: &Notice) -> Result<(), SendError>;
}

/// Why a notice was not sent. No secret is in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// It may go well later, after `pause` if the other side asked for one.
    Later { cause: String, pause: Option<Duration> },
    /// It will never go well.
    Never(String),
}

impl SendError {
    pub(super) fn later(cause: impl Into<String>) -> SendError {
        SendError::Later { cause: cause.into(), pause: None }
    }
}
