//! Reading a recording.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use market::{Generation, Registries};

use super::{
    FRAME_BYTES_MAX, Frame, HEAD_BYTES, MAGIC, NewNames, RecordingError, RecordingHeader, VERSION,
    VERSIONS_BEFORE, io,
};
use crate::ingest::closed_commit::ClosedCommit;
use crate::ingest::idempotency::KeyedPost;
use crate::ingest::partition_states::PartitionStates;
use crate::rules::{RuleChange, RunTimeRules};

/// How a frame of changes of rules begins: the place of its variant.
const RULE_CHANGES: [u8; 1] = [8];

/// Reads a recording, commit by commit.
pub struct Recording {
    path: PathBuf,
    file: BufReader<File>,
    at: u64,
    bytes: u64,
    header: RecordingHeader,
    ended_in_order: bool,
    /// Those that the next commit binds; without it they are of a commit that was cut.
    posts: Vec<Arc<KeyedPost>>,
    /// What the next commit says of rules.
    rule_changes: Vec<RuleChange>,
}

/// What follows in a recording.
pub enum Next {
    /// A commit.
    Commit(ClosedCommit),
    /// Names that the next commits use for the first time.
    Names(NewNames),
    /// The decimals of prices and sizes of instruments, by name.
    Scales(Vec<(String, u8, u8)>),
    /// What was known of partitions before the next commit.
    Partitions(PartitionStates),
    /// The rules that were put at run time before the next commit.
    Rules(RunTimeRules),
    /// Nothing; `in_order` unless the recording was cut.
    End {
        /// Whether the run ended in order.
        in_order: bool,
    },
}

impl Recording {
    /// Whether the file at `path` begins like a recording, of whatever version. Only of a plain file: from
    /// a pipe it would take the bytes that it looks at.
    pub fn is_at(path: &Path) -> bool {
        let mut start = [0; 8];
        if !path.is_file() {
            return false;
        }
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
        read.is_ok() && start.starts_with(MAGIC)
    }

