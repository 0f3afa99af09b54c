//! Places at which a process can be made to end at once, as if it were killed there: to show that nothing is lost.
//!
//! `TICKWEAVE_FAILPOINT=checkpoint.rename` ends the process when it comes to that place, `checkpoint.rename:3` when it
//! does for the third time. Builds without debug assertions, such as releases, have none of this.

/// Every place, in the order in which a commit, a checkpoint and a start pass them.
pub const FAILPOINTS: &[&str] = &[
    LOG_BEFORE,
    LOG_HALF,
    LOG_AFTER,
    LOG_DURABLE,
    SEGMENT_BEFORE,
    SEGMENT_AFTER,
    CHECKPOINT_BEGIN,
    CHECKPOINT_STATE,
    CHECKPOINT_LOGS,
    CHECKPOINT_MANIFEST,
    CHECKPOINT_BEFORE,
    CHECKPOINT_AFTER,
    CHECKPOINT_PRUNE,
    COPY_PART,
    COPY_FILES,
    COPY_DONE,
    COPY_REMOVE,
    RESTORE_STATE,
    RESTORE_LOG,
    RESTORE_END,
    SINK_BEFORE,
    SINK_AFTER,
];

/// Before a commit is written to the log.
pub(crate) const LOG_BEFORE: &str = "log.before";
/// When a half of it is.
pub(crate) const LOG_HALF: &str = "log.half";
/// When it is, and nobody else has it.
pub(crate) const LOG_AFTER: &str = "log.after";
/// When it is durable, and nobody was told.
pub(crate) const LOG_DURABLE: &str = "log.durable";
/// Before a segment of the log gets its name.
pub(crate) const SEGMENT_BEFORE: &str = "segment.before";
/// When it has it, and the one before has not ended.
pub(crate) const SEGMENT_AFTER: &str = "segment.after";
/// When the file of a checkpoint was made.
pub(crate) const CHECKPOINT_BEGIN: &str = "checkpoint.begin";
/// Before a state is written.
pub(crate) const CHECKPOINT_STATE: &str = "checkpoint.state";
/// When all states are, and no log is.
pub(crate) const CHECKPOINT_LOGS: &str = "checkpoint.logs";
/// Before the manifest is.
pub(crate) const CHECKPOINT_MANIFEST: &str = "checkpoint.manifest";
/// Before the file gets its name.
pub(crate) const CHECKPOINT_BEFORE: &str = "checkpoint.before";
/// When it has it.
pub(crate) const CHECKPOINT_AFTER: &str = "checkpoint.after";
/// Before an old file is removed.
pub(crate) const CHECKPOINT_PRUNE: &str = "checkpoint.prune";
/// When a part of a file was uploaded.
pub(crate) const COPY_PART: &str = "copy.part";
/// When all files are, and the index names those before.
pub(crate) const COPY_FILES: &str = "copy.files";
/// When the index names them.
pub(crate) const COPY_DONE: &str = "copy.done";
/// Before an object that no index names is removed.
pub(crate) const COPY_REMOVE: &str = "copy.remove";
/// Before a start reads a state.
pub(crate) const RESTORE_STATE: &str = "restore.state";
/// Before it dispatches a commit of the log.
pub(crate) const RESTORE_LOG: &str = "restore.log";
/// When it has dispatched all of them.
pub(crate) const RESTORE_END: &str = "restore.end";
/// Before a sink gets a part.
pub(crate) const SINK_BEFORE: &str = "sink.before";
/// When it has it.
pub(crate) const SINK_AFTER: &str = "sink.after";

/// Ends the process if it was asked to end here.
#[inline]
pub(crate) fn failpoint(name: &'static str) {
    if is_due(name) {
        std::process::abort();
    }
}

/// Whether the process is to end here. The caller then ends it, after half of what it does.
#[cfg(debug_assertions)]
pub(crate) fn is_due(name: &'static str) -> bool {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The place, and which time.
    static ASKED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static CAME: AtomicU64 = AtomicU64::new(0);

    let asked = ASKED.get_or_init(|| {
        let text = std::env::var("TICKWEAVE_FAILPOINT").ok()?;
        let (name, time) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), time.parse().unwrap_or(1)))
    });
    match asked {
        Some((own, time)) if own == name => CAME.fetch_add(1, Ordering::SeqCst) + 1 == *time,
        _ => false,
    }
}

/// Never.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) fn is_due(_name: &'static str) -> bool {
    false
}
