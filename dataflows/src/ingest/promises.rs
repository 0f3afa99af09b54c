//! What clients were promised beside views: that a request which comes again has no second effect, and that a token
//! names a commit. Both survive with the state of a job.

use std::sync::Arc;

use market::{Commit, Generation};
use node_api::ingest::Token;
use node_api::{Ancestor, Lineage};

use super::closed_commit::ClosedCommit;
use super::idempotency::{BoundPost, KeyedPost, PostKeys, token};

/// What clients were promised. Clones share it.
#[derive(Clone)]
pub struct Promises {
    /// The requests that may come again.
    pub keys: PostKeys,
    /// The starts of the job.
    pub lineage: Lineage,
}

/// The same at one commit, for a checkpoint. Requests are shared, so it costs little to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedPromises {
    /// The starts of the job, oldest first.
    generations: Vec<Ancestor>,
    /// The requests that are remembered, oldest first.
    posts: Vec<BoundPost>,
}

/// How a checkpoint has them: starts with the first commit and the one after the last, and requests with the start and
/// commit of their tokens.
type Encoded<P> = (Vec<(Generation, Commit, Commit)>, Vec<(P, Option<(Generation, Commit)>)>);

impl SavedPromises {
    /// As bytes.
    pub fn encode(&self) -> postcard::Result<Vec<u8>> {
        let generations = self.generations.iter().map(|of| (of.generation, of.first, of.end));
        let posts = self.posts.iter().map(|BoundPost { post, token }| {
            (&**post, token.map(|Token { run, commit }| (Generation(run), commit)))
        });
        let encoded: Encoded<&KeyedPost> = (generations.collect(), posts.collect());
        postcard::to_stdvec(&encoded)
    }

    /// What was encoded.
    pub fn decode(bytes: &[u8]) -> postcard::Result<SavedPromises> {
        let (generations, posts): Encoded<KeyedPost> = postcard::from_bytes(bytes)?;
        let of = |(generation, first, end)| Ancestor { generation, first, end };
        let posts = posts.into_iter().map(|(post, of)| BoundPost {
            post: Arc::new(post),
            token: of.map(|(generation, commit)| token(generation, commit)),
        });
        let generations = generations.into_iter().map(of).collect();
        Ok(SavedPromises { generations, posts: posts.collect() })
    }
}

impl Promises {
    /// Those of a start that nobody was promised anything before.
    pub fn of(run: Generation, keys: PostKeys) -> Promises {
        Promises { keys, lineage: Lineage::of(run) }
    }

    /// A commit is in the log, and nobody has seen it.
    pub fn note(&self, closed: &ClosedCommit) {
        let commit = closed.binding.commit;
        self.lineage.note(commit);
        let token = closed.binding.round.then(|| token(self.lineage.now(), commit));
        self.keys.bound(&closed.posts, token);
    }

    /// All that was promised before commit `end`, which comes next.
    pub fn save(&self, end: Commit) -> SavedPromises {
        SavedPromises { generations: self.lineage.before(end), posts: self.keys.all() }
    }

    /// Goes on from what an earlier start has saved, and then notes what the log has.
    pub fn restore(&self, saved: SavedPromises) {
        let SavedPromises { generations, posts } = saved;
        self.lineage.restoring(generations);
        self.keys.restore(posts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::idempotency::KeyedFault;
    use market::RejectionReason;

    #[test]
    fn what_is_saved_comes_back() {
        let promises = Promises::of(Generation(7), PostKeys::default());
        let fault = KeyedFault {
            row: 1,
            field: "price".to_owned(),
            reason: RejectionReason::BadPrice,
            detail: "is none".to_owned(),
        };
        let post = |key: &str| {
            let (key, faults) = (key.to_owned(), vec![fault.clone()]);
            Arc::new(KeyedPost {
                key,
                request_hash: u128::MAX - 5,
                accepted: 2,
                rejected: 1,
                faults,
            })
        };
        promises.keys.bound(&[post("a")], Some(token(Generation(6), Commit(3))));
        promises.keys.bound(&[post("b")], None);
        let saved = promises.save(Commit(5));
        assert_eq!(SavedPromises::decode(&saved.encode().unwrap()).unwrap(), saved);
        let next = Promises::of(Generation(8), PostKeys::default());
        next.restore(saved.clone());
        next.lineage.restored(Commit(5));
        assert_eq!(next.save(Commit(9)).generations.len(), 2);
        assert_eq!(next.save(Commit(9)).posts, saved.posts);
    }
}
