//! The thread that writes copies.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use market::{Commit, Generation};
use object_copy::{CopyError, CopyStep, CopyStore, CopyWriter, StateOwner};

use super::files::{Checksums, CollectError, StateFiles};
use super::{CopyStatus, CopyTarget};
use crate::failpoints::{COPY_DONE, COPY_FILES, COPY_PART, COPY_REMOVE, failpoint};
use crate::ingest::causes::with_causes;
use crate::ingest::checkpoints::CheckpointStatus;
use crate::ingest::commit_log::{CommitLogError, state_id};
use crate::telemetry::Metrics;

/// How often it is looked whether there is a new checkpoint.
const POLL: Duration = Duration::from_millis(200);
/// After a failure it is tried again after this long, then twice as long, and so on up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long an orderly end waits for the last copy.
const LAST_COPY_MAX: Duration = Duration::from_secs(30);
/// How often the last copy is tried.
const LAST_TRIES: usize = 3;
/// How often the files are looked up again at once because older ones were removed meanwhile.
const COLLECT_TRIES: usize = 5;

/// What is copied, and where to.
pub struct CopyPlan {
    /// The state directory.
    pub folder: PathBuf,
    /// Where to.
    pub target: CopyTarget,
    /// The start of the job.
    pub generation: Generation,
    /// The last commit that the state had when this start took it up.
    pub began_through: Option<Commit>,
    /// The checkpoints of the job.
    pub checkpoints: CheckpointStatus,
    /// What to tell.
    pub status: CopyStatus,
    /// Where to count.
    pub metrics: Metrics,
}

/// Writes copies of a job's state until it is dropped or finished.
pub struct StateCopier {
    shared: Arc<Shared>,
    status: CopyStatus,
}

#[derive(Default)]
struct Shared {
    control: Mutex<Control>,
    moved: Condvar,
}

