//! Recordings: every commit of a run with its binding and its records, to be replayed exactly.
//!
//! A file is the magic text, then frames: length (u32, little-endian), CRC-32 of the payload, payload
//! ([postcard] of `Frame`). The first frame is the header. A recording that was cut, by a crash for
//! instance, is good up to its last whole frame. What is recorded are decoded events and, for refused
//! input, its text: replaying needs neither the sources nor their codecs.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use market::{Catalog, InstrumentId, Record};
use serde::{Deserialize, Serialize};

use super::handover::Sealed;
use crate::clock::Binding;
use crate::views::DeadLetterRow;

const MAGIC: &[u8; 8] = b"TWKREC01";

/// A frame may not be larger: a damaged length must not ask for all memory.
const FRAME_BYTES_MAX: u32 = 1 << 28;

/// What a recording begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The job's configuration, as TOML.
    pub config: String,
    /// The sources' names, by number.
    pub sources: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum Frame<'a> {
    Header(Header),
    /// Instruments that the next commits use for the first time.
    Names(Vec<String>),
    Commit {
        binding: Cow<'a, Binding>,
        records: Cow<'a, [Record]>,
        refused: Cow<'a, [DeadLetterRow]>,
    },
    /// The run ended in order.
    End,
}

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file system said no.
    #[error("cannot {what} recording {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Not a recording.
    #[error("{path} is not a recording of this version", path = path.display())]
    NotARecording {
        /// Which file.
        path: PathBuf,
    },
    /// A file that is no recording is never replaced by one: it may be the input.
    #[error("{path} exists and is not a recording; it is not replaced", path = path.display())]
    NotReplaced {
        /// Which file.
        path: PathBuf,
    },
    /// The content is damaged in the middle.
    #[error("recording {path} is damaged at byte {at}: {problem}", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where the damaged frame begins.
        at: u64,
        /// What is wrong.
        problem: String,
    },
}

/// Writes a recording.
pub struct Recorder {
    path: PathBuf,
    file: BufWriter<File>,
    catalog: Arc<Catalog>,
    named: HashSet<InstrumentId>,
}

impl Recorder {
    /// Starts a recording at `path`; an earlier recording there is replaced.
    pub fn create(
        path: &Path,
        header: Header,
        catalog: Arc<Catalog>,
    ) -> Result<Recorder, RecordingError> {
        let path = path.to_owned();
        let holds_something = path.metadata().is_ok_and(|about| about.is_file() && about.len() > 0);
        if holds_something && !Recording::is_at(&path) {
            return Err(RecordingError::NotReplaced { path });
        }
        let file = File::create(&path).map_err(io("create", &path))?;
        let mut recorder =
            Recorder { path, file: BufWriter::new(file), catalog, named: HashSet::new() };
        recorder.file.write_all(MAGIC).map_err(io("write", &recorder.path))?;
        recorder.frame(&Frame::Header(header))?;
        Ok(recorder)
    }

    /// Appends a commit.
    pub fn write(&mut self, sealed: &Sealed) -> Result<(), RecordingError> {
        let mut names = Vec::new();
        for record in &sealed.records {
            let instrument = record.event.instrument();
            if self.named.insert(instrument) {
                names.push(self.catalog.name(instrument).to_string());
            }
        }
        if !names.is_empty() {
            self.frame(&Frame::Names(names))?;
        }
        let Sealed { binding, records, refused, .. } = sealed;
        self.frame(&Frame::Commit {
            binding: Cow::Borrowed(binding),
            records: Cow::Borrowed(records),
            refused: Cow::Borrowed(refused),
        })?;
        if binding.round {
            // A process that is killed loses at most the round at hand.
            self.file.flush().map_err(io("write", &self.path))?;
        }
        Ok(())
    }

    /// Ends the recording and makes it durable.
    pub fn finish(mut self) -> Result<(), RecordingError> {
        self.frame(&Frame::End)?;
        self.file.flush().map_err(io("write", &self.path))?;
        self.file.get_ref().sync_all().map_err(io("write", &self.path))
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), RecordingError> {
        let payload = postcard::to_stdvec(frame).map_err(|error| RecordingError::Io {
            what: "encode a frame of",
            path: self.path.clone(),
            source: std::io::Error::other(error),
        })?;
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        if length > FRAME_BYTES_MAX {
            let problem =
                format!("a commit takes {} bytes, {FRAME_BYTES_MAX} at most", payload.len());
            return Err(RecordingError::Damaged { path: self.path.clone(), at: 0, problem });
        }
        let checksum = crc32fast::hash(&payload);
        [&length.to_le_bytes()[..], &checksum.to_le_bytes(), &payload]
            .into_iter()
            .try_for_each(|part| self.file.write_all(part))
            .map_err(io("write", &self.path))
    }
}

