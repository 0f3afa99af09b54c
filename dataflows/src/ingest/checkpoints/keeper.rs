//! Decides when checkpoints are taken, and which shards a commit saves.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use market::{Commit, Generation, Shard};
use node_api::Throttle;

use super::checkpoint::Checkpoint;
use super::manifest::ReplayStart;
use super::messages::{Finish, Message};
use super::states::{CheckpointStates, Counts};
use super::writer::{CheckpointStatus, Writer};
use crate::ingest::causes::with_causes;
use crate::ingest::promises::SavedPromises;
use crate::publish::Board;
use crate::telemetry::Metrics;

/// No commit saves more, as far as the sizes of the shards are known: a worker encodes so much in a millisecond or two.
const BYTES_PER_COMMIT: u64 = 1 << 20;
/// The size of a shard that was never saved.
const UNKNOWN_BYTES: u64 = 64 << 10;
/// While more waits to be written, no commit saves any.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// After a failure it is tried again after this long at the latest.
const RETRY: Duration = Duration::from_secs(10);

/// What a job's checkpoints are taken of.
pub struct CheckpointPlan {
    /// The state directory.
    pub folder: PathBuf,
    /// How long after the beginning of one the next begins; none: only at an orderly end.
    pub every: Option<Duration>,
    /// Whether segments of the log stay although no checkpoint needs them.
    pub keep_log: bool,
    /// The operators that save states, with the versions of their form.
    pub operators: Vec<(&'static str, u32)>,
    /// Those of them whose states in the restored checkpoint are not taken, and made anew.
    pub rebuilt: Vec<&'static str>,
    /// The start of the job.
    pub generation: Generation,
    /// The configuration as TOML.
    pub config: Arc<str>,
    /// The number of the next checkpoint.
    pub next: u64,
}

/// Takes the checkpoints of a job.
pub struct CheckpointKeeper {
    plan: CheckpointPlan,
    workers: usize,
    counts: Arc<Counts>,
    status: CheckpointStatus,
    to_writer: SyncSender<Message>,
    writer: Option<JoinHandle<()>>,
    open: Option<Open>,
    due: Instant,
    warnings: Throttle,
}

/// A checkpoint that has begun.
struct Open {
    number: u64,
    start: ReplayStart,
    promises: SavedPromises,
    began: Instant,
    /// The shards before this one are saved, or their commit is on its way.
    next_shard: u16,
    /// The last commit that saves any.
    last: Commit,
    /// Whether the writer was told that all states are there.
    is_finishing: bool,
    log: Option<File>,
}

impl CheckpointKeeper {
    /// Starts the thread that writes. `restored` is the checkpoint from which the job goes on.
    pub fn start(
        plan: CheckpointPlan,
        restored: Option<Checkpoint>,
        workers: usize,
        board: &Arc<Board>,
        metrics: Metrics,
    ) -> io::Result<(CheckpointKeeper, Arc<CheckpointStates>)> {
        // All states of a checkpoint and a few of one that was given up; so no worker waits for room.
        let room = 2 * plan.operators.len() * Shard::COUNT + 16;
        let (to_writer, messages) = sync_channel(room);
        let restored = restored.map(Arc::new);
        let previous = restored.as_ref().map(|checkpoint| checkpoint.manifest.clone());
        let states = CheckpointStates::new(restored, &plan.rebuilt, to_writer.clone(), metrics);
        let status = CheckpointStatus::default();
        status.lock().newest =
            previous.as_ref().map(|manifest| (manifest.number, manifest.start.commit));
        let writer = Writer {
            folder: plan.folder.clone(),
            operators: plan.operators.clone(),
            keep_log: plan.keep_log,
            board: Arc::clone(board),
            counts: Arc::clone(&states.counts),
            status: status.clone(),
            previous,
            written: HashMap::new(),
        };
        let thread = thread::Builder::new().name("checkpoints".to_owned());
        let thread = thread.spawn(move || writer.run(&messages))?;
        let now = Instant::now();
        let due = plan.every.map_or(now, |every| now + every);
        let keeper = CheckpointKeeper {
            plan,
            workers,
            counts: Arc::clone(&states.counts),
            status,
            to_writer,
            writer: Some(thread),
            open: None,
            due,
            warnings: Throttle::default(),
        };
        Ok((keeper, Arc::new(states)))
    }

    /// How the checkpoints are.
    pub fn status(&self) -> CheckpointStatus {
        self.status.clone()
    }

    /// Whether the next commit begins one.
    pub fn is_due(&self, now: Instant) -> bool {
        let is_due = || self.plan.every.is_some() && self.due <= now;
        self.open.is_none() && (is_due() || self.status.is_requested())
    }

