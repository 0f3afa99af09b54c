//! Recordings: every commit of a run with its binding, its records and its control records, to be replayed exactly.
//!
//! A file is the magic text with a version, then frames: length, CRC-32 of the payload, CRC-32 of these two (each u32,
//! little-endian), payload ([postcard] of `Frame`). The first frame is the header. A recording that was cut, by a crash
//! for instance, is good up to its last whole frame. After a power cut a file may go on with zeros where bytes were not
//! written yet, so a frame that is not whole counts as cut if nothing but zeros follows it. Anything else is damage. What is recorded are decoded events and, for refused
//! input, its text: replaying needs neither the sources nor their codecs. To use a corrected codec, read the source
//! again.

mod file;
mod keeper;
mod read;
mod status;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use market::{
    AccountRecord, Catalog, Generation, IdText, PartitionId, Record, Registries, SourceId,
};
use serde::{Deserialize, Serialize};

use super::closed_commit::ClosedCommit;
use super::idempotency::KeyedPost;
use super::input::ControlRecord;
use super::partition_states::PartitionStates;
use crate::clock::Binding;
use crate::rules::{RuleChange, RunTimeRules};
use crate::views::DeadLetterRow;

pub use keeper::{OnRecordingError, RECORDING, RecordingKeeper};
pub use read::{Next, Recording};
pub use status::{RecordingState, RecordingStatus};
pub use write::Recorder;
pub(super) use write::{Named, encode};

/// What every recording begins with, and the version that this build writes. Version 2 holds
/// account records, version 3 from when on sources were read, and whether a trade has only its position to
/// be ordered by, version 4 control records, version 5 checksums over lengths, version 6 the texts of ids,
/// version 7 the currencies of fees, version 8 the states of partitions and requests with a key, version 9 the rules
/// that were put at run time.
const MAGIC: &[u8; 6] = b"TWKREC";
const VERSION: &[u8; 2] = b"09";
/// The versions before, which have fewer kinds of frames and are read as well.
const VERSIONS_BEFORE: [&[u8; 2]; 2] = [b"07", b"08"];

/// Bytes before the payload of a frame.
const HEAD_BYTES: usize = 12;

/// A frame may not be larger: a damaged length must not ask for all memory.
const FRAME_BYTES_MAX: u32 = 1 << 28;

/// What a recording begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingHeader {
    /// The job's configuration, as TOML.
    pub config: String,
    /// The start of the job that is recorded.
    pub generation: Generation,
    /// The numbers of the names that the job knows.
    pub registries: Registries,
}

/// Names that the next commits use for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNames {
    /// Of instruments.
    pub instruments: Vec<String>,
    /// Of portfolios.
    pub portfolios: Vec<String>,
    /// Of models of fair values.
    pub models: Vec<String>,
    /// Of partitions that sources have gained, with their numbers.
    pub partitions: Vec<(SourceId, PartitionId, String)>,
}

impl NewNames {
    /// All names of a catalog; partitions have their numbers in the registries.
    pub fn of_catalog(catalog: &Catalog) -> NewNames {
        let instruments = catalog.all().into_iter().map(|known| known.name.to_string());
        NewNames {
            instruments: instruments.collect(),
            portfolios: catalog.portfolios.all().iter().map(ToString::to_string).collect(),
            models: catalog.models.all().iter().map(ToString::to_string).collect(),
            partitions: Vec::new(),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) enum Frame<'a> {
    Header(RecordingHeader),
    Names(NewNames),
    Commit {
        binding: Cow<'a, Binding>,
        records: Cow<'a, [Record]>,
        accounts: Cow<'a, [AccountRecord]>,
        id_texts: Cow<'a, [IdText]>,
        refused: Cow<'a, [DeadLetterRow]>,
        control: Cow<'a, [ControlRecord]>,
    },
    /// The run ended in order.
    End,
    /// In the log of a job whose state is kept: the decimals of prices and sizes of instruments, by name.
    Scales(Vec<(String, u8, u8)>),
    /// At the beginning of a segment of such a log: what was known of partitions before it.
    Partitions(PartitionStates),
    /// In such a log: the requests with a key whose rows the next commit binds.
    Posts(Vec<KeyedPost>),
    /// At the beginning: the rules that were put at run time before the next commit, if there are any.
    Rules(RunTimeRules),
    /// What the next commit says of rules and alerts.
    RuleChanges(Vec<RuleChange>),
}

/// Appends to `bytes` the frames of a commit that stand before it, of what it says of rules. `rules` are those before
/// it, if nobody has said so yet.
pub(super) fn encode_rules(
    closed: &ClosedCommit,
    rules: Option<&RunTimeRules>,
    path: &Path,
    bytes: &mut Vec<u8>,
) -> Result<(), RecordingError> {
    if let Some(rules) = rules.filter(|rules| !rules.is_empty()) {
        encode(&Frame::Rules(rules.clone()), path, bytes)?;
    }
    match closed.rule_changes.is_empty() {
        true => Ok(()),
        false => encode(&Frame::RuleChanges(closed.rule_changes.clone()), path, bytes),
    }
}

impl<'a> Frame<'a> {
    /// The frame of a commit.
    pub(super) fn of(closed: &'a ClosedCommit) -> Frame<'a> {
        let ClosedCommit { binding, records, accounts, id_texts, refused, control, .. } = closed;
        Frame::Commit {
            binding: Cow::Borrowed(binding),
            records: Cow::Borrowed(records),
            accounts: Cow::Borrowed(accounts),
            id_texts: Cow::Borrowed(id_texts),
            refused: Cow::Borrowed(refused),
            control: Cow::Borrowed(control),
        }
    }
}

/// What stands before the first frame.
pub(super) fn first_bytes() -> Vec<u8> {
    [&MAGIC[..], VERSION].concat()
}

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file system returned an error.
    #[error("cannot {what} recording {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// Not a recording.
    #[error("{path} is not a recording", path = path.display())]
    NotARecording {
        /// Which file.
        path: PathBuf,
    },
    /// A recording that another version of the program made.
    #[error(
        "{path} is a recording of version {found}, and this program reads versions {known}: replay it with \
         the program that made it, or record its sources anew",
        path = path.display()
    )]
    OtherVersion {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// Those that can be read.
        known: String,
    },
    /// A file that holds something is not replaced unless that is asked for: it may be the only record of a run.
    #[error("{path} exists and is {what}; it is not replaced: record to another file, or use --force", path = path.display())]
    NotReplaced {
        /// Which file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The job needs the file for something else.
    #[error("a recording would replace {path}, which is {what}; record to another file", path = path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// Another process records there.
    #[error("{path} is being recorded by another run; record to another file", path = path.display())]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// Its path does not lead to it any more.
    #[error("recording {path} {how} while it was written", path = path.display())]
    Gone {
        /// Which file.
        path: PathBuf,
        /// What became of it.
        how: &'static str,
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

impl RecordingError {
    /// Whether another command line would do better, rather than another file system.
    pub fn is_refusal(&self) -> bool {
        use RecordingError::{InUse, Locked, NotReplaced};
        matches!(self, NotReplaced { .. } | InUse { .. } | Locked { .. })
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RecordingError {
    let path = path.to_owned();
    move |source| RecordingError::Io { what, path, source }
}