/// Reads a recording, commit by commit.
pub struct Recording {
    path: PathBuf,
    file: BufReader<File>,
    at: u64,
    bytes: u64,
    header: Header,
    ended_in_order: bool,
}

/// What follows in a recording.
pub enum Next {
    /// A commit.
    Commit(Sealed),
    /// Instruments that the next commits use for the first time.
    Names(Vec<String>),
    /// Nothing; `in_order` unless the recording was cut.
    End {
        /// Whether the run ended in order.
        in_order: bool,
    },
}

impl Recording {
    /// Whether the file at `path` begins like a recording. Only of a plain file: from a pipe it would
    /// take the bytes that it looks at.
    pub fn is_at(path: &Path) -> bool {
        let mut magic = [0; 8];
        if !path.is_file() {
            return false;
        }
        File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && &magic == MAGIC
    }

    /// Opens the recording at `path` and reads its header.
    pub fn open(path: &Path) -> Result<Recording, RecordingError> {
        let path = path.to_owned();
        let file = File::open(&path).map_err(io("open", &path))?;
        let bytes = file.metadata().map_err(io("open", &path))?.len();
        let mut file = BufReader::new(file);
        let mut magic = [0; 8];
        if file.read_exact(&mut magic).is_err() || &magic != MAGIC {
            return Err(RecordingError::NotARecording { path });
        }
        let header = Header { config: String::new(), sources: Vec::new() };
        let mut recording = Recording { path, file, at: 8, bytes, header, ended_in_order: false };
        match recording.frame()? {
            Some(Frame::Header(header)) => recording.header = header,
            _ => return Err(RecordingError::NotARecording { path: recording.path }),
        }
        Ok(recording)
    }

    /// What the recording begins with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many bytes of how many have been read.
    pub fn extent(&self) -> (u64, u64) {
        (self.at, self.bytes)
    }

    /// Reads on.
    pub fn read(&mut self) -> Result<Next, RecordingError> {
        match self.frame()? {
            Some(Frame::Commit { binding, records, refused }) => Ok(Next::Commit(Sealed {
                binding: binding.into_owned(),
                records: records.into_owned(),
                refused: refused.into_owned(),
                ended: Vec::new(),
                oldest: None,
            })),
            Some(Frame::Names(names)) => Ok(Next::Names(names)),
            Some(Frame::End) => {
                self.ended_in_order = true;
                Ok(Next::End { in_order: true })
            }
            Some(Frame::Header(_)) => Err(self.damaged("a second header".to_owned())),
            None => Ok(Next::End { in_order: self.ended_in_order }),
        }
    }

    /// The next whole frame; none at the end, also if the last frame was cut.
    fn frame(&mut self) -> Result<Option<Frame<'static>>, RecordingError> {
        let mut head = [0; 8];
        if !self.fill(&mut head)? {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h] = head;
        let (length, checksum) =
            (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if length > FRAME_BYTES_MAX {
            return Err(self.damaged(format!("a frame of {length} bytes")));
        }
        let mut payload = vec![0; length as usize];
        if !self.fill(&mut payload)? {
            return Ok(None);
        }
        if crc32fast::hash(&payload) != checksum {
            return Err(self.damaged("the checksum does not fit".to_owned()));
        }
        let frame =
            postcard::from_bytes(&payload).map_err(|error| self.damaged(error.to_string()))?;
        self.at += 8 + u64::from(length);
        Ok(Some(frame))
    }

    /// Fills `bytes`; false if the file ends before.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<bool, RecordingError> {
        match self.file.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(io("read", &self.path)(error)),
        }
    }

    fn damaged(&self, problem: String) -> RecordingError {
        RecordingError::Damaged { path: self.path.clone(), at: self.at, problem }
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RecordingError {
    let path = path.to_owned();
    move |source| RecordingError::Io { what, path, source }
}
