//! Where reads run.

use rows::readers::{Allowance, Class, ReadStop, ReaderPool};
use rows::{ReadError, ReadFuture};

/// The threads that read. Without them, the thread that waits for the answer reads.
#[derive(Clone, Default)]
pub(super) struct Reading(Option<ReaderPool>);

impl Reading {
    /// On the threads of `pool`.
    pub(super) fn on(pool: ReaderPool) -> Reading {
        Reading(Some(pool))
    }

    /// Runs a read; reads of one `kind` visit about as many rows.
    pub(super) fn run<T: Send + 'static>(
        &self,
        class: Class,
        kind: Option<u64>,
        mut read: impl FnMut(&mut Allowance<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> ReadFuture<'static, T> {
        let Some(pool) = self.0.clone() else {
            return Box::pin(async move { unlimited(read(&mut Allowance::unlimited())) });
        };
        Box::pin(async move {
            match kind {
                Some(kind) => pool.read_of_kind(class, kind, read).await,
                None => pool.read(class, read).await,
            }
        })
    }
}

/// The result of a read with an unlimited allowance.
pub(super) fn unlimited<T>(read: Result<T, ReadStop>) -> Result<T, ReadError> {
    read.map_err(|stop| match stop {
        ReadStop::Failed(error) => error,
        ReadStop::Exceeded => ReadError::Closed, // cannot occur: the allowance is unlimited
    })
}
