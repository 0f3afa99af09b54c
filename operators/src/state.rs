//! Saving and finding the state of operators, one piece per operator and shard.

use market::{Commit, Shard};

/// Where states go and come from.
///
/// Each shard is saved after a commit of its own, so that no commit takes long. A restored job begins with the first
/// commit after which a shard was saved; a shard ignores all commits up to its own, and puts out its rows at that one.
pub trait StateStore: Send + Sync {
    /// The last commit after which a shard was saved; none starts empty. Everything up to it was put out before.
    fn restored_through(&self) -> Option<Commit>;

    /// The state of an operator's shard, if it was saved.
    fn load(&self, operator: &str, shard: Shard) -> Result<Option<SavedState>, StateReadError>;

    /// Takes the state of an operator's shard as it is after `commit`. Called on a worker, which waits: implementations
    /// call `encode` once and do no I/O.
    fn save(
        &self,
        operator: &'static str,
        shard: Shard,
        commit: Commit,
        encode: &mut dyn FnMut() -> Vec<u8>,
    );
}

/// The state of a shard of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// It is that after this commit.
    pub after: Commit,
    /// As the operator encoded it. None: the operator is configured otherwise, and makes its state of the rows that the
    /// operators before it put out again at this commit.
    pub encoded: Option<Vec<u8>>,
}

/// Why a piece of saved state cannot be read, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateReadError(pub String);

/// Starts empty, keeps nothing.
pub struct NoStates;

impl StateStore for NoStates {
    fn restored_through(&self) -> Option<Commit> {
        None
    }

    fn load(&self, _operator: &str, _shard: Shard) -> Result<Option<SavedState>, StateReadError> {
        Ok(None)
    }

    fn save(
        &self,
        _operator: &'static str,
        _shard: Shard,
        _commit: Commit,
        _encode: &mut dyn FnMut() -> Vec<u8>,
    ) {
    }
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
    pub source: StateFault,
}

/// What is wrong with a saved state.
#[derive(Debug, thiserror::Error)]
pub enum StateFault {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] StateReadError),
    /// It was read, and is not what this operator saves.
    #[error(transparent)]
    Undecodable(#[from] postcard::Error),
}
