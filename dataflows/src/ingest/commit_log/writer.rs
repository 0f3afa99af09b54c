//! Writing the log.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use market::{Catalog, InstrumentId, SharedRegistries};

use super::syncer::Syncer;
use super::{CommitLogError, LogStatus, OnDurable, StateDir, io as failed};
use crate::failpoints::{LOG_AFTER, LOG_BEFORE, LOG_HALF, failpoint, is_due};
use crate::ingest::closed_commit::ClosedCommit;
use crate::ingest::idempotency::KeyedPost;
use crate::ingest::partition_states::PartitionStates;
use crate::ingest::recording::{self, Frame, Named, NewNames, RecordingHeader};
use crate::ingest::stop::Stop;
use crate::rules::RunTimeRules;

/// How often it is tried again while there is no room.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// How often a stop is looked for meanwhile.
const STOP_POLL: Duration = Duration::from_millis(50);

/// Called with whether the log waits for room, when that changes. Must not block.
pub type OnHeld = Box<dyn Fn(bool) + Send>;

/// What a segment begins with, and what it takes names from.
pub struct LogHeader {
    /// The configuration, the start and the numbers of names.
    pub header: RecordingHeader,
    /// Instruments, portfolios and models.
    pub catalog: Arc<Catalog>,
    /// Partitions of sources.
    pub registries: SharedRegistries,
}

/// Writes the commits of this start.
pub struct CommitLog {
    header: LogHeader,
    path: PathBuf,
    /// The number of the segment.
    segment: u64,
    file: File,
    /// Bytes of whole commits. What is behind them is overwritten.
    bytes: u64,
    frames: Vec<u8>,
    named: Named,
    /// What is known of partitions, and whether the segment at hand says so.
    partitions: PartitionStates,
    has_partitions: bool,
    /// Called when commits are durable; none: they are not made so.
    on_durable: Option<Arc<OnDurable>>,
    syncer: Option<Syncer>,
    /// Ends a wait for room.
    stop: Stop,
    status: LogStatus,
    on_held: OnHeld,
    /// Keeps other processes away.
    state: StateDir,
}

impl CommitLog {
    /// Adds a segment to `state`. With `on_durable` commits are made durable as they come, and it is called with them.
    pub fn begin(
        state: StateDir,
        header: LogHeader,
        on_durable: Option<OnDurable>,
        stop: Stop,
    ) -> Result<CommitLog, CommitLogError> {
        let on_durable = on_durable.map(Arc::new);
        let Begun { file, path, segment, bytes, syncer } =
            begin_segment(&state, &header.header, on_durable.as_ref())?;
        let named = Named::of_header(&header.header);
        let frames = Vec::new();
        Ok(CommitLog {
            header,
            path,
            segment,
            file,
            bytes,
            frames,
            named,
            partitions: PartitionStates::default(),
            has_partitions: false,
            on_durable,
            syncer,
            stop,
            status: LogStatus::default(),
            on_held: Box::new(|_| {}),
            state,
        })
    }

    /// What is known of partitions before the first commit.
    pub fn knows(&mut self, partitions: PartitionStates) {
        self.partitions = partitions;
    }

    /// Tells `status` and `on_held` whether it waits for room.
    pub fn tell(&mut self, status: LogStatus, on_held: OnHeld) {
        (self.status, self.on_held) = (status, on_held);
    }

    /// Ends the segment, which becomes durable, and begins another with the next commit. Returns its number. If that
    /// fails, the log goes on in the segment at hand.
    pub fn roll(&mut self) -> Result<u64, CommitLogError> {
        self.header.header.registries = self.header.registries.snapshot();
        let begun = begin_segment(&self.state, &self.header.header, self.on_durable.as_ref())?;
        self.end_segment()?;
        let Begun { file, path, segment, bytes, syncer } = begun;
        (self.file, self.path, self.segment) = (file, path, segment);
        (self.bytes, self.syncer) = (bytes, syncer);
        self.named = Named::of_header(&self.header.header);
        self.has_partitions = false;
        Ok(segment)
    }

    /// The file of the segment at hand, to make durable what is in it.
    pub fn file(&self) -> Result<File, CommitLogError> {
        self.file.try_clone().map_err(failed("look at", &self.path))
    }

    /// Appends a commit, before which `rules` were put at run time. When this returns, the system has it, so that it
    /// survives the process. While there is no room it waits, and says so; nothing is lost, and sources are held back.
    ///
    /// # Errors
    /// If it cannot be written, or earlier commits could not be made durable.
    pub fn write(
        &mut self,
        closed: &ClosedCommit,
        rules: &RunTimeRules,
    ) -> Result<(), CommitLogError> {
        self.encode(closed, rules)?;
        self.append()?;
        match &self.syncer {
            Some(syncer) => {
                syncer.written(closed.binding.commit).map_err(|why| self.not_durable(why))
            }
            None => Ok(()),
        }
    }