#[derive(Default)]
struct Control {
    /// One more copy, then the end.
    is_ending: bool,
    /// The end, at once.
    is_given_up: bool,
    has_ended: bool,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
enum NotCopied {
    #[error(transparent)]
    Files(#[from] CollectError),
    #[error(transparent)]
    Log(#[from] CommitLogError),
    #[error(transparent)]
    Copy(#[from] CopyError),
}

impl NotCopied {
    fn is_final(&self) -> bool {
        matches!(self, NotCopied::Copy(error) if error.is_final())
    }
}

impl StateCopier {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system starts no thread.
    pub fn start(plan: CopyPlan) -> io::Result<StateCopier> {
        let (shared, status) = (Arc::<Shared>::default(), plan.status.clone());
        plan.metrics.copying_since(Instant::now());
        let copies = Copies {
            plan,
            shared: Arc::clone(&shared),
            writer: None,
            checksums: Checksums::default(),
            copied: None,
        };
        let thread = thread::Builder::new().name("state-copy".to_owned());
        thread.spawn(move || copies.run())?; // ends by itself: nobody waits longer than for a while
        Ok(StateCopier { shared, status })
    }

    /// Has one more copy written, of a directory that nobody writes to any more, and waits for it, but not for longer than
    /// 30 s. Says why there is none.
    pub fn finish(self) -> Option<String> {
        let mut control = self.shared.control.lock().unwrap_or_else(PoisonError::into_inner);
        control.is_ending = true;
        self.shared.moved.notify_all();
        let waited =
            self.shared.moved.wait_timeout_while(control, LAST_COPY_MAX, |own| !own.has_ended);
        let has_ended = waited.is_ok_and(|(own, _)| own.has_ended);
        let in_time = || format!("it was not complete within {} s", LAST_COPY_MAX.as_secs());
        if has_ended { self.status.report().failed } else { Some(in_time()) }
    }
}

impl Drop for StateCopier {
    fn drop(&mut self) {
        self.shared.control.lock().unwrap_or_else(PoisonError::into_inner).is_given_up = true;
        self.shared.moved.notify_all();
    }
}

/// What the thread owns.
struct Copies {
    plan: CopyPlan,
    shared: Arc<Shared>,
    /// None before the first copy.
    writer: Option<CopyWriter>,
    checksums: Checksums,
    /// The checkpoint of the last copy.
    copied: Option<u64>,
}

impl Copies {
    fn run(mut self) {
        let mut pause = PAUSE;
        let mut due = Instant::now();
        while let Some(is_ending) = self.wait() {
            if is_ending {
                self.last();
                break;
            }
            let newest = self.plan.checkpoints.report().newest.map(|(number, _)| number);
            if newest.is_none() || newest == self.copied || Instant::now() < due {
                continue;
            }
            match self.copy() {
                Ok(()) => pause = PAUSE,
                Err(error) if error.is_final() => {
                    self.note(&error);
                    break;
                }
                Err(error) => {
                    self.note(&error);
                    (due, pause) = (Instant::now() + pause, (2 * pause).min(PAUSE_MAX));
                }
            }
        }
        self.shared.control.lock().unwrap_or_else(PoisonError::into_inner).has_ended = true;
        self.shared.moved.notify_all();
    }

    /// Waits a moment; whether the job is ending. None: there is nothing more to do.
    fn wait(&self) -> Option<bool> {
        let control = self.shared.control.lock().unwrap_or_else(PoisonError::into_inner);
        let wakes = |own: &mut Control| !own.is_ending && !own.is_given_up;
        let waited = self.shared.moved.wait_timeout_while(control, POLL, wakes);
        let (control, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (!control.is_given_up).then_some(control.is_ending)
    }

    fn last(&mut self) {
        for tried in 1..=LAST_TRIES {
            match self.copy() {
                Ok(()) => return,
                Err(error) => {
                    self.note(&error);
                    if error.is_final() || self.is_given_up() || tried == LAST_TRIES {
                        return;
                    }
                }
            }
            thread::sleep(PAUSE);
        }
    }

    fn note(&self, error: &NotCopied) {
        let mut status = self.plan.status.lock();
        status.failed = Some(with_causes(error));
        status.is_given_up = error.is_final();
    }

    fn is_given_up(&self) -> bool {
        self.shared.control.lock().unwrap_or_else(PoisonError::into_inner).is_given_up
    }

    /// Copies what there is now.
    fn copy(&mut self) -> Result<(), NotCopied> {
        let began = Instant::now();
        let Some(StateFiles { checkpoint, through, mut files }) = self.collect()? else {
            return Ok(());
        };
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.open()?,
        };
        let (metrics, shared) = (self.plan.metrics.clone(), Arc::clone(&self.shared));
        let copied = writer.copy(through.0, &mut files, &mut |step| {
            match step {
                CopyStep::Uploaded(bytes) => {
                    metrics.state_copied(bytes);
                    failpoint(COPY_PART);
                }
                CopyStep::Files => failpoint(COPY_FILES),
                CopyStep::Index => failpoint(COPY_DONE),
                CopyStep::Removal => failpoint(COPY_REMOVE),
            }
            !shared.control.lock().unwrap_or_else(PoisonError::into_inner).is_given_up
        });
        self.writer = Some(writer);
        let copied = copied?;
        self.copied = Some(checkpoint);
        self.plan.metrics.copying_since(began);
        let mut status = self.plan.status.lock();
        status.last = Some((began, through));
        status.failed = copied.unremoved;
        drop(status);
        tracing::debug!(
            "checkpoint {checkpoint} through commit {through} is copied to {}: {} of {} bytes in {:.2} s",
            self.plan.target.url,
            copied.uploaded,
            copied.bytes,
            began.elapsed().as_secs_f64(),
        );
        Ok(())
    }

    fn collect(&mut self) -> Result<Option<StateFiles>, CollectError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match StateFiles::collect_with(&self.plan.folder, &mut self.checksums) {
                Err(error) if error.is_removed() && tries < COLLECT_TRIES => {}
                collected => return collected,
            }
        }
    }

    fn open(&self) -> Result<CopyWriter, NotCopied> {
        let CopyPlan { folder, target, generation, began_through, .. } = &self.plan;
        let owner = StateOwner {
            state: state_id(folder)?,
            generation: generation.0,
            began_through: began_through.map(|commit| commit.0),
        };
        Ok(CopyWriter::new(CopyStore::open(&target.url, &target.options)?, owner))
    }
}
