//! Answers stored by `Idempotency-Key`: a client that did not receive its answer may send the same request again, and
//! it has no second effect.
//!
//! They are held in memory, at most [`KEYS_MAX`] and [`BYTES_MAX`]; the oldest are dropped first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most answers that are stored.
const KEYS_MAX: usize = 4_096;
/// The most bytes of stored answers.
const BYTES_MAX: usize = 16 << 20;

/// The answers. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    by_key: HashMap<Arc<str>, State>,
    /// The keys of stored answers, oldest first.
    order: VecDeque<Arc<str>>,
    bytes: usize,
}

struct State {
    /// A hash of the request.
    request_hash: u128,
    /// None while the request is being answered.
    answer: Option<Arc<str>>,
}

/// The state of a key.
pub(super) enum KeyState {
    /// A new key: the request must be answered, and the answer stored with this.
    New(Pending),
    /// The request was answered.
    Answered(Arc<str>),
    /// The request is being answered.
    InProgress,
    /// The key was used for another request.
    Other,
}

/// A key whose request is being answered. Dropped without an answer, it is forgotten.
pub(super) struct Pending {
    answers: Answers,
    key: Option<Arc<str>>,
}

impl Answers {
    /// The state of a key, for a request with this hash; a new key becomes pending.
    pub(super) fn begin(&self, key: &str, request_hash: u128) -> KeyState {
        let mut inner = self.lock();
        match inner.by_key.get(key) {
            Some(state) if state.request_hash != request_hash => KeyState::Other,
            Some(State { answer: Some(answer), .. }) => KeyState::Answered(Arc::clone(answer)),
            Some(State { answer: None, .. }) => KeyState::InProgress,
            None => {
                let key: Arc<str> = Arc::from(key);
                inner.by_key.insert(Arc::clone(&key), State { request_hash, answer: None });
                KeyState::New(Pending { answers: self.clone(), key: Some(key) })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Stores the answer.
    pub(super) fn answered(mut self, answer: &str) {
        let Some(key) = self.key.take() else { return };
        let mut inner = self.answers.lock();
        let bytes = key.len() + answer.len();
        if let Some(state) = inner.by_key.get_mut(&key) {
            state.answer = Some(Arc::from(answer));
        }
        inner.bytes += bytes;
        inner.order.push_back(key);
        while inner.order.len() > KEYS_MAX || inner.bytes > BYTES_MAX {
            let Some(oldest) = inner.order.pop_front() else { break };
            let state = inner.by_key.remove(&oldest);
            let answer = state.and_then(|state| state.answer).map_or(0, |answer| answer.len());
            inner.bytes -= oldest.len() + answer;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.answers.lock().by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(answers: &Answers, key: &str) -> Pending {
        match answers.begin(key, 1) {
            KeyState::New(pending) => pending,
            _ => panic!("{key} is known"),
        }
    }

    #[test]
    fn a_key_goes_with_one_request() {
        let answers = Answers::default();
        let first = pending(&answers, "a");
        assert!(matches!(answers.begin("a", 1), KeyState::InProgress));
        assert!(matches!(answers.begin("a", 2), KeyState::Other));
        first.answered("yes");
        assert!(matches!(answers.begin("a", 1), KeyState::Answered(answer) if &*answer == "yes"));
        assert!(matches!(answers.begin("a", 2), KeyState::Other));
    }

    #[test]
    fn a_request_that_was_not_answered_may_come_again() {
        let answers = Answers::default();
        drop(pending(&answers, "a"));
        pending(&answers, "a").answered("yes");
    }

    #[test]
    fn the_oldest_go() {
        let answers = Answers::default();
        for number in 0..=KEYS_MAX {
            pending(&answers, &number.to_string()).answered("yes");
        }
        assert!(matches!(answers.begin("0", 1), KeyState::New(_)));
        assert!(matches!(answers.begin("1", 1), KeyState::Answered(_)));
        let half = "x".repeat(BYTES_MAX / 2);
        for key in ["a", "b"] {
            pending(&answers, key).answered(&half);
        }
        assert!(
            matches!(answers.begin("a", 1), KeyState::New(_)),
            "two halves and their keys are too much"
        );
        assert!(matches!(answers.begin("b", 1), KeyState::Answered(_)));
        assert!(answers.lock().bytes <= BYTES_MAX);
    }
}
