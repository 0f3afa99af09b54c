//! Writes checkpoints, on a thread of its own: neither workers nor commits wait for the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::Commit;

use super::file::{CheckpointFile, numbers, path_of, read_manifest};
use super::manifest::{LogPiece, Manifest, SavedLog, StatePiece};
use super::messages::{Finish, Message};
use super::states::Counts;
use super::{CheckpointError, io};
use crate::failpoints::{
    CHECKPOINT_BEGIN, CHECKPOINT_LOGS, CHECKPOINT_MANIFEST, CHECKPOINT_PRUNE, CHECKPOINT_STATE,
    failpoint,
};
use crate::ingest::causes::with_causes;
use crate::ingest::commit_log;
use crate::publish::Board;

/// A checkpoint refers to files at most so many checkpoints back. What is older is written again, so that old files go.
const FILES_BACK: u64 = 16;
/// A log that is in more pieces than this is written anew as one.
const LOG_PIECES_MAX: usize = 64;
/// How many checkpoints are kept.
pub(super) const KEPT: usize = 2;

/// How the checkpoints of a job are. Clones share it.
#[derive(Clone, Default)]
pub struct CheckpointStatus(Arc<Mutex<CheckpointReport>>);

/// See [`CheckpointStatus::report`].
#[derive(Clone, Debug, Default)]
pub struct CheckpointReport {
    /// The number of the newest checkpoint, and the commit from which a restart would read the log.
    pub newest: Option<(u64, Commit)>,
    /// Why the last attempt failed, if it did.
    pub failed: Option<String>,
    /// How many were finished since the start.
    pub finished: u64,
    /// The last attempt that has ended, finished or failed.
    pub ended: u64,
    /// How many were asked for.
    requests: u64,
    /// How many requests there were when the last one began, and its number.
    begun: (u64, u64),
}

impl CheckpointStatus {
    /// How the checkpoints are now.
    pub fn report(&self) -> CheckpointReport {
        self.lock().clone()
    }

    /// Asks for a checkpoint with the next commit, or after the one that is open. Gives the number of the request.
    pub fn request(&self) -> u64 {
        let mut report = self.lock();
        report.requests += 1;
        report.requests
    }

    /// Whether a checkpoint that was begun after this request is on the disk.
    pub fn has_answered(&self, request: u64) -> bool {
        let report = self.lock();
        let (requests, number) = report.begun;
        requests >= request && report.newest.is_some_and(|(newest, _)| newest >= number)
    }

    /// Whether one was asked for and has not begun.
    pub(super) fn is_requested(&self) -> bool {
        let report = self.lock();
        report.requests > report.begun.0
    }

