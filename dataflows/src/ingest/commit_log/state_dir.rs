//! The directory that holds the state of a job.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use market::{Generation, Registries};

use super::state_id::STATE_ID;
use super::{CommitLogError, io as failed};
use crate::failpoints::{SEGMENT_AFTER, SEGMENT_BEFORE, failpoint};
use crate::ingest::recording::Recording;

const LOCK: &str = "lock";
const PREFIX: &str = "log-";
const SUFFIX: &str = ".twrec";
/// Holds the number of the newest segment, so that one that is lost is missed.
const NEWEST: &str = "newest";
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
        fs::create_dir_all(path).map_err(failed("create", path))?;
        let at = path.join(LOCK);
        let mut options = OpenOptions::new();
        let lock = options.read(true).write(true).create(true).truncate(false).open(&at);
        let mut lock = lock.map_err(failed("write", &at))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&at).unwrap_or_default();
                let pid = if pid.trim().is_empty() { "(unknown)" } else { pid.trim() }.to_owned();
                return Err(CommitLogError::Locked { path: path.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &at)(error)),
        }
        let pid = format!("{}\n", std::process::id());
        lock.set_len(0)
            .and_then(|()| lock.write_all(pid.as_bytes()))
            .map_err(failed("write", &at))?;
        Ok(StateDir { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing but the lock is there.
    pub fn is_empty(&self) -> Result<bool, CommitLogError> {
        for entry in fs::read_dir(&self.path).map_err(failed("read", &self.path))? {
            if entry.map_err(failed("read", &self.path))?.file_name() != LOCK {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves the log and the checkpoints into a folder of their own, `aside-00000001` and so on; names it, unless there
    /// is nothing.
    pub fn set_aside(&self) -> Result<Option<PathBuf>, CommitLogError> {
        let entries = fs::read_dir(&self.path).map_err(failed("read", &self.path))?;
        let mut kept = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed("read", &self.path))?.file_name();
            let is_kept = |name: &str| {
                let (log, checkpoint) = (name.ends_with(SUFFIX), name.ends_with(".twckpt"));
                log || checkpoint || [NEWEST, STATE_ID].contains(&name)
            };
            kept.extend(Some(name).filter(|name| name.to_str().is_some_and(is_kept)));
        }
        if kept.is_empty() {
            return Ok(None);
        }
        let folders = (1_u64..).map(|number| self.path.join(format!("aside-{number:08}")));
        let Some(aside) = folders.into_iter().find(|folder| !folder.exists()) else {
            return Ok(None);
        };
        fs::create_dir(&aside).map_err(failed("create", &aside))?;
        for name in kept {
            let from = self.path.join(&name);
            fs::rename(&from, aside.join(&name)).map_err(failed("move", &from))?;
        }
        Ok(Some(aside))
    }

    /// See [`segments`].
    pub fn segments(&self, first: u64) -> Result<Vec<PathBuf>, CommitLogError> {
        segments(&self.path, first)
    }

    /// See [`first_segment`].
    pub fn first_segment(&self) -> Result<Option<u64>, CommitLogError> {
        first_segment(&self.path)
    }

    /// The start that added the last segment; none if there is none.
    pub fn last_generation(&self) -> Result<Option<Generation>, CommitLogError> {
        let Some((_, last)) = all(&self.path)?.pop() else { return Ok(None) };
        Ok(Some(Recording::open(&last)?.header().generation))
    }

    /// Adds a segment, which `write` begins. A crash meanwhile leaves no segment without its header.
    pub(super) fn add_segment(
        &self,
        write: impl FnOnce(&mut File, &Path) -> Result<(), CommitLogError>,
    ) -> Result<(File, PathBuf, u64), CommitLogError> {
        let number = all(&self.path)?.last().map_or(1, |(number, _)| number + 1);
        let path = segment(&self.path, number);
        let unfinished = path.with_extension(format!("twrec{UNFINISHED}"));
        let mut file = File::create(&unfinished).map_err(failed("create", &unfinished))?;
        write(&mut file, &path)?;
        file.sync_all().map_err(failed("make durable", &unfinished))?;
        failpoint(SEGMENT_BEFORE);
        fs::rename(&unfinished, &path).map_err(failed("rename", &unfinished))?;
        let folder = File::open(&self.path).and_then(|folder| folder.sync_all());
        folder.map_err(failed("make durable", &self.path))?;
        failpoint(SEGMENT_AFTER);
        self.note_newest(number)?;
        Ok((file, path, number))
    }

    /// Notes that there is a segment. What a crash leaves is this or the note before, both whole.
    fn note_newest(&self, number: u64) -> Result<(), CommitLogError> {
        let path = self.path.join(NEWEST);
        let unfinished = self.path.join(format!("{NEWEST}{UNFINISHED}"));
        let mut file = File::create(&unfinished).map_err(failed("create", &unfinished))?;
        let written = file.write_all(newest_text(number).as_bytes());
        written.and_then(|()| file.sync_data()).map_err(failed("write", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(failed("rename", &unfinished))
    }
}

/// The numbers of names with which the job whose state is in `path` went on last; none if there is no state. Does not
/// take the directory. Rules that were put at run time got their numbers after the last segment had begun, so their
/// names are looked for in it: a rule of the configuration must not get one of these.
pub fn registries(path: &Path) -> Result<Option<Registries>, CommitLogError> {
    if !path.exists() {
        return Ok(None);
    }
    let Some((_, last)) = all(path)?.pop() else { return Ok(None) };
    let segment = Recording::open(&last)?;
    let mut registries = segment.header().registries.clone();
    for name in segment.put_rules() {
        registries.rules.register(&name)?;
    }
    Ok(Some(registries))
}

/// Makes segments durable that a start has read.
pub fn make_durable(segments: &[PathBuf]) -> Result<(), CommitLogError> {
    segments.iter().try_for_each(|path| {
        let synced = File::open(path).and_then(|segment| segment.sync_all());
        synced.map_err(failed("make durable", path))
    })
}

/// Removes the segments before number `first`.
pub fn remove_segments(folder: &Path, first: u64) -> io::Result<()> {
    let segments = all(folder).map_err(io::Error::other)?;
    let old = segments.into_iter().filter(|(number, _)| *number < first);
    old.into_iter().try_for_each(|(_, path)| fs::remove_file(path))
}

/// The segments of the log in a directory from number `first` on, in order. They are numbered without holes, from 1 on;
/// those that no checkpoint needs are gone.
pub fn segments(folder: &Path, first: u64) -> Result<Vec<PathBuf>, CommitLogError> {
    let newest = newest(folder)?; // first: a job that runs adds segments
    let mut segments = all(folder)?;
    segments.retain(|(number, _)| *number >= first);
    if let Some(newest) =
        newest.filter(|newest| segments.last().is_none_or(|(last, _)| last < newest))
    {
        return Err(CommitLogError::Missing { path: segment(folder, newest) });
    }
    if segments.is_empty() && first > 1 {
        return Err(CommitLogError::Missing { path: segment(folder, first) });
    }
    let missing = (first..).zip(&segments).find(|(wanted, (number, _))| wanted != number);
    match missing {
        Some((number, _)) => Err(CommitLogError::Missing { path: segment(folder, number) }),
        None => Ok(segments.into_iter().map(|(_, path)| path).collect()),
    }
}

/// The number of the newest segment, as noted in a directory; none if it is not noted there.
fn newest(folder: &Path) -> Result<Option<u64>, CommitLogError> {
    let path = folder.join(NEWEST);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let number =
        std::str::from_utf8(&text).ok().and_then(|text| text.split(' ').next()?.parse().ok());
    match number.filter(|number| newest_text(*number).as_bytes() == text) {
        Some(number) => Ok(Some(number)),
        None => Err(CommitLogError::Unreadable { path }),
    }
}

/// A number and its checksum.
fn newest_text(number: u64) -> String {
    format!("{number} {:08x}\n", crc32fast::hash(number.to_string().as_bytes()))
}

/// The number of the first segment that is there; none if there is none.
pub fn first_segment(folder: &Path) -> Result<Option<u64>, CommitLogError> {
    Ok(all(folder)?.first().map(|(number, _)| *number))
}

/// Where a segment is.
pub fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number:08}{SUFFIX}"))
}

/// The segments by their numbers.
fn all(path: &Path) -> Result<Vec<(u64, PathBuf)>, CommitLogError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(path).map_err(failed("read", path))? {
        let entry = entry.map_err(failed("read", path))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            segments.push((number, entry.path()));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}