    /// Begins a checkpoint with the commit at hand. `promises` are those before it, and `log` is the file that has this
    /// commit and later ones. One that is open is given up.
    pub fn begin(&mut self, start: ReplayStart, promises: SavedPromises, log: File, now: Instant) {
        if self.open.take_if(|open| !open.is_finishing).is_some() {
            let _ = self.to_writer.send(Message::Abandon); // a writer that is gone has said why
        }
        let number = self.plan.next;
        self.plan.next += 1;
        self.counts.begin(start.commit);
        self.status.begins(number);
        let _ = self.to_writer.send(Message::Begin { number, first: start.commit });
        self.open = Some(Open {
            number,
            last: start.commit,
            start,
            promises,
            began: now,
            next_shard: 0,
            is_finishing: false,
            log: Some(log),
        });
        self.due = now + self.plan.every.unwrap_or_default();
    }

    /// None can begin now, for this reason; it is tried again later.
    pub fn postpone(&mut self, why: &(dyn std::error::Error + 'static), now: Instant) {
        let text = with_causes(why);
        if let Some(told) = self.warnings.happened(now) {
            tracing::error!(
                "no checkpoint can begin, so the log is kept whole and grows: {text}{told}"
            );
        }
        self.status.lock().failed = Some(text);
        self.due = now + self.plan.every.map_or(RETRY, |every| every.max(RETRY));
    }

    /// The shards that a commit saves: a few, or with `all` those that are left.
    pub fn shards_of(&mut self, commit: Commit, all: bool) -> Range<u16> {
        let expected = self.expected();
        let Some(open) = &mut self.open else { return 0..0 };
        let handed_over = self.counts.handed_over();
        let waiting = self.counts.waiting_bytes.load(Ordering::Relaxed);
        let first = open.next_shard;
        if usize::from(first) == Shard::COUNT
            || !all && (handed_over < expected || waiting > WAITING_BYTES_MAX)
        {
            return 0..0;
        }
        let end = match all {
            true => Shard::COUNT as u16,
            false => {
                let sizes = self.counts.shard_bytes.lock().unwrap_or_else(PoisonError::into_inner);
                group(&sizes, first, self.workers)
            }
        };
        (open.next_shard, open.last) = (end, commit);
        first..end
    }

    /// How many states the shards have whose commits are on their way.
    fn expected(&self) -> u64 {
        let shards = self.open.as_ref().map_or(0, |open| open.next_shard);
        u64::from(shards) * self.plan.operators.len() as u64
    }

    /// Looks how far the checkpoint is; all commits before `complete_before` are complete.
    pub fn tend(&mut self, complete_before: u64, now: Instant) {
        let expected = self.expected();
        let Some(open) = &mut self.open else { return };
        let report = self.status.report();
        if report.ended >= open.number {
            self.open = None;
            if let Some(why) = report.failed {
                self.due = now + self.plan.every.map_or(RETRY, |every| every.min(RETRY));
                if let Some(told) = self.warnings.happened(now) {
                    tracing::error!(
                        "no checkpoint can be written, so the log is kept whole and grows: {why}{told}"
                    );
                }
            }
            return;
        }
        let is_whole = usize::from(open.next_shard) == Shard::COUNT
            && self.counts.handed_over() >= expected
            && complete_before > open.last.0;
        if is_whole && !open.is_finishing {
            open.is_finishing = true;
            let finish = Finish {
                generation: self.plan.generation,
                config: Arc::clone(&self.plan.config),
                start: open.start.clone(),
                promises: std::mem::take(&mut open.promises),
                last: open.last,
                log: open.log.take(),
                began: open.began,
            };
            let _ = self.to_writer.send(Message::Finish(Box::new(finish)));
        }
    }

    /// Ends the thread, after it has written what is whole: all commits are complete. Says why the last attempt failed,
    /// if it did.
    pub fn finish(mut self) -> Option<String> {
        self.tend(u64::MAX, Instant::now());
        self.end();
        self.status.report().failed
    }

    fn end(&mut self) {
        let _ = self.to_writer.send(Message::End);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join(); // a panic was told
        }
    }
}

impl Drop for CheckpointKeeper {
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.end();
        }
    }
}

/// Up to which shard a commit saves that begins with `first`: as many as [`BYTES_PER_COMMIT`] holds on each worker, and
/// one per worker at least.
fn group(sizes: &[u64; Shard::COUNT], first: u16, workers: usize) -> u16 {
    let first = usize::from(first);
    let mut bytes = 0;
    let fits = sizes[first..].iter().enumerate().take_while(|(place, size)| {
        bytes += if **size == 0 { UNKNOWN_BYTES } else { **size };
        *place < workers || bytes <= BYTES_PER_COMMIT * workers as u64
    });
    (first + fits.count()) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_saves_what_a_worker_encodes_in_a_moment() {
        let mut sizes = [0; Shard::COUNT];
        assert_eq!(group(&sizes, 0, 1), 16, "of unknown size");
        assert_eq!(group(&sizes, 250, 1), 256, "the last ones");
        sizes = [1; Shard::COUNT];
        assert_eq!(group(&sizes, 0, 2), 256);
        sizes[3] = 100 << 20;
        assert_eq!(group(&sizes, 0, 1), 3);
        assert_eq!(group(&sizes, 3, 1), 4, "one at least");
        assert_eq!(group(&sizes, 4, 1), 256);
        assert_eq!(group(&sizes, 2, 3), 5, "one for each worker");
    }
}