    /// Opens the recording at `path` and reads its header.
    pub fn open(path: &Path) -> Result<Recording, RecordingError> {
        let path = path.to_owned();
        let file = File::open(&path).map_err(io("open", &path))?;
        let bytes = file.metadata().map_err(io("open", &path))?.len();
        let mut file = BufReader::new(file);
        let mut start = [0; 8];
        if file.read_exact(&mut start).is_err() || !start.starts_with(MAGIC) {
            return Err(RecordingError::NotARecording { path });
        }
        if !start.ends_with(VERSION) && VERSIONS_BEFORE.iter().all(|v| !start.ends_with(*v)) {
            let version = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let before = VERSIONS_BEFORE.map(|bytes| version(bytes)).join(", ");
            let known = format!("{before} and {}", version(VERSION));
            let found = version(&start[MAGIC.len()..]);
            return Err(RecordingError::OtherVersion { path, found, known });
        }
        let header = RecordingHeader {
            config: String::new(),
            generation: Generation(0),
            registries: Registries::default(),
        };
        let mut recording = Recording {
            path,
            file,
            at: 8,
            bytes,
            header,
            ended_in_order: false,
            posts: Vec::new(),
            rule_changes: Vec::new(),
        };
        match recording.frame()? {
            Some(Frame::Header(header)) => recording.header = header,
            _ => return Err(RecordingError::NotARecording { path: recording.path }),
        }
        Ok(recording)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the recording begins with.
    pub fn header(&self) -> &RecordingHeader {
        &self.header
    }

    /// How many bytes of how many have been read.
    pub fn extent(&self) -> (u64, u64) {
        (self.at, self.bytes)
    }

    /// Reads on.
    pub fn read(&mut self) -> Result<Next, RecordingError> {
        let mut frame = self.frame()?;
        if let Some(Frame::Posts(posts)) = frame {
            self.posts = posts.into_iter().map(Arc::new).collect();
            frame = self.frame()?;
        }
        if let Some(Frame::RuleChanges(changes)) = frame {
            self.rule_changes = changes;
            frame = self.frame()?;
        }
        match frame {
            Some(Frame::Commit { binding, records, accounts, id_texts, refused, control }) => {
                Ok(Next::Commit(ClosedCommit {
                    binding: binding.into_owned(),
                    records: records.into_owned(),
                    accounts: accounts.into_owned(),
                    id_texts: id_texts.into_owned(),
                    refused: refused.into_owned(),
                    control: control.into_owned(),
                    posts: std::mem::take(&mut self.posts),
                    rule_changes: std::mem::take(&mut self.rule_changes),
                    oldest: None,
                }))
            }
            Some(Frame::Names(names)) => Ok(Next::Names(names)),
            Some(Frame::Scales(scales)) => Ok(Next::Scales(scales)),
            Some(Frame::Partitions(states)) => Ok(Next::Partitions(states)),
            Some(Frame::End) => {
                self.ended_in_order = true;
                Ok(Next::End { in_order: true })
            }
            Some(Frame::Header(_)) => Err(self.damaged("a second header".to_owned())),
            Some(Frame::Posts(_)) => Err(self.damaged("requests without their commit".to_owned())),
            Some(Frame::Rules(rules)) => Ok(Next::Rules(rules)),
            Some(Frame::RuleChanges(_)) => {
                Err(self.damaged("changes of rules without their commit".to_owned()))
            }
            None => Ok(Next::End { in_order: self.ended_in_order }),
        }
    }

    /// The names of the rules that are put in what follows, as far as it is whole. Reads nothing else, so it is fast.
    pub fn put_rules(mut self) -> Vec<String> {
        let mut names = Vec::new();
        let (mut head, mut kind) = ([0; HEAD_BYTES], [0; 1]);
        while let (Ok(true), [length, _, of_head]) = (self.fill(&mut head), words(head)) {
            if crc32fast::hash(&head[..8]) != of_head || !matches!(self.fill(&mut kind), Ok(true)) {
                break;
            }
            let rest = length.saturating_sub(1);
            if kind != RULE_CHANGES {
                if self.file.seek_relative(rest.into()).is_err() {
                    break;
                }
                continue;
            }
            let mut payload = vec![0; rest.min(FRAME_BYTES_MAX) as usize];
            if !matches!(self.fill(&mut payload), Ok(true)) {
                break;
            }
            let frame = postcard::from_bytes(&[&kind[..], &payload].concat());
            let Ok(Frame::RuleChanges(changes)) = frame else { break };
            names.extend(changes.into_iter().filter_map(|change| match change {
                RuleChange::Put { name, .. } => Some(name),
                _ => None,
            }));
        }
        names
    }

    /// The next whole frame; none at the end, also if the last frame was cut.
    fn frame(&mut self) -> Result<Option<Frame<'static>>, RecordingError> {
        let mut head = [0; HEAD_BYTES];
        if !self.fill(&mut head)? {
            return Ok(None);
        }
        let [length, checksum, of_head] = words(head);
        if crc32fast::hash(&head[..8]) != of_head {
            return self.cut_or("the checksum of a length does not fit");
        }
        if length > FRAME_BYTES_MAX {
            return Err(self.damaged(format!("a frame of {length} bytes")));
        }
        let mut payload = vec![0; length as usize];
        if !self.fill(&mut payload)? {
            return Ok(None);
        }
        if crc32fast::hash(&payload) != checksum {
            return self.cut_or("the checksum does not fit");
        }
        let frame =
            postcard::from_bytes(&payload).map_err(|error| self.damaged(error.to_string()))?;
        self.at += HEAD_BYTES as u64 + u64::from(length);
        Ok(Some(frame))
    }

    /// The frame at hand is not whole. That is the end if only zeros follow, which is what a power cut leaves where
    /// bytes were not written yet.
    fn cut_or(&mut self, problem: &str) -> Result<Option<Frame<'static>>, RecordingError> {
        let mut bytes = [0; 8_192];
        loop {
            let count = self.file.read(&mut bytes).map_err(io("read", &self.path))?;
            if count == 0 {
                return Ok(None);
            }
            if bytes[..count].iter().any(|byte| *byte != 0) {
                return Err(self.damaged(problem.to_owned()));
            }
        }
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

/// The little-endian numbers of a head: length, checksum of the payload, checksum of the head.
fn words(head: [u8; HEAD_BYTES]) -> [u32; 3] {
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    [word(0), word(4), word(8)]
}
