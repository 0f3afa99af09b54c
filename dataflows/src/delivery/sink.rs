//! Adapts a sink to the handler trait.

use std::sync::Arc;

use connectors::{BatchKind, Encoding, Sink, SinkBatch, SinkError, SinkRecord, SinkWriter};
use market::{Catalog, Commit};

use super::encode::Encoder;
use super::handler::{DeliverError, DeltaBatch, DeltaHandler, DeltaKind};
use rows::View;

/// Writes the batches of one view to a sink.
pub struct SinkHandler {
    sink: Arc<dyn Sink>,
    /// None before the first batch and after an error.
    writer: Option<Box<dyn SinkWriter>>,
    run: Arc<str>,
    encoder: Encoder,
    /// The current batch, encoded once for all its attempts.
    encoded: Option<((Commit, usize), Vec<SinkRecord>)>,
}

impl SinkHandler {
    /// Writes to `sink`; `run` is the name of the run in its records.
    pub fn new(
        sink: Arc<dyn Sink>,
        run: Arc<str>,
        catalog: Arc<Catalog>,
        (encoding, numbers_as_strings): (Encoding, bool),
    ) -> SinkHandler {
        let encoder = Encoder::new(catalog, encoding, numbers_as_strings);
        SinkHandler { sink, writer: None, run, encoder, encoded: None }
    }

    fn write(&mut self, batch: &DeltaBatch<'_>) -> Result<(), SinkError> {
        let DeltaBatch { view, kind, after, commit, at, part, last, .. } = *batch;
        let id = (commit, part);
        let records = match &self.encoded {
            Some((encoded, records)) if *encoded == id => records,
            _ => &self.encoded.insert((id, self.encoder.records(batch))).1,
        };
        let kind = match kind {
            DeltaKind::Snapshot => BatchKind::Snapshot,
            DeltaKind::Resync => BatchKind::Resync,
            DeltaKind::Changes => BatchKind::Changes,
        };
        let (run, view) = (&*self.run, view.name);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.sink.open(view)?),
        };
        writer.write(&SinkBatch { run, view, kind, after, commit, at, part, last, records })
    }

    /// Maps a sink error. The writer is dropped, and the next attempt opens a new one.
    fn map_error(&mut self, outcome: Result<(), SinkError>) -> Result<(), DeliverError> {
        outcome.map_err(|error| {
            self.writer = None;
            match error {
                SinkError::Retry { .. } => DeliverError::Retry(error.into()),
                SinkError::Forgotten { .. } => {
                    self.encoded = None; // a snapshot of the same commit is another batch
                    DeliverError::Resync(error.into())
                }
                _ => DeliverError::GiveUp(error.into()),
            }
        })
    }
}

impl DeltaHandler for SinkHandler {
    fn deliver(&mut self, batch: &DeltaBatch<'_>) -> Result<(), DeliverError> {
        let outcome = self.write(batch);
        self.map_error(outcome)?;
        self.encoded = None;
        Ok(())
    }

    fn check(&mut self, view: &'static View, commit: Commit) -> Result<(), DeliverError> {
        let checked = match &mut self.writer {
            Some(writer) => writer.check(&self.run, commit),
            None => self
                .sink
                .open(view.name)
                .and_then(|writer| self.writer.insert(writer).check(&self.run, commit)),
        };
        self.map_error(checked)
    }

    fn close(&mut self) -> Result<(), DeliverError> {
        let outcome = self.writer.as_mut().map_or(Ok(()), |writer| writer.close());
        self.map_error(outcome)
    }
}
