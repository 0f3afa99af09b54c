//! A copy of the state in an object store, beside the [log](super::commit_log) and the
//! [checkpoints](super::checkpoints) on the disk: another machine goes on with it when the disk is lost.
//!
//! The log stays on the disk, whose latency is that of a post. When a checkpoint has become durable, the [`StateCopier`]
//! uploads, on a thread of its own, what the two newest checkpoints need: their files, the segments of the log, and of the
//! segment at hand what it holds then. `object_copy` says in which order, and how two jobs are kept apart. One copy is
//! written at a time; of checkpoints that come meanwhile, the newest is next. A copy that fails is tried again, and stops
//! nothing.

mod copier;
mod files;
mod status;

use object_copy::StoreOptions;

pub use copier::{CopyPlan, StateCopier};
pub use files::{CollectError, StateFiles};
pub use status::{CopyReport, CopyStatus};

/// Where the copy of a state goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTarget {
    /// `s3://BUCKET/PREFIX` or `file:///FOLDER`.
    pub url: String,
    /// What is known of the store besides.
    pub options: StoreOptions,
}
