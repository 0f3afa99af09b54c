//! What clients ask for, until a commit has it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::Commit;
use node_api::RuleError;
use tokio::sync::oneshot;

use super::change::RuleChange;
use super::run_time::RunTimeRule;

/// The most requests that wait for a commit.
const WAITING_MAX: usize = 64;

/// What clients ask for and no commit has yet. Clones share it.
///
/// Bounded: further requests are refused. It takes requests only while a sequencer makes commits.
#[derive(Clone, Default)]
pub struct RuleRequests(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    is_open: bool,
    requests: Vec<RuleRequest>,
}

/// A change that a client asks for.
pub(super) struct RuleRequest {
    pub(super) change: RuleChange,
    pub(super) answer: oneshot::Sender<Answered>,
}

/// What its client is told.
type Answered = Result<RuleAnswer, RuleError>;

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleAnswer {
    /// The commit that has it; of a request that changes nothing, the one that was closed then.
    pub(super) commit: Commit,
    /// The rule of that name before.
    pub(super) before: Option<RunTimeRule>,
    /// The rule of that name now.
    pub(super) now: Option<RunTimeRule>,
}

/// The answers to the requests of a commit, to be sent when it is dispatched.
#[derive(Default)]
#[must_use = "clients wait for them"]
pub struct RuleAnswers(pub(super) Vec<(oneshot::Sender<Answered>, Answered)>);

impl RuleAnswers {
    /// Sends them: the commit is on its way to the workers.
    pub fn send(self) {
        for (to, answer) in self.0 {
            let _ = to.send(answer); // the client may have gone
        }
    }
}

impl RuleRequests {
    /// Commits are made from now on.
    pub fn open(&self) {
        self.lock().is_open = true;
    }

    /// No more commits are made: requests that wait are refused.
    pub fn close(&self) {
        *self.lock() = Waiting::default();
    }

    /// Asks for a change; the answer comes when a commit with it is dispatched.
    ///
    /// # Errors
    /// If no commits are made, or too many requests wait.
    pub(super) fn ask(&self, change: RuleChange) -> Result<oneshot::Receiver<Answered>, RuleError> {
        let mut waiting = self.lock();
        if !waiting.is_open {
            return Err(RuleError::Closed);
        }
        if waiting.requests.len() >= WAITING_MAX {
            return Err(RuleError::Busy);
        }
        let (answer, answered) = oneshot::channel();
        waiting.requests.push(RuleRequest { change, answer });
        Ok(answered)
    }

    /// Takes all that wait, in the order in which they came.
    pub(super) fn take(&self) -> Vec<RuleRequest> {
        std::mem::take(&mut self.lock().requests)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
