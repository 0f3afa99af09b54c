//! The states of operators on their way to a checkpoint, and from one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use market::{Commit, Shard};
use operators::{SavedState, StateReadError, StateStore};

use super::checkpoint::Checkpoint;
use super::manifest::StatePiece;
use super::messages::Message;
use crate::failpoints::{RESTORE_STATE, failpoint};
use crate::telemetry::Metrics;

/// Takes the states of operators to the thread that writes them, and gives those of a checkpoint.
pub struct CheckpointStates {
    restored: Option<Arc<Checkpoint>>,
    /// The pieces of the restored checkpoint, by operator and shard.
    pieces: HashMap<(String, u8), StatePiece>,
    /// The operators whose states are made anew.
    rebuilt: Vec<&'static str>,
    to_writer: SyncSender<Message>,
    metrics: Metrics,
    pauses: Pauses,
    pub(super) counts: Arc<Counts>,
}

/// What is on its way to the writer.
pub(super) struct Counts {
    progress: Mutex<Progress>,
    /// Bytes that wait to be written.
    pub(super) waiting_bytes: AtomicUsize,
    /// By shard, the bytes of its states in all operators as they were last saved.
    pub(super) shard_bytes: Mutex<[u64; Shard::COUNT]>,
}

/// How far workers are with the checkpoint at hand.
#[derive(Default)]
struct Progress {
    /// Its first commit. What was saved after an earlier one is of a checkpoint that was given up.
    first: Commit,
    handed_over: u64,
}

impl CheckpointStates {
    pub(super) fn new(
        restored: Option<Arc<Checkpoint>>,
        rebuilt: &[&'static str],
        to_writer: SyncSender<Message>,
        metrics: Metrics,
    ) -> CheckpointStates {
        let mut pieces = HashMap::new();
        let mut shard_bytes = [0; Shard::COUNT];
        for manifest in restored.iter().map(|checkpoint| &checkpoint.manifest) {
            for piece in &manifest.states {
                let Some((operator, _)) = manifest.operators.get(usize::from(piece.operator))
                else {
                    continue;
                };
                shard_bytes[usize::from(piece.shard)] += piece.at.bytes;
                pieces.insert((operator.clone(), piece.shard), piece.clone());
            }
        }
        let counts = Arc::new(Counts {
            progress: Mutex::default(),
            waiting_bytes: AtomicUsize::new(0),
            shard_bytes: Mutex::new(shard_bytes),
        });
        let rebuilt = rebuilt.to_vec();
        let pauses = Pauses::default();
        CheckpointStates { restored, pieces, rebuilt, to_writer, metrics, pauses, counts }
    }

    fn first_operator(&self) -> &str {
        let operators = self.restored.iter().flat_map(|restored| &restored.manifest.operators);
        operators.map(|(name, _)| &**name).next().unwrap_or_default()
    }

    /// The bytes that wait to be written, for a memory budget.
    pub fn waiting_bytes(&self) -> usize {
        self.counts.waiting_bytes.load(Ordering::Relaxed)
    }
}

/// For how long each worker has encoded states of the commit at hand. All operators of a worker save their shards of a
/// commit one after the other.
#[derive(Default)]
struct Pauses(Mutex<HashMap<ThreadId, (Commit, Duration)>>);

impl Pauses {
    /// A worker has encoded a state; gives for how long it did in an earlier commit, once.
    fn note(&self, commit: Commit, took: Duration) -> Option<Duration> {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, sum) = pauses.entry(thread::current().id()).or_insert((commit, Duration::ZERO));
        if *of == commit {
            *sum += took;
            return None;
        }
        let before = *sum;
        (*of, *sum) = (commit, took);
        Some(before)
    }
}

impl StateStore for CheckpointStates {
    fn restored_through(&self) -> Option<Commit> {
        self.restored.as_ref().map(|checkpoint| checkpoint.manifest.last)
    }

    fn load(&self, operator: &str, shard: Shard) -> Result<Option<SavedState>, StateReadError> {
        failpoint(RESTORE_STATE);
        // All operators of a shard are saved after the same commit.
        let is_rebuilt = self.rebuilt.contains(&operator);
        let of = if is_rebuilt { self.first_operator() } else { operator };
        let piece = self.pieces.get(&(of.to_owned(), shard.0));
        let (Some(checkpoint), Some(piece)) = (&self.restored, piece) else { return Ok(None) };
        let encoded = match is_rebuilt {
            true => None,
            false => Some(checkpoint.read(piece.at)),
        };
        let encoded = encoded.transpose().map_err(|error| StateReadError(error.to_string()))?;
        Ok(Some(SavedState { after: piece.after, encoded }))
    }

    fn save(
        &self,
        operator: &'static str,
        shard: Shard,
        commit: Commit,
        encode: &mut dyn FnMut() -> Vec<u8>,
    ) {
        let began = Instant::now();
        let bytes = encode();
        if let Some(pause) = self.pauses.note(commit, began.elapsed()) {
            self.metrics.state_saved(pause);
        }
        let counts = &self.counts;
        counts.waiting_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        let message = Message::State { operator, shard: shard.0, after: commit, bytes };
        // There is room for all states of a checkpoint, so this does not wait. A writer that is gone has said why.
        let _ = self.to_writer.send(message);
        counts.note_state(commit);
    }
}

impl Counts {
    /// A checkpoint begins with this commit.
    pub(super) fn begin(&self, first: Commit) {
        *self.progress() = Progress { first, handed_over: 0 };
    }

    /// How many states of the checkpoint at hand were handed over.
    pub(super) fn handed_over(&self) -> u64 {
        self.progress().handed_over
    }

    fn note_state(&self, after: Commit) {
        let mut progress = self.progress();
        progress.handed_over += u64::from(after >= progress.first);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
