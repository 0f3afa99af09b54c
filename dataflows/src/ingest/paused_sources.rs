//! Which sources are paused on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use market::{Numbered, SourceId};

/// The sources that an operator has paused; a job has at most 64. Clones share the set.
///
/// The sequencer looks at it before each commit, so a change takes effect within its poll interval.
#[derive(Clone, Debug, Default)]
pub struct PausedSources(Arc<AtomicU64>);

impl PausedSources {
    /// Pauses a source.
    pub fn pause(&self, source: SourceId) {
        self.0.fetch_or(bit(source.number()), Ordering::SeqCst);
    }

    /// Resumes a source.
    pub fn resume(&self, source: SourceId) {
        self.0.fetch_and(!bit(source.number()), Ordering::SeqCst);
    }

    /// Whether the source with this number is paused.
    pub fn is_paused(&self, source: usize) -> bool {
        self.0.load(Ordering::SeqCst) & bit(source) != 0
    }
}

fn bit(source: usize) -> u64 {
    1 << (source % 64)
}
