//! Jobs of the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::{Allowance, ReadStop, SHORT_ROWS};
use crate::reader::ReadError;

/// A job.
pub(super) trait Job: Send {
    /// What it is like: reads of one kind visit about as many rows. None: nothing is known of it.
    fn kind(&self) -> Option<u64>;

    /// Whether its client is gone.
    fn is_abandoned(&self) -> bool;

    /// Runs it; false if it exceeds the allowance of a short read.
    fn run(&mut self, short: bool) -> bool;

    /// Answers that it will not run.
    fn refuse(&mut self, error: ReadError);
}

/// A read with the channel of its answer.
pub(super) struct Read<T, F> {
    kind: Option<u64>,
    read: F,
    reply: Option<oneshot::Sender<Result<T, ReadError>>>,
    /// Set when it runs as a long read: then it no longer times out in the queue.
    begun: Arc<AtomicBool>,
}

impl<T, F> Read<T, F> {
    /// Sends the result to `reply`; `begun` becomes true when it runs as a long read.
    pub(super) fn new(
        kind: Option<u64>,
        read: F,
        reply: oneshot::Sender<Result<T, ReadError>>,
        begun: &Arc<AtomicBool>,
    ) -> Read<T, F> {
        Read { kind, read, reply: Some(reply), begun: Arc::clone(begun) }
    }
}

impl<T, F> Job for Read<T, F>
where
    T: Send,
    F: FnMut(&mut Allowance<'_>) -> Result<T, ReadStop> + Send,
{
    fn kind(&self) -> Option<u64> {
        self.kind
    }

    fn is_abandoned(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn run(&mut self, short: bool) -> bool {
        let Read { kind: _, read, reply, begun } = self;
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
            Err(ReadStop::Failed(error)) => Err(error),
            Err(ReadStop::Exceeded) => return !short,
        };
        if let Some(reply) = reply.take() {
            let _ = reply.send(read); // the client may be gone
        }
        true
    }

    fn refuse(&mut self, error: ReadError) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(Err(error));
        }
    }
}
