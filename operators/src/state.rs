//! Saving and finding the state of operators, one piece per operator and shard.

use market::{Commit, Shard};

/// Where states go and come from. Implementations must not block for long: `save` is called on a worker.
pub trait StateStore: Send + Sync {
    /// The commit whose state is to be restored; none starts empty.
    fn restored_at(&self) -> Option<Commit>;

    /// The state of an operator's shard after [`Self::restored_at`], if it had any.
    fn load(&self, operator: &str, shard: Shard) -> Option<Vec<u8>>;

    /// Takes the state of an operator's shard as it is after `commit`.
    fn save(&self, operator: &str, shard: Shard, commit: Commit, state: Vec<u8>);
}

/// Starts empty, keeps nothing.
pub struct NoStates;

impl StateStore for NoStates {
    fn restored_at(&self) -> Option<Commit> {
        None
    }

    fn load(&self, _operator: &str, _shard: Shard) -> Option<Vec<u8>> {
        None
    }

    fn save(&self, _operator: &str, _shard: Shard, _commit: Commit, _state: Vec<u8>) {}
}

/// A saved state that cannot be restored.
#[derive(Debug, thiserror::Error)]
#[error("the saved state of operator `{operator}`, shard {shard}, cannot be read", shard = shard.0)]
pub struct StateError {
    /// Whose state.
    pub operator: String,
    /// Which shard.
    pub shard: Shard,
    /// What is wrong with it.
    #[source]
    pub source: postcard::Error,
}
