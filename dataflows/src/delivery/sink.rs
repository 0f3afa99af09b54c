//! Adapts a sink to the handler trait.

use std::sync::Arc;

use connectors::{
    BatchKind, Encoding, Sink, SinkBatch, SinkError, SinkOutcomes, SinkRecord, SinkWriter,
};
use market::{Catalog, Commit};

use super::encode::Encoder;
use super::handler::{
    CompleteView, DeliverError, DeltaBatch, DeltaHandler, DeltaKind, PART_DELTAS,
};
use super::missing_rows::missing;
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
    /// What became of records, of writers that are gone.
    outcomes: SinkOutcomes,
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
        let outcomes = SinkOutcomes::default();
        SinkHandler { sink, writer: None, run, encoder, encoded: None, outcomes }
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
        let writer = opened(&mut self.writer, &*self.sink, view)?;
        writer.write(&SinkBatch { run, view, kind, after, commit, at, part, last, records })
    }

    /// Writes deletions for what [`missing`] says, as changes of the commit that was delivered last.
    fn write_deletions(&mut self, complete: &CompleteView) -> Result<usize, SinkError> {
        let CompleteView { view, commit, at, .. } = *complete;
        let (run, view) = (&*self.run, view.name);
        let writer = opened(&mut self.writer, &*self.sink, view)?;
        let missing = missing(complete, writer.earlier_keys(run)?, self.encoder.catalog());
        let deleted = |key: &String| SinkRecord { key: key.clone(), now: None, before: None };
        let records: Vec<SinkRecord> = missing.iter().map(deleted).collect();
        let parts = records.chunks(PART_DELTAS);
        let (kind, after, count) = (BatchKind::Changes, Some(commit), parts.len());
        for (part, records) in parts.enumerate() {
            let last = part + 1 == count;
            writer.write(&SinkBatch { run, view, kind, after, commit, at, part, last, records })?;
        }
        Ok(records.len())
    }

    /// Takes from the writer what became of records.
    fn settle(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let SinkOutcomes { messages, rejected, skipped, held_back } = writer.take_outcomes();
        self.outcomes.messages += messages;
        self.outcomes.rejected.extend(rejected);
        self.outcomes.skipped += skipped;
        self.outcomes.held_back += held_back;
    }

    /// Maps a sink error. The writer is dropped, and the next attempt opens a new one.
    fn map_error<T>(&mut self, outcome: Result<T, SinkError>) -> Result<T, DeliverError> {
        outcome.map_err(|error| {
            self.settle();
            self.writer = None;
            match error {
                SinkError::RetryAfter { pause, .. } => {
                    DeliverError::RetryAfter(error.into(), pause)
                }
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
        let writer = opened(&mut self.writer, &*self.sink, view.name);
        let checked = writer.and_then(|writer| writer.check(&self.run, commit));
        self.map_error(checked)
    }

    fn delete_missing(&mut self, complete: &CompleteView) -> Result<usize, DeliverError> {
        let outcome = self.write_deletions(complete);
        self.map_error(outcome)
    }

    fn take_outcomes(&mut self) -> SinkOutcomes {
        self.settle();
        std::mem::take(&mut self.outcomes)
    }

    fn close(&mut self) -> Result<(), DeliverError> {
        let outcome = self.writer.as_mut().map_or(Ok(()), |writer| writer.close());
        self.map_error(outcome)
    }
}

/// The writer of a view; opens it if there is none.
fn opened<'w>(
    writer: &'w mut Option<Box<dyn SinkWriter>>,
    sink: &dyn Sink,
    view: &str,
) -> Result<&'w mut Box<dyn SinkWriter>, SinkError> {
    match writer {
        Some(writer) => Ok(writer),
        none => Ok(none.insert(sink.open(view)?)),
    }
}
