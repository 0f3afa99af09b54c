//! The options of a run, and the files that it writes.

use std::path::PathBuf;

use market::Commit;

use super::Job;
use crate::config::JobFile;
use crate::ingest::dispatcher::Resume;
use crate::output::Written;

/// Options of a run.
#[derive(Default)]
pub struct RunOptions {
    /// Record the run.
    pub record: Option<PathBuf>,
    /// Write final views to this folder.
    pub out: Option<PathBuf>,
    /// Replace files that exist by the recording and by views, whichever program wrote them; never one that the job
    /// reads.
    pub force: bool,
    /// Replay files also if nearly all of their first rows are refused.
    pub keep_going: bool,
    /// What is read beside the files of the configuration, such as the recording that is replayed.
    pub reads: Vec<JobFile>,
    /// What is written there; all views as they are by default.
    pub written: Written,
    /// Count bars by timeframe at the end.
    pub summary: bool,
    /// Compute digests of changes and of final rows.
    pub digest: bool,
    /// Go on with the state in the directory of the configuration, and keep it there; a replay does not.
    pub keeps_state: bool,
    /// Set aside what is in that directory.
    pub begins_anew: bool,
    /// Keep the latest changes of views for subscribers, and the history of views.
    pub followed: bool,
    /// Seconds of event time per second; as fast as it goes by default.
    pub speed: Option<f64>,
    /// Replay a recording only up to this commit.
    pub until: Option<Commit>,
    /// Save states after this commit.
    pub save_after: Option<Commit>,
    /// Go on from a restored commit.
    pub resume: Option<Resume>,
    /// Called when the workers run; again if a replay of files begins anew.
    pub on_start: Option<OnStart>,
}

impl RunOptions {
    /// Whether a view can be read; otherwise logs of every single record keep none.
    pub(super) fn shows(&self, view: &str) -> bool {
        self.followed || self.digest || (self.out.is_some() && self.written.views.holds(view))
    }
}

/// A callback that is called once when the workers of a job run.
pub type OnStart = Box<dyn Fn(&Job) + Send + Sync>;
