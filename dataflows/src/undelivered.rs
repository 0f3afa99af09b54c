//! Changes of views that a sink could not deliver, on their way from its thread into a commit.
//!
//! The sequencer puts them into the commit that it closes next, beside the input that was refused. So the view
//! `dead_letters` shows them, and a recording and the state of the job hold them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::Rejection;

/// A change of a view that will never be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndeliveredChange {
    /// The name of the sink.
    pub sink: String,
    /// The view.
    pub view: &'static str,
    /// The commit of the change.
    pub commit: u64,
    /// Why it is not delivered, and what it was.
    pub rejection: Rejection,
}

/// Those that wait for a commit. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct UndeliveredChanges(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    changes: Vec<UndeliveredChange>,
    is_closed: bool,
}

/// So many wait at most; a commit is closed at the end of each round at the latest.
const WAITING_MAX: usize = 10_000;

impl UndeliveredChanges {
    /// Has a change wait for the next commit. It comes back if there is no next one, or too many wait.
    pub fn push(&self, change: UndeliveredChange) -> Result<(), UndeliveredChange> {
        let mut waiting = self.lock();
        if waiting.is_closed || waiting.changes.len() >= WAITING_MAX {
            return Err(change);
        }
        waiting.changes.push(change);
        Ok(())
    }

    /// Those that wait, for a commit.
    pub fn take(&self) -> Vec<UndeliveredChange> {
        std::mem::take(&mut self.lock().changes)
    }

    /// No commit follows.
    pub fn close(&self) {
        self.lock().is_closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::RejectionReason;

    #[test]
    fn what_waits_has_a_bound_and_an_end() {
        let changes = UndeliveredChanges::default();
        let change = |commit| UndeliveredChange {
            sink: "s".to_owned(),
            view: "alerts",
            commit,
            rejection: Rejection::new(RejectionReason::Undelivered, "no", b"x"),
        };
        let kept = (0..WAITING_MAX as u64 + 5).filter(|n| changes.push(change(*n)).is_ok()).count();
        assert_eq!(
            (kept, changes.take().len(), changes.take().len()),
            (WAITING_MAX, WAITING_MAX, 0)
        );
        assert!(changes.push(change(1)).is_ok());
        changes.close();
        assert_eq!(changes.push(change(2)), Err(change(2)));
        assert_eq!(changes.take(), [change(1)], "the last commit has what waited");
    }
}
