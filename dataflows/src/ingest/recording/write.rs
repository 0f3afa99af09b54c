//! Writing a recording.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use market::{
    AccountEvent, AccountRecord, Catalog, InstrumentId, ModelId, Numbered, PartitionId,
    PortfolioId, Registries, SharedRegistries, SourceId,
};

use super::file::RecordingFile;
use super::{
    FRAME_BYTES_MAX, Frame, NewNames, RecordingError, RecordingHeader, encode_rules, first_bytes,
};
use crate::ingest::closed_commit::ClosedCommit;
use crate::rules::RunTimeRules;

/// Writes a recording, whose file is locked meanwhile.
pub struct Recorder {
    file: RecordingFile,
    catalog: Arc<Catalog>,
    registries: SharedRegistries,
    named: Named,
    /// Whether it says which rules were put before its first commit.
    has_rules: bool,
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
        let file = RecordingFile::open(path, force)?;
        let named = Named::of_header(&header);
        let has_rules = false;
        let mut recorder = Recorder { file, catalog, registries, named, has_rules };
        recorder.file.append(&first_bytes());
        recorder.frame(&Frame::Header(header))?;
        // From here on, the file is recognisable as a recording.
        recorder.file.flush()?;
        Ok(recorder)
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Appends a commit, and writes it at the end of a round at the latest. `rules` were put before it.
    ///
    /// # Errors
    /// If the file does not take it. What was not written waits, and goes first with [`Recorder::flush`] or the next
    /// commit, so nothing is missing if that goes well.
    pub fn write(
        &mut self,
        closed: &ClosedCommit,
        rules: &RunTimeRules,
    ) -> Result<(), RecordingError> {
        self.append(closed, rules)?;
        self.flush_if_due(closed.binding.round)
    }

    /// Writes what waits if it is much, or a round ends: a process that is killed loses at most the round at hand.
    pub(super) fn flush_if_due(&mut self, is_round: bool) -> Result<(), RecordingError> {
        match is_round || self.file.is_full() {
            true => self.file.flush(),
            false => Ok(()),
        }
    }

    /// Appends a commit to what waits to be written. `rules` were put before it.
    ///
    /// # Errors
    /// If it does not fit into a frame; then the recording lacks it for good.
    pub(super) fn append(
        &mut self,
        closed: &ClosedCommit,
        rules: &RunTimeRules,
    ) -> Result<(), RecordingError> {
        if let Some(names) = self.named.new_names(closed, &self.catalog, &self.registries) {
            self.frame(&Frame::Names(names))?;
        }
        let mut bytes = Vec::new();
        let is_first = !std::mem::replace(&mut self.has_rules, true);
        encode_rules(closed, is_first.then_some(rules), self.file.path(), &mut bytes)?;
        self.file.append(&bytes);
        self.frame(&Frame::of(closed))
    }

    /// Writes what waits to be written.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.file.flush()
    }

    /// Finds out whether its path still leads to the file that it writes.
    pub fn look(&self) -> Result<(), RecordingError> {
        self.file.look()
    }

    /// Writes the file anew if it was removed, as long as nothing else is in its place.
    pub fn put_back(&mut self) -> Result<(), RecordingError> {
        self.file.put_back()
    }

    /// Ends the recording and makes it durable.
    ///
    /// # Errors
    /// If the file does not take the rest, or its path leads to another one.
    pub fn finish(mut self) -> Result<(), RecordingError> {
        self.frame(&Frame::End)?;
        self.file.flush()?;
        self.file.sync()?;
        self.file.look()
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), RecordingError> {
        let mut bytes = Vec::new();
        encode(frame, self.file.path(), &mut bytes)?;
        self.file.append(&bytes);
        Ok(())
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

    /// What has to be named before a commit; none if it uses no name for the first time.
    pub(in crate::ingest) fn new_names(
        &mut self,
        closed: &ClosedCommit,
        catalog: &Catalog,
        registries: &SharedRegistries,
    ) -> Option<NewNames> {
        let mut names = self.of(closed, catalog);
        names.partitions = registries.with(|now| self.new_partitions(now));
        (names != NewNames::default()).then_some(names)
    }

    /// The partitions that were registered since the last commit.
    fn new_partitions(&mut self, registries: &Registries) -> Vec<(SourceId, PartitionId, String)> {
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
    fn of(&mut self, closed: &ClosedCommit, catalog: &Catalog) -> NewNames {
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
