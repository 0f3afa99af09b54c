//! Requests that clients may send again: those with an `Idempotency-Key`, and what they were answered.
//!
//! The log of a job has a request beside the commit that binds its rows, and a checkpoint has all that are remembered
//! ([`Promises`](super::promises::Promises)). So after a crash a key is known exactly if its rows are there. At most
//! [`KEYS_MAX`] and [`BYTES_MAX`] are remembered; the oldest are forgotten first.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::{Commit, Generation, RejectionReason};
use node_api::ingest::{PostKey, RowFault, Token};
use serde::{Deserialize, Serialize};

/// The most requests that are remembered.
pub const KEYS_MAX: usize = 4_096;
/// The most bytes that they take.
pub const BYTES_MAX: usize = 16 << 20;

/// A request with a key, and what became of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedPost {
    /// The key.
    pub key: String,
    /// A hash of the request.
    pub request_hash: u128,
    /// The number of rows that were accepted.
    pub accepted: u64,
    /// The number of rows that were rejected.
    pub rejected: u64,
    /// The first of them, as many as an answer lists.
    pub faults: Vec<KeyedFault>,
}

/// A rejected row of a request, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedFault {
    /// Its number in the request.
    pub row: u64,
    /// The field that is wrong.
    pub field: String,
    /// The kind of reason.
    pub reason: RejectionReason,
    /// In words.
    pub detail: String,
}

/// A request whose rows are bound, and its token as soon as the round of that commit has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundPost {
    /// The request.
    pub post: Arc<KeyedPost>,
    /// The commit that ended its round.
    pub token: Option<Token>,
}

impl KeyedFault {
    /// As clients are told.
    pub fn row_fault(&self) -> RowFault {
        RowFault {
            row: self.row as usize,
            field: self.field.clone(),
            code: self.reason.name(),
            detail: self.detail.clone(),
        }
    }
}

impl KeyedPost {
    fn bytes(&self) -> usize {
        let faults = self.faults.iter().map(|fault| fault.field.len() + fault.detail.len());
        let own = size_of::<KeyedPost>() + self.faults.len() * size_of::<KeyedFault>();
        own + self.key.len() + faults.sum::<usize>()
    }
}

/// The requests that are remembered. Clones share them.
#[derive(Clone, Default)]
pub struct PostKeys(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    by_key: HashMap<Arc<str>, Entry>,
    /// The keys whose rows are bound, oldest first.
    order: VecDeque<Arc<str>>,
    /// Those of them that have no token yet.
    without_token: Vec<Arc<str>>,
    bytes: usize,
}

struct Entry {
    request_hash: u128,
    bound: Option<BoundPost>,
    /// Whether the first request has no answer yet.
    is_answering: bool,
}

/// What is known of a key.
pub enum KeyState {
    /// It is new: the request is to be taken.
    New(Answering),
    /// The same request was answered so.
    Answered(BoundPost),
    /// The same request is being answered.
    InProgress,
    /// Another request has it.
    Other,
}

/// A request that is being answered. Dropped before it was taken, its key is forgotten.
pub struct Answering {
    keys: PostKeys,
    key: Arc<str>,
    is_taken: bool,
}

impl PostKeys {
    /// What is known of the key of a request. If it is new, the request is being answered from now on.
    pub fn begin(&self, PostKey { key, request_hash }: &PostKey) -> KeyState {
        let mut inner = self.lock();
        match inner.by_key.get(&**key) {
            Some(entry) if entry.request_hash != *request_hash => KeyState::Other,
            Some(Entry { is_answering: false, bound: Some(bound), .. })
                if bound.token.is_some() =>
            {
                KeyState::Answered(bound.clone())
            }
            Some(_) => KeyState::InProgress,
            None => {
                let key: Arc<str> = Arc::from(&**key);
                let entry = Entry { request_hash: *request_hash, bound: None, is_answering: true };
                inner.by_key.insert(Arc::clone(&key), entry);
                KeyState::New(Answering { keys: self.clone(), key, is_taken: false })
            }
        }
    }

    /// The rows of these requests are bound, by a commit that ends a round if there is a token.
    pub fn bound(&self, posts: &[Arc<KeyedPost>], token: Option<Token>) {
        let mut inner = self.lock();
        posts.iter().for_each(|post| {
            inner.remember(BoundPost { post: Arc::clone(post), token: None });
        });
        let Some(token) = token else { return };
        for key in std::mem::take(&mut inner.without_token) {
            let bound = inner.by_key.get_mut(&key).and_then(|entry| entry.bound.as_mut());
            bound.into_iter().for_each(|bound| bound.token = Some(token));
        }
    }

    /// Remembers what an earlier start has kept, oldest first.
    pub fn restore(&self, posts: impl IntoIterator<Item = BoundPost>) {
        let mut inner = self.lock();
        posts.into_iter().for_each(|post| inner.remember(post));
    }

    /// All whose rows are bound, oldest first.
    pub fn all(&self) -> Vec<BoundPost> {
        let inner = self.lock();
        let bound = |key| inner.by_key.get(key)?.bound.clone();
        inner.order.iter().filter_map(bound).collect()
    }

    /// The bytes of what is remembered, for a memory budget.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remember(&mut self, bound: BoundPost) {
        let key: Arc<str> = Arc::from(&*bound.post.key);
        let (has_token, bytes) = (bound.token.is_some(), bound.post.bytes());
        let request_hash = bound.post.request_hash;
        match self.by_key.get_mut(&key) {
            Some(entry) => match entry.bound.replace(bound) {
                Some(before) => self.bytes -= before.post.bytes(),
                None => self.order.push_back(Arc::clone(&key)),
            },
            None => {
                let entry = Entry { request_hash, bound: Some(bound), is_answering: false };
                self.by_key.insert(Arc::clone(&key), entry);
                self.order.push_back(Arc::clone(&key));
            }
        }
        self.bytes += bytes;
        if !has_token {
            self.without_token.push(key);
        }
        while self.order.len() > KEYS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            let bound = self.by_key.remove(&oldest).and_then(|entry| entry.bound);
            self.bytes -= bound.map_or(0, |bound| bound.post.bytes());
        }
    }
}

impl Answering {
    /// The request was taken: its rows will be bound, whatever becomes of it, or there are none.
    pub fn taken(&mut self) {
        self.is_taken = true;
    }

    /// Remembers a request without rows, which nobody binds.
    pub fn remember(&self, post: &Arc<KeyedPost>, token: Option<Token>) {
        self.keys.lock().remember(BoundPost { post: Arc::clone(post), token });
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut inner = self.keys.lock();
        if self.is_taken {
            inner
                .by_key
                .get_mut(&self.key)
                .into_iter()
                .for_each(|entry| entry.is_answering = false);
        } else {
            inner.by_key.remove(&self.key);
        }
    }
}

/// A token of a commit of a start.
pub fn token(generation: Generation, commit: Commit) -> Token {
    Token { run: generation.0, commit }
}
