//! Writing a recording.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::FileKey;
use market::{
    AccountEvent, AccountRecord, Catalog, InstrumentId, ModelId, Numbered, PartitionId,
    PortfolioId, Registries, SharedRegistries, SourceId,
};

use super::{
    FRAME_BYTES_MAX, Frame, NewNames, Recording, RecordingError, RecordingHeader, first_bytes, io,
};
use crate::ingest::closed_commit::ClosedCommit;

/// Writes a recording, whose file is locked meanwhile.
pub struct Recorder {
    path: PathBuf,
    file: BufWriter<File>,
    catalog: Arc<Catalog>,
    registries: SharedRegistries,
    named: Named,
}

/// What has been named in a recording.
#[derive(Default)]
pub(in crate::ingest) struct Named {
    instruments: HashSet<InstrumentId>,
    portfolios: HashSet<PortfolioId>,
    models: HashSet<ModelId>,
    /// How many partitions of each source, by number.
    partitions: Vec<usize>,
}

impl Recorder {
    /// Starts a recording at `path`. A file there that holds something is replaced only if `force` says so, and one
    /// that is being recorded never is. A device or pipe is written to as it is.
    pub fn create(
        path: &Path,
        header: RecordingHeader,
        (catalog, registries): (Arc<Catalog>, SharedRegistries),
        force: bool,
    ) -> Result<Recorder, RecordingError> {
        let path = path.to_owned();
        let file = opened(&path, force)?;
        let named = Named::of_header(&header);
        let file = BufWriter::new(file);
        let mut recorder = Recorder { path, file, catalog, registries, named };
        recorder.file.write_all(&first_bytes()).map_err(io("write", &recorder.path))?;
        recorder.frame(&Frame::Header(header))?;
        // From here on, the file is recognisable as a recording.
        recorder.file.flush().map_err(io("write", &recorder.path))?;
        Ok(recorder)
    }

    /// Appends a commit.
    pub fn write(&mut self, closed: &ClosedCommit) -> Result<(), RecordingError> {
        let mut names = self.named.of(closed, &self.catalog);
        names.partitions = self.registries.with(|now| self.named.new_partitions(now));
        if names != NewNames::default() {
            self.frame(&Frame::Names(names))?;
        }
        let ClosedCommit { binding, records, accounts, id_texts, refused, control, .. } = closed;
        self.frame(&Frame::Commit {
            binding: Cow::Borrowed(binding),
            records: Cow::Borrowed(records),
            accounts: Cow::Borrowed(accounts),
            id_texts: Cow::Borrowed(id_texts),
            refused: Cow::Borrowed(refused),
            control: Cow::Borrowed(control),
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
        let synced = self.file.get_ref().sync_all();
        if let Ok(about) = self.file.get_ref().metadata()
            && FileKey::of(&self.path) != FileKey::of_open(&about)
        {
            tracing::warn!(
                "the recording is lost: {} was removed or replaced while it was written",
                self.path.display()
            );
        }
        synced.map_err(io("write", &self.path))
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), RecordingError> {
        let mut bytes = Vec::new();
        encode(frame, &self.path, &mut bytes)?;
        self.file.write_all(&bytes).map_err(io("write", &self.path))
    }
}

/// Appends a frame with its head to `bytes`. `path` is where it will be, for errors.
pub(in crate::ingest) fn encode(
    frame: &Frame<'_>,
    path: &Path,
    bytes: &mut Vec<u8>,
) -> Result<(), RecordingError> {
    let payload = postcard::to_stdvec(frame).map_err(|error| RecordingError::Io {
        what: "encode a frame of",
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })?;
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    if length > FRAME_BYTES_MAX {
        let problem = format!("a commit takes {} bytes, {FRAME_BYTES_MAX} at most", payload.len());
        return Err(RecordingError::Damaged { path: path.to_owned(), at: 0, problem });
    }
    let checksum = crc32fast::hash(&payload);
    let head = [length.to_le_bytes(), checksum.to_le_bytes()].concat();
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(())
}

/// Opens the file of a recording, locks it, and empties it.
fn opened(path: &Path, force: bool) -> Result<File, RecordingError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(path);
    let file = file.map_err(io("create", path))?;
    let about = file.metadata().map_err(io("look at", path))?;
    if !about.is_file() {
        return Ok(file);
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(RecordingError::Locked { path: path.to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(io("lock", path)(error)),
    }
    if about.len() > 0 && !force {
        let what = if Recording::is_at(path) { "a recording" } else { "not a recording" };
        return Err(RecordingError::NotReplaced { path: path.to_owned(), what });
    }
    file.set_len(0).map_err(io("empty", path))?;
    Ok(file)
}

/// How many partitions each source has had, by number.
fn counts(registries: &Registries) -> Vec<usize> {
    let sources = &registries.sources;
    let count = |number| sources.partitions(SourceId::of_number(number)).len();
    (0..sources.names().len()).map(count).collect()
}

impl Named {
    /// What the header of a recording names.
    pub(in crate::ingest) fn of_header(header: &RecordingHeader) -> Named {
        Named { partitions: counts(&header.registries), ..Named::default() }
    }

    /// The partitions that were registered since the last commit.
    pub(in crate::ingest) fn new_partitions(
        &mut self,
        registries: &Registries,
    ) -> Vec<(SourceId, PartitionId, String)> {
        let mut new = Vec::new();
        for (number, named) in self.partitions.iter_mut().enumerate() {
            let source = SourceId::of_number(number);
            let all = registries.sources.partitions(source);
            let unnamed = all.iter().enumerate().skip(*named);
            new.extend(unnamed.map(|(partition, name)| {
                (source, PartitionId::of_number(partition), name.clone())
            }));
            *named = all.len();
        }
        new
    }

    /// The names that a commit is the first to use.
    pub(in crate::ingest) fn of(&mut self, closed: &ClosedCommit, catalog: &Catalog) -> NewNames {
        let mut new = NewNames::default();
        let name = |instrument, known: &mut HashSet<_>, new: &mut Vec<String>| {
            if known.insert(instrument) {
                new.push(catalog.name(instrument).to_string());
            }
        };
        for record in &closed.records {
            name(record.event.instrument(), &mut self.instruments, &mut new.instruments);
        }
        for AccountRecord { event, .. } in &closed.accounts {
            let (instrument, portfolio, model) = match event {
                AccountEvent::Fill(fill) | AccountEvent::Correct(fill) => {
                    (Some(fill.instrument), Some(fill.name.portfolio), None)
                }
                AccountEvent::Bust { of, .. } => (None, Some(of.portfolio), None),
                AccountEvent::Target(target) => {
                    (Some(target.instrument), Some(target.portfolio), None)
                }
                AccountEvent::Fair(fair) => (Some(fair.instrument), None, Some(fair.model)),
            };
            if let Some(instrument) = instrument {
                name(instrument, &mut self.instruments, &mut new.instruments);
            }
            if let Some(portfolio) = portfolio.filter(|p| self.portfolios.insert(*p)) {
                new.portfolios.push(catalog.portfolios.name(portfolio).to_string());
            }
            if let Some(model) = model.filter(|m| self.models.insert(*m)) {
                new.models.push(catalog.models.name(model).to_string());
            }
        }
        new
    }
}
