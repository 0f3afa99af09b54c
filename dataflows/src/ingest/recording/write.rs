//! Writing a recording.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use market::{AccountEvent, AccountRecord, Catalog, InstrumentId, ModelId, PortfolioId};

use super::{
    FRAME_BYTES_MAX, Frame, Header, MAGIC, NewNames, Recording, RecordingError, VERSION, io,
};
use crate::ingest::handover::Sealed;

/// Writes a recording.
pub struct Recorder {
    path: PathBuf,
    file: BufWriter<File>,
    catalog: Arc<Catalog>,
    named: Named,
}

/// What has been named in a recording.
#[derive(Default)]
struct Named {
    instruments: HashSet<InstrumentId>,
    portfolios: HashSet<PortfolioId>,
    models: HashSet<ModelId>,
}

impl Recorder {
    /// Starts a recording at `path`; an earlier recording there is replaced.
    pub fn create(
        path: &Path,
        header: Header,
        catalog: Arc<Catalog>,
    ) -> Result<Recorder, RecordingError> {
        let path = path.to_owned();
        let holds_something = path.metadata().is_ok_and(|about| about.is_file() && about.len() > 0);
        if holds_something && !Recording::is_at(&path) {
            return Err(RecordingError::NotReplaced { path });
        }
        let file = File::create(&path).map_err(io("create", &path))?;
        let mut recorder =
            Recorder { path, file: BufWriter::new(file), catalog, named: Named::default() };
        let magic = [&MAGIC[..], VERSION].concat();
        recorder.file.write_all(&magic).map_err(io("write", &recorder.path))?;
        recorder.frame(&Frame::Header(header))?;
        Ok(recorder)
    }

    /// Appends a commit.
    pub fn write(&mut self, sealed: &Sealed) -> Result<(), RecordingError> {
        let names = self.named.of(sealed, &self.catalog);
        if names != NewNames::default() {
            self.frame(&Frame::Names(names))?;
        }
        let Sealed { binding, records, accounts, refused, .. } = sealed;
        self.frame(&Frame::Commit {
            binding: Cow::Borrowed(binding),
            records: Cow::Borrowed(records),
            accounts: Cow::Borrowed(accounts),
            refused: Cow::Borrowed(refused),
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
        self.file.get_ref().sync_all().map_err(io("write", &self.path))
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), RecordingError> {
        let payload = postcard::to_stdvec(frame).map_err(|error| RecordingError::Io {
            what: "encode a frame of",
            path: self.path.clone(),
            source: std::io::Error::other(error),
        })?;
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        if length > FRAME_BYTES_MAX {
            let problem =
                format!("a commit takes {} bytes, {FRAME_BYTES_MAX} at most", payload.len());
            return Err(RecordingError::Damaged { path: self.path.clone(), at: 0, problem });
        }
        let checksum = crc32fast::hash(&payload);
        [&length.to_le_bytes()[..], &checksum.to_le_bytes(), &payload]
            .into_iter()
            .try_for_each(|part| self.file.write_all(part))
            .map_err(io("write", &self.path))
    }
}

impl Named {
    /// The names that a commit is the first to use.
    fn of(&mut self, sealed: &Sealed, catalog: &Catalog) -> NewNames {
        let mut new = NewNames::default();
        let name = |instrument, known: &mut HashSet<_>, new: &mut Vec<String>| {
            if known.insert(instrument) {
                new.push(catalog.name(instrument).to_string());
            }
        };
        for record in &sealed.records {
            name(record.event.instrument(), &mut self.instruments, &mut new.instruments);
        }
        for AccountRecord { event, .. } in &sealed.accounts {
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