    /// One with this number begins.
    pub(super) fn begins(&self, number: u64) {
        let mut report = self.lock();
        report.begun = (report.requests, number);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, CheckpointReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes checkpoints until its channel ends.
pub(super) struct Writer {
    pub(super) folder: PathBuf,
    pub(super) operators: Vec<(&'static str, u32)>,
    /// Whether segments of the log stay although no checkpoint needs them.
    pub(super) keep_log: bool,
    pub(super) board: Arc<Board>,
    pub(super) counts: Arc<Counts>,
    pub(super) status: CheckpointStatus,
    /// The checkpoint before, with which unchanged pieces are shared.
    pub(super) previous: Option<Manifest>,
    /// By operator and shard: a hash of the state that was written last, and where it is.
    pub(super) written: HashMap<(&'static str, u8), (u64, StatePiece)>,
}

/// A checkpoint that is being written.
struct Attempt {
    file: CheckpointFile,
    number: u64,
    first: Commit,
    states: Vec<StatePiece>,
    /// What [`Writer::written`] becomes if it is finished.
    written: HashMap<(&'static str, u8), (u64, StatePiece)>,
    /// By shard, the bytes of its states.
    shard_bytes: BTreeMap<u8, u64>,
}

impl Writer {
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let mut attempt: Option<Attempt> = None;
        let mut current = 0;
        for message in messages {
            let outcome = match message {
                Message::Begin { number, first } => {
                    current = number;
                    self.begin(number, first).map(|begun| attempt = Some(begun))
                }
                Message::State { operator, shard, after, bytes } => {
                    self.counts.waiting_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
                    match &mut attempt {
                        Some(attempt) if after >= attempt.first => {
                            self.add(attempt, (operator, shard), after, &bytes)
                        }
                        _ => Ok(()), // of a checkpoint that failed or was given up
                    }
                }
                Message::Finish(finish) => match attempt.take() {
                    Some(attempt) => self.finish(attempt, *finish),
                    None => Ok(()),
                },
                Message::Abandon => {
                    attempt = None;
                    Ok(())
                }
                Message::End => return,
            };
            if let Err(error) = outcome {
                attempt = None; // removes its file, which may make room
                let mut status = self.status.lock();
                status.failed = Some(with_causes(&error));
                status.ended = current;
            }
        }
    }

    fn begin(&self, number: u64, first: Commit) -> Result<Attempt, CheckpointError> {
        let file = CheckpointFile::create(&self.folder, number)?;
        failpoint(CHECKPOINT_BEGIN);
        Ok(Attempt {
            file,
            number,
            first,
            states: Vec::new(),
            written: HashMap::new(),
            shard_bytes: BTreeMap::new(),
        })
    }

    /// Writes a state, unless it is where the checkpoint before has it.
    fn add(
        &self,
        attempt: &mut Attempt,
        (operator, shard): (&'static str, u8),
        after: Commit,
        bytes: &[u8],
    ) -> Result<(), CheckpointError> {
        failpoint(CHECKPOINT_STATE);
        let Some(place) = self.operators.iter().position(|(name, _)| *name == operator) else {
            unreachable!("`{operator}` saves states and is not in the list of its job");
        };
        *attempt.shard_bytes.entry(shard).or_default() += bytes.len() as u64;
        let hash = hash(bytes);
        let known = self.written.get(&(operator, shard)).filter(|(known, piece)| {
            *known == hash
                && piece.at.bytes == bytes.len() as u64
                && piece.at.checksum == crc32fast::hash(bytes)
                && attempt.number - piece.at.file < FILES_BACK
        });
        let at = match known {
            Some((_, piece)) => piece.at,
            None => attempt.file.append(bytes)?,
        };
        let piece = StatePiece { operator: place as u8, shard, after, at };
        attempt.written.insert((operator, shard), (hash, piece.clone()));
        attempt.states.push(piece);
        Ok(())
    }

    fn finish(&mut self, mut attempt: Attempt, finish: Finish) -> Result<(), CheckpointError> {
        let Finish { generation, config, start, promises, last, log, began } = finish;
        failpoint(CHECKPOINT_LOGS);
        let logs = self.logs(&mut attempt, last)?;
        let promises = promises.encode().map_err(|error| CheckpointError::Damaged {
            path: self.folder.clone(),
            problem: format!("what clients were promised cannot be encoded: {error}"),
        })?;
        let promises = attempt.file.append(&promises)?;
        if let Some(file) = log {
            file.sync_data().map_err(io("make the log durable in", &self.folder))?;
        }
        let Attempt { file, number, mut states, written, shard_bytes, .. } = attempt;
        states.sort_unstable_by_key(|piece| (piece.operator, piece.shard));
        let operators = self.operators.iter().map(|(name, version)| ((*name).to_owned(), *version));
        let manifest = Manifest {
            number,
            generation,
            config: config.to_string(),
            operators: operators.collect(),
            start,
            last,
            states,
            logs,
            promises: Some(promises),
        };
        failpoint(CHECKPOINT_MANIFEST);
        let bytes = file.finish(&manifest)?;
        self.written = written;
        {
            let mut sizes = self.counts.shard_bytes.lock().unwrap_or_else(PoisonError::into_inner);
            shard_bytes.iter().for_each(|(shard, bytes)| sizes[usize::from(*shard)] = *bytes);
        }
        let from = manifest.start.commit;
        self.previous = Some(manifest);
        let pruned = self.prune();
        let mut status = self.status.lock();
        let (finished, ended) = (status.finished + 1, number);
        let newest = Some((number, from));
        *status = CheckpointReport { newest, failed: None, finished, ended, ..status.clone() };
        drop(status);
        tracing::debug!(
            "checkpoint {number} through commit {}: {bytes} bytes in {:.2} s",
            last.0,
            began.elapsed().as_secs_f64(),
        );
        pruned
    }

    /// Writes what the logs have beyond the checkpoint before; what of that is retained stays where it is.
    fn logs(&self, attempt: &mut Attempt, last: Commit) -> Result<Vec<SavedLog>, CheckpointError> {
        let previous = self.previous.as_ref().map(|previous| (&*previous.logs, previous.last));
        let mut logs = Vec::new();
        for (_, log) in self.board.logs().filter(|(_, log)| !log.is_union()) {
            let view = log.saved_as();
            let known = previous.and_then(|(logs, through)| {
                let known = logs.iter().find(|known| known.view == view)?;
                let is_near = |piece: &LogPiece| attempt.number - piece.at.file < FILES_BACK;
                let fits = known.pieces.len() < LOG_PIECES_MAX && known.pieces.iter().all(is_near);
                fits.then_some((known, through))
            });
            let dropped = log.dropped_through();
            let mut pieces: Vec<LogPiece> = known
                .iter()
                .flat_map(|(known, _)| known.pieces.iter())
                .filter(|piece| Some(piece.through) > dropped)
                .cloned()
                .collect();
            let after = known.map(|(_, through)| through);
            let appended = log.appended();
            let encoded = log.encode(after, last).map_err(|error| CheckpointError::Damaged {
                path: self.folder.clone(),
                problem: format!("the log {view} cannot be encoded: {error}"),
            })?;
            if let Some(encoded) = encoded {
                pieces.push(LogPiece { through: last, at: attempt.file.append(&encoded)? });
            }
            logs.push(SavedLog { view: view.to_owned(), appended, pieces });
        }
        Ok(logs)
    }

    /// Removes what neither of the two newest checkpoints needs.
    fn prune(&self) -> Result<(), CheckpointError> {
        let numbers = numbers(&self.folder)?;
        let newest = numbers.iter().rev().take(KEPT);
        let mut manifests = Vec::new();
        for number in newest {
            match read_manifest(&path_of(&self.folder, *number)) {
                Ok(manifest) => manifests.push(manifest),
                Err(error) => {
                    tracing::warn!("nothing old is removed: {error}");
                    return Ok(());
                }
            }
        }
        let kept: BTreeSet<u64> = manifests
            .iter()
            .flat_map(|manifest| manifest.extents().map(|at| at.file).chain([manifest.number]))
            .collect();
        for number in numbers.into_iter().filter(|number| !kept.contains(number)) {
            let path = path_of(&self.folder, number);
            failpoint(CHECKPOINT_PRUNE);
            fs::remove_file(&path).map_err(io("remove", &path))?;
        }
        if let (KEPT, Some(oldest), false) = (manifests.len(), manifests.last(), self.keep_log) {
            commit_log::remove_segments(&self.folder, oldest.start.segment)
                .map_err(io("remove old segments of the log in", &self.folder))?;
        }
        Ok(())
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
