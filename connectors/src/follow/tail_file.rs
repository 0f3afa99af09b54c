//! The bytes of a file that grows: its end is none while more may come.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// So many of the bytes before the place of reading are compared with what was read there.
const COMPARED_BYTES: usize = 64;

/// What the reader of a file and who watches the file tell each other.
#[derive(Debug, Default)]
pub(super) struct TailState {
    /// How far it was read.
    offset: AtomicU64,
    /// Whether nothing more will come: then the end of the file is one.
    is_last: AtomicBool,
    /// Whether the file is no longer what was read of it.
    is_changed: AtomicBool,
}

impl TailState {
    pub(super) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Relaxed)
    }

    pub(super) fn is_last(&self) -> bool {
        self.is_last.load(Ordering::Relaxed)
    }

    pub(super) fn finish(&self) {
        self.is_last.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_changed(&self) -> bool {
        self.is_changed.load(Ordering::Relaxed)
    }
}

/// Reads a file from its beginning. At its end a read fails with [`ErrorKind::WouldBlock`], unless nothing more will
/// come.
pub(super) struct TailFile {
    file: Arc<File>,
    state: Arc<TailState>,
    /// The last bytes that were read.
    recent: Vec<u8>,
}

impl TailFile {
    pub(super) fn new(file: Arc<File>, state: Arc<TailState>) -> TailFile {
        TailFile { file, state, recent: Vec::new() }
    }

    /// Whether the bytes that were read last are still there. They are not in a file that was truncated and has grown
    /// beyond the place of reading since, which its size does not show.
    fn is_same(&self, offset: u64) -> io::Result<bool> {
        let mut there = [0; COMPARED_BYTES];
        let there = &mut there[..self.recent.len()];
        match self.file.read_exact_at(there, offset - self.recent.len() as u64) {
            Ok(()) => Ok(there == self.recent),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Read for TailFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let offset = self.state.offset();
        if self.state.is_changed() || !self.is_same(offset)? {
            self.state.is_changed.store(true, Ordering::Relaxed);
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = self.file.read_at(buffer, offset)?;
        if bytes == 0 && !buffer.is_empty() && !self.state.is_last() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = &buffer[..bytes];
        self.recent.extend_from_slice(&read[bytes.saturating_sub(COMPARED_BYTES)..]);
        self.recent.drain(..self.recent.len().saturating_sub(COMPARED_BYTES));
        self.state.offset.store(offset + bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
