//! The directory that holds the state of a job.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use market::{Generation, Registries};

use super::{CommitLogError, io};
use crate::ingest::recording::Recording;

const LOCK: &str = "lock";
const PREFIX: &str = "log-";
const SUFFIX: &str = ".twrec";
/// A segment that has no header yet.
const UNFINISHED: &str = ".new";

/// A state directory that this process holds. The system releases it when the process ends, however it ends.
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Takes the directory at `path`, which is made if it does not exist.
    ///
    /// # Errors
    /// If another process holds it, or it cannot be written.
    pub fn open(path: &Path) -> Result<StateDir, CommitLogError> {
        fs::create_dir_all(path).map_err(io("create", path))?;
        let at = path.join(LOCK);
        let mut options = OpenOptions::new();
        let lock = options.read(true).write(true).create(true).truncate(false).open(&at);
        let mut lock = lock.map_err(io("write", &at))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&at).unwrap_or_default();
                let pid = if pid.trim().is_empty() { "(unknown)" } else { pid.trim() }.to_owned();
                return Err(CommitLogError::Locked { path: path.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(io("lock", &at)(error)),
        }
        let pid = format!("{}\n", std::process::id());
        lock.set_len(0).and_then(|()| lock.write_all(pid.as_bytes())).map_err(io("write", &at))?;
        Ok(StateDir { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The segments of the log, in order. They are numbered from 1 on without holes.
    pub fn segments(&self) -> Result<Vec<PathBuf>, CommitLogError> {
        let segments = segments(&self.path)?;
        let missing = (1..).zip(&segments).find(|(wanted, (number, _))| wanted != number);
        match missing {
            Some((number, _)) => Err(CommitLogError::Missing { path: segment(&self.path, number) }),
            None => Ok(segments.into_iter().map(|(_, path)| path).collect()),
        }
    }

    /// The start that added the last segment; none if there is none.
    pub fn last_generation(&self) -> Result<Option<Generation>, CommitLogError> {
        let Some((_, last)) = segments(&self.path)?.pop() else { return Ok(None) };
        Ok(Some(Recording::open(&last)?.header().generation))
    }

    /// Adds a segment, which `write` begins. A crash meanwhile leaves no segment without its header.
    pub(super) fn add_segment(
        &self,
        write: impl FnOnce(&mut File, &Path) -> Result<(), CommitLogError>,
    ) -> Result<(File, PathBuf), CommitLogError> {
        let number = segments(&self.path)?.last().map_or(1, |(number, _)| number + 1);
        let path = segment(&self.path, number);
        let unfinished = path.with_extension(format!("twrec{UNFINISHED}"));
        let mut file = File::create(&unfinished).map_err(io("create", &unfinished))?;
        write(&mut file, &path)?;
        file.sync_all().map_err(io("make durable", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(io("rename", &unfinished))?;
        let folder = File::open(&self.path).and_then(|folder| folder.sync_all());
        folder.map_err(io("make durable", &self.path))?;
        Ok((file, path))
    }
}

/// The numbers of names with which the job whose state is in `path` went on last; none if there is no state. Does not
/// take the directory.
pub fn registries(path: &Path) -> Result<Option<Registries>, CommitLogError> {
    if !path.exists() {
        return Ok(None);
    }
    let Some((_, last)) = segments(path)?.pop() else { return Ok(None) };
    Ok(Some(Recording::open(&last)?.header().registries.clone()))
}

fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number:08}{SUFFIX}"))
}

/// The segments by their numbers.
fn segments(path: &Path) -> Result<Vec<(u64, PathBuf)>, CommitLogError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(path).map_err(io("read", path))? {
        let entry = entry.map_err(io("read", path))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            segments.push((number, entry.path()));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}
