//! The file of a recording: what was not written yet, and whether its path still leads to it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use connectors::FileKey;

use super::{Recording, RecordingError, io};

/// So many bytes are written at once.
const WRITTEN_AT: usize = 1 << 16;

/// An open file, locked, that takes bytes at its end. Bytes that it did not take stay, and come first at the next try.
pub(super) struct RecordingFile {
    path: PathBuf,
    file: File,
    /// Bytes that are not written yet.
    pending: Vec<u8>,
    /// A device or pipe is written to as it is: what its path leads to says nothing.
    is_file: bool,
}

impl RecordingFile {
    /// Opens the file at `path`, locks it, and empties it. One that holds something is replaced only if `force` says so.
    pub(super) fn open(path: &Path, force: bool) -> Result<RecordingFile, RecordingError> {
        let path = path.to_owned();
        let file = opened(&path)?;
        let about = file.metadata().map_err(io("look at", &path))?;
        let is_file = about.is_file();
        if is_file {
            lock(&file, &path)?;
            if about.len() > 0 && !force {
                let what = if Recording::is_at(&path) { "a recording" } else { "not a recording" };
                return Err(RecordingError::NotReplaced { path, what });
            }
            file.set_len(0).map_err(io("empty", &path))?;
        }
        Ok(RecordingFile { path, file, pending: Vec::new(), is_file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes bytes, to be written later.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Whether enough waits to be written at once.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= WRITTEN_AT
    }

    /// Writes what waits. After an error the rest waits on: the next try goes on behind the last byte that was written.
    pub(super) fn flush(&mut self) -> Result<(), RecordingError> {
        let mut done = 0;
        let written = loop {
            let rest = &self.pending[done..];
            if rest.is_empty() {
                break Ok(());
            }
            match self.file.write(rest) {
                Ok(0) => break Err(std::io::ErrorKind::WriteZero.into()),
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.pending.drain(..done);
        written.map_err(io("write", &self.path))
    }

    /// Makes what was written durable.
    pub(super) fn sync(&self) -> Result<(), RecordingError> {
        match self.is_file {
            true => self.file.sync_all().map_err(io("write", &self.path)),
            false => Ok(()), // nothing of a pipe or a device can be made durable
        }
    }

    /// Finds out whether the path still leads to this file.
    pub(super) fn look(&self) -> Result<(), RecordingError> {
        if !self.is_file {
            return Ok(());
        }
        let about = self.file.metadata().map_err(io("look at", &self.path))?;
        let there = FileKey::of(&self.path);
        if there == FileKey::of_open(&about) {
            return Ok(());
        }
        let how = match (there, about.nlink()) {
            (FileKey::Path(_), 0) => "was removed",
            (FileKey::Path(_), _) => "was moved away",
            (FileKey::Node { .. }, 0) => "was replaced by another file",
            (FileKey::Node { .. }, _) => "was moved away, and another file is there",
        };
        Err(RecordingError::Gone { path: self.path.clone(), how })
    }

    /// If the file was removed and nothing is in its place, writes it anew from what is still open. One that was moved
    /// away is not copied: it can be moved back.
    pub(super) fn put_back(&mut self) -> Result<(), RecordingError> {
        let is_removed = self.file.metadata().is_ok_and(|about| about.nlink() == 0);
        if !is_removed || self.path.symlink_metadata().is_ok() {
            return self.look();
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&self.path);
        let mut file = file.map_err(io("create", &self.path))?;
        let copied = lock(&file, &self.path).and_then(|()| {
            let mut old = &self.file;
            let end = old.stream_position().map_err(io("read", &self.path))?;
            old.seek(SeekFrom::Start(0)).map_err(io("read", &self.path))?;
            let copied = std::io::copy(&mut old, &mut file);
            old.seek(SeekFrom::Start(end)).map_err(io("read", &self.path))?;
            copied.map(drop).map_err(io("write", &self.path))
        });
        match copied {
            Ok(()) => {
                self.file = file;
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_file(&self.path); // it was made a moment ago, and is tried again
                Err(error)
            }
        }
    }
}

/// Opens a file for writing; for reading, too, where that may be, so that it can be written anew if it is removed.
fn opened(path: &Path) -> Result<File, RecordingError> {
    let is_special = path.metadata().is_ok_and(|about| !about.is_file());
    let open = |read| {
        let mut options = OpenOptions::new();
        options.read(read).write(true).create(true).truncate(false).open(path)
    };
    let file = match is_special {
        true => open(false), // a pipe that is open for reading never says that its reader is gone
        false => open(true).or_else(|_| open(false)),
    };
    file.map_err(io("create", path))
}

fn lock(file: &File, path: &Path) -> Result<(), RecordingError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(RecordingError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io("lock", path)(error)),
    }
}
