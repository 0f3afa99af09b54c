//! What a checkpoint holds, and where.

use market::{Commit, EventTime, Generation, IdText};
use serde::{Deserialize, Serialize};

use crate::clock::ClockHistory;
use crate::ingest::recording::NewNames;

/// The contents of a checkpoint. It stands at the end of its file.
#[derive(Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number.
    pub number: u64,
    /// The start of the job that wrote it.
    pub generation: Generation,
    /// The configuration as TOML.
    pub config: String,
    /// The operators whose states it holds, each with the version of their form.
    pub operators: Vec<(String, u32)>,
    /// What a start knows that reads the log from the checkpoint's first commit on.
    pub start: ReplayStart,
    /// The last commit after which a shard was saved. The logs are those through it.
    pub last: Commit,
    /// The state of every shard of every operator.
    pub states: Vec<StatePiece>,
    /// The logs of the job.
    pub logs: Vec<SavedLog>,
    /// What clients were promised before the first commit. Files of version 1 have none, so it stands behind the rest.
    #[serde(skip)]
    pub promises: Option<Extent>,
}

/// What a job knows besides the states of its operators.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReplayStart {
    /// The segment of the log that begins with [`ReplayStart::commit`].
    pub segment: u64,
    /// The first commit after which a shard was saved.
    pub commit: Commit,
    /// The watermarks before it, by source.
    pub watermarks: Vec<Option<EventTime>>,
    /// The watermarks of the last commit of the round before, by source.
    pub round_watermarks: Vec<Option<EventTime>>,
    /// What the clock knew after it.
    pub history: ClockHistory,
    /// Instruments, portfolios and models.
    pub names: NewNames,
    /// The decimals of prices and sizes of the instruments.
    pub scales: Vec<(String, u8, u8)>,
    /// What sources wrote of ids that travel as hashes, those that go first before others.
    pub id_texts: Vec<IdText>,
    /// What the observer of commits knew before it.
    pub observed: Vec<u8>,
}

/// The state of a shard of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatePiece {
    /// The operator's place in [`Manifest::operators`].
    pub operator: u8,
    /// The shard.
    pub shard: u8,
    /// The state is that after this commit.
    pub after: Commit,
    /// Where it is.
    pub at: Extent,
}

/// A log of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedLog {
    /// The view.
    pub view: String,
    /// How many rows were ever appended.
    pub appended: u64,
    /// Its entries, by commits.
    pub pieces: Vec<LogPiece>,
}

/// The entries of a log that some commits appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPiece {
    /// The last of these commits. The first follows the last one of the piece before.
    pub through: Commit,
    /// Where they are.
    pub at: Extent,
}

/// A part of the file of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The number of the checkpoint whose file it is in.
    pub file: u64,
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// CRC-32 of the bytes.
    pub checksum: u32,
}

impl Manifest {
    /// Every part of files that it refers to.
    pub fn extents(&self) -> impl Iterator<Item = Extent> {
        let states = self.states.iter().map(|piece| piece.at);
        let logs = self.logs.iter().flat_map(|log| log.pieces.iter().map(|piece| piece.at));
        states.chain(logs).chain(self.promises)
    }
}
