//! Whether a file is the one that an earlier process has read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::source::{
    Incident, IncidentKind, PartitionReader, PartitionState, Progress, Row, SourceError,
};

/// So many bytes at the beginning and before the end of a file are compared.
const COMPARED_BYTES: u64 = 64 << 10;

/// What a file begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileHead {
    /// How many bytes.
    pub(crate) bytes: u64,
    hash: u64,
}

impl FileHead {
    /// The head of a file that is `length` bytes long: at most 64 KiB.
    pub(crate) fn of(file: &File, length: u64) -> io::Result<FileHead> {
        let bytes = length.min(COMPARED_BYTES);
        Ok(FileHead { bytes, hash: hash(file, 0, bytes)? })
    }

    /// Whether no longer head is taken.
    pub(crate) fn is_longest(&self) -> bool {
        self.bytes >= COMPARED_BYTES
    }

    /// Whether a file begins so.
    pub(crate) fn fits(&self, file: &File) -> io::Result<bool> {
        let is_long_enough = file.metadata()?.len() >= self.bytes;
        Ok(is_long_enough && hash(file, 0, self.bytes)? == self.hash)
    }
}

/// A file as it was when a process began to read it: how long it was, what it began and ended with. Of a large file the
/// middle is not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    bytes: u64,
    head: FileHead,
    tail: u64,
}

impl FileIdentity {
    pub(crate) fn of(file: &File) -> io::Result<FileIdentity> {
        let bytes = file.metadata()?.len();
        Ok(FileIdentity {
            bytes,
            head: FileHead::of(file, bytes)?,
            tail: hash(file, tail_of(bytes), bytes)?,
        })
    }

    /// Why a file is another one; none if it is the same, or the same with more at its end.
    pub(crate) fn difference(&self, file: &File) -> io::Result<Option<String>> {
        let bytes = file.metadata()?.len();
        if bytes < self.bytes {
            return Ok(Some(format!("it had {} bytes, and has {bytes}", self.bytes)));
        }
        if !self.head.fits(file)? {
            return Ok(Some(format!("its first {} bytes are others", self.head.bytes)));
        }
        let tail = tail_of(self.bytes);
        let is_same = hash(file, tail, self.bytes)? == self.tail;
        Ok((!is_same).then(|| format!("its bytes {tail} to {} are others", self.bytes)))
    }

    pub(crate) fn is_shorter_than(&self, file: &File) -> io::Result<bool> {
        Ok(self.bytes < file.metadata()?.len())
    }
}

fn tail_of(bytes: u64) -> u64 {
    bytes.saturating_sub(COMPARED_BYTES)
}

fn hash(file: &File, from: u64, to: u64) -> io::Result<u64> {
    let length = usize::try_from(to.saturating_sub(from)).unwrap_or(0); // at most 64 KiB
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, from)?;
    Ok(xxh3_64(&bytes))
}

/// Reads a file, and says which one.
pub(crate) struct IdentifiedReader {
    pub(crate) reader: Box<dyn PartitionReader>,
    pub(crate) state: Option<PartitionState>,
    /// What was found when it was opened.
    pub(crate) found: Option<Incident>,
}

impl PartitionReader for IdentifiedReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        self.reader.read(rows)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        let found = self.found.take();
        found.into_iter().chain(self.reader.incidents()).collect()
    }

    fn state(&mut self) -> Option<PartitionState> {
        self.state.take()
    }

    fn extent(&self) -> Option<(u64, u64)> {
        self.reader.extent()
    }
}

/// A file that is not there any more, and had been read to its end.
pub(crate) struct EndedReader {
    name: Option<String>,
}

impl EndedReader {
    pub(crate) fn of(name: &str) -> EndedReader {
        EndedReader { name: Some(name.to_owned()) }
    }
}

impl PartitionReader for EndedReader {
    fn read(&mut self, _: &mut Vec<Row>) -> Result<Progress, SourceError> {
        Ok(Progress::Ended)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        let name = self.name.take();
        let what = "it is not there any more; it had been read to its end";
        name.map(|name| Incident::warning_of(&name, what)).into_iter().collect()
    }
}

/// What came to a file after its end.
pub(crate) fn grown(name: &str) -> Incident {
    let what = "it has grown since it was read to its end, so what came to it is too late; `follow = true` reads files \
                that grow";
    Incident::warning_of(name, what)
}

/// What came to a file that is another one now.
pub(crate) fn replaced(name: &str, after: u64, difference: &str) -> Incident {
    let detail = format!(
        "{name}: it is not the file that was read through position {after} ({difference}); what that had after it is not \
         read, and this one is read from its beginning, with positions that go on"
    );
    Incident { kind: IncidentKind::Gap, lost: None, detail }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_file_may_grow_and_nothing_else() {
        let long: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        for content in [&b""[..], b"a", b"time,price\n1,2\n", &long] {
            let identity = FileIdentity::of(&file(content)).unwrap();
            let same = |content: &[u8]| identity.difference(&file(content)).unwrap();
            assert_eq!(same(content), None);
            assert_eq!(same(&[content, b"more"].concat()), None);
            let Some(last) = content.len().checked_sub(1) else { continue };
            assert!(same(&content[..last]).unwrap().contains("and has"), "shorter");
            for at in [0, last] {
                let mut other = content.to_vec();
                other[at] ^= 1;
                let why = same(&other).unwrap();
                assert!(why.ends_with("are others"), "{why}");
            }
        }
    }
}
