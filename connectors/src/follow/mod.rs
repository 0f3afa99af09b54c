//! Files that others write to, followed as `tail -F` does: at the end of a file its reader waits for more.
//!
//! A line without its end is no row until the rest has come. When the path names another file, the one that was read is
//! read to its end, its last line too, and then the other one from its beginning. A file that was truncated is read from
//! its beginning again; what may be lost of it is a gap. A path at which there is no file is waited for.
//!
//! Positions are numbers of lines, and go on where they were in each file that is read after another.
//!
//! Reading order: `tail_file` (bytes) → `known_file` → `open_file` (rows of one file) → `claims` (which partition reads it) →
//! `watched_path` (which file is at a path) → `follower` (one file after the other) →
//! `read_on`, `resumed` (after a restart).

mod claims;
mod follower;
mod known_file;
mod open_file;
mod read_on;
mod resumed;
mod tail_file;
#[cfg(test)]
mod tests;
mod watched_path;

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lines::{Lines, RecordPart};
use crate::source::{Incident, Link, PartitionReader, PartitionState, Progress, Row, SourceError};

pub(crate) use claims::{Claims, FileId};
pub(crate) use follower::Follower;

/// A path that is followed.
pub(crate) struct FollowedPath {
    /// The name of the source.
    pub(crate) source: String,
    /// The name of the partition.
    pub(crate) name: String,
    /// The number of the partition.
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    /// Whether it was found by a pattern or in a folder: then it may go, and nothing is waited for.
    pub(crate) is_found: bool,
}

impl FollowedPath {
    /// The error of a file that is none that can be followed.
    fn refused(&self, problem: impl Display) -> SourceError {
        let problem = format!("{}: {problem}", self.name);
        SourceError::Config { name: self.source.clone(), problem }
    }
}

/// Rows of one file, line by line.
pub(crate) trait LineRows: Send {
    /// Appends the next rows, at most a batch; none if there is no whole line for now.
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError>;

    /// The position of the line that was read last.
    fn position(&self) -> u64;

    /// What was read of a row of which the rest has not come, if anything was.
    fn part(&self) -> Option<RecordPart>;

    /// What was seen in its rows since this was last asked, and somebody should know.
    fn incidents(&mut self) -> Vec<Incident> {
        Vec::new()
    }
}

/// Where rows of a file stand among those of its partition.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Positions {
    /// The position before that of its first line.
    pub(crate) base: u64,
    /// Rows up to this position are not wanted.
    pub(crate) after: u64,
}

/// Begins to read the rows of a file.
pub(crate) type Begin =
    Arc<dyn Fn(Lines, Positions) -> Result<Box<dyn LineRows>, SourceError> + Send + Sync>;

/// A follower that outlives its readers: one that fails is followed by another, which reads on.
#[derive(Default)]
pub(crate) struct Following(Mutex<Option<Arc<Mutex<Follower>>>>);

impl Following {
    /// Reads on where the last reader has left off, wherever the next one is asked to begin: of files that are gone only
    /// the follower knows. Without one, begins by `first`.
    pub(crate) fn reader(
        &self,
        first: impl FnOnce() -> Result<Follower, SourceError>,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let mut own = lock(&self.0);
        let idle = own.take().filter(|follower| Arc::strong_count(follower) == 1);
        let follower = match idle {
            Some(follower) => follower,
            None => Arc::new(Mutex::new(first()?)),
        };
        *own = Some(Arc::clone(&follower));
        Ok(Box::new(FollowReader(follower)))
    }
}

/// Reads a followed path.
struct FollowReader(Arc<Mutex<Follower>>);

impl PartitionReader for FollowReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        lock(&self.0).read(rows).map(|()| Progress::More)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        lock(&self.0).take_incidents()
    }

    fn state(&mut self) -> Option<PartitionState> {
        lock(&self.0).take_state()
    }

    fn link(&self) -> Option<Link> {
        Some(lock(&self.0).link())
    }

    fn is_from_beginning(&self) -> bool {
        lock(&self.0).is_from_beginning()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