    /// Ends the log and makes it durable.
    pub fn finish(mut self) -> Result<(), CommitLogError> {
        self.end_segment()?;
        self.file.sync_all().map_err(failed("make durable", &self.path))
    }

    fn end_segment(&mut self) -> Result<(), CommitLogError> {
        self.frames.clear();
        recording::encode(&Frame::End, &self.path, &mut self.frames)?;
        self.append()?;
        if let Some(syncer) = self.syncer.take() {
            syncer.finish().map_err(|why| self.not_durable(why))?;
            self.file.sync_data().map_err(failed("make durable", &self.path))?;
        }
        Ok(())
    }

    fn not_durable(&self, problem: String) -> CommitLogError {
        CommitLogError::NotDurable { path: self.path.clone(), problem }
    }

    fn encode(
        &mut self,
        closed: &ClosedCommit,
        rules: &RunTimeRules,
    ) -> Result<(), CommitLogError> {
        self.frames.clear();
        let (path, frames) = (&self.path, &mut self.frames);
        let is_first = !std::mem::replace(&mut self.has_partitions, true);
        if is_first {
            recording::encode(&Frame::Partitions(self.partitions.clone()), path, frames)?;
        }
        self.partitions.note(closed);
        if let Some(names) =
            self.named.new_names(closed, &self.header.catalog, &self.header.registries)
        {
            let scales = scales(&names, &self.header.catalog);
            recording::encode(&Frame::Names(names), path, frames)?;
            if !scales.is_empty() {
                recording::encode(&Frame::Scales(scales), path, frames)?;
            }
        }
        if !closed.posts.is_empty() {
            let posts = closed.posts.iter().map(|post| KeyedPost::clone(post)).collect();
            recording::encode(&Frame::Posts(posts), path, frames)?;
        }
        recording::encode_rules(closed, is_first.then_some(rules), path, frames)?;
        Ok(recording::encode(&Frame::of(closed), path, frames)?)
    }

    /// Writes the frames at hand behind the whole commits.
    fn append(&mut self) -> Result<(), CommitLogError> {
        let mut has_told = false;
        loop {
            match self.try_append() {
                Ok(()) if has_told => {
                    self.status.set(None);
                    (self.on_held)(false);
                    tracing::info!(
                        "there is room again: the commit log {} goes on",
                        self.path.display()
                    );
                    return Ok(());
                }
                Ok(()) => return Ok(()),
                Err(error) if is_full(&error) && !self.stop.is_set() => {
                    if !std::mem::replace(&mut has_told, true) {
                        let path = self.path.display();
                        self.status.set(Some(format!("{path} cannot be written: {error}")));
                        (self.on_held)(true);
                        tracing::error!(
                            "{error}: the commit log {} cannot be written; sources are held back until there is room",
                            self.path.display()
                        );
                    }
                    self.pause();
                }
                Err(error) => return Err(failed("write", &self.path)(error)),
            }
        }
    }

    fn try_append(&mut self) -> io::Result<()> {
        failpoint(LOG_BEFORE);
        self.file.seek(SeekFrom::Start(self.bytes))?;
        if is_due(LOG_HALF) {
            self.file.write_all(&self.frames[..self.frames.len() / 2])?;
            std::process::abort();
        }
        self.file.write_all(&self.frames)?;
        failpoint(LOG_AFTER);
        self.bytes += self.frames.len() as u64;
        Ok(())
    }

    fn pause(&self) {
        let mut left = FULL_PAUSE;
        while !left.is_zero() && !self.stop.is_set() {
            thread::sleep(STOP_POLL);
            left = left.saturating_sub(STOP_POLL);
        }
    }
}

/// A segment that has its header.
struct Begun {
    file: File,
    path: PathBuf,
    segment: u64,
    bytes: u64,
    syncer: Option<Syncer>,
}

fn begin_segment(
    state: &StateDir,
    header: &RecordingHeader,
    on_durable: Option<&Arc<OnDurable>>,
) -> Result<Begun, CommitLogError> {
    let begin = |file: &mut File, path: &Path| {
        let mut bytes = recording::first_bytes();
        recording::encode(&Frame::Header(header.clone()), path, &mut bytes)?;
        file.write_all(&bytes).map_err(failed("write", path))
    };
    let (file, path, segment) = state.add_segment(begin)?;
    let bytes = file.metadata().map_err(failed("look at", &path))?.len();
    let syncer =
        on_durable.map(|on_durable| Syncer::start(file.try_clone()?, Arc::clone(on_durable)));
    let syncer = syncer.transpose().map_err(failed("make durable", &path))?;
    Ok(Begun { file, path, segment, bytes, syncer })
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// The decimals of prices and sizes of instruments that are named for the first time.
fn scales(names: &NewNames, catalog: &Catalog) -> Vec<(String, u8, u8)> {
    let of = |name: &String| {
        let spec = catalog.get(InstrumentId::of(name))?.spec;
        Some((name.clone(), spec.price_scale, spec.quantity_scale))
    };
    names.instruments.iter().filter_map(of).collect()
}
