//! What waits in a queue and is run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::{Allowance, SHORT_ROWS, Stop};
use crate::views::ReadError;

/// Something to run.
pub(super) trait Job: Send {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;

    /// Runs it; false if it takes more than a short read may.
    fn run(&mut self, short: bool) -> bool;

    /// Says that it will not be run.
    fn refuse(&mut self, error: ReadError);
}

/// A read, and who waits for it.
pub(super) struct Read<T, F> {
    read: F,
    reply: Option<oneshot::Sender<Result<T, ReadError>>>,
    /// It runs on a thread for long reads: no longer refused for waiting.
    begun: Arc<AtomicBool>,
}

impl<T, F> Read<T, F> {
    /// Tells `reply` what is read; `begun` becomes true when it runs as a long read.
    pub(super) fn new(
        read: F,
        reply: oneshot::Sender<Result<T, ReadError>>,
        begun: &Arc<AtomicBool>,
    ) -> Read<T, F> {
        Read { read, reply: Some(reply), begun: Arc::clone(begun) }
    }
}

impl<T, F> Job for Read<T, F>
where
    T: Send,
    F: FnMut(&mut Allowance<'_>) -> Result<T, Stop> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn run(&mut self, short: bool) -> bool {
        let Read { read, reply, begun } = self;
        let is_abandoned = || reply.as_ref().is_none_or(oneshot::Sender::is_closed);
        let read = match short {
            true => read(&mut Allowance::of(SHORT_ROWS)),
            false => {
                begun.store(true, Ordering::SeqCst);
                read(&mut Allowance::until(&is_abandoned))
            }
        };
        let read = match read {
            Ok(read) => Ok(read),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Exceeded) => return !short,
        };
        if let Some(reply) = reply.take() {
            let _ = reply.send(read); // nobody may wait for it any more
        }
        true
    }

    fn refuse(&mut self, error: ReadError) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(Err(error));
        }
    }
}
