//! A sink as a handler.

use std::sync::Arc;

use connectors::{BatchKind, Encoding, Sink, SinkBatch, SinkError, SinkRecord, SinkWriter};
use market::{Catalog, Commit};

use super::encode::Encoder;
use super::handler::{Batch, DeliverError, DeltaHandler, Kind};

/// Writes the batches of one view to a sink.
pub struct SinkHandler {
    sink: Arc<dyn Sink>,
    /// None before the first batch, and after an error.
    writer: Option<Box<dyn SinkWriter>>,
    run: Arc<str>,
    encoder: Encoder,
    /// The batch at hand, encoded once however many tries it takes.
    encoded: Option<((Commit, usize), Vec<SinkRecord>)>,
}

impl SinkHandler {
    /// To `sink`, in a run of this name.
    pub fn new(
        sink: Arc<dyn Sink>,
        run: Arc<str>,
        catalog: Arc<Catalog>,
        (encoding, numbers_as_strings): (Encoding, bool),
    ) -> SinkHandler {
        let encoder = Encoder::new(catalog, encoding, numbers_as_strings);
        SinkHandler { sink, writer: None, run, encoder, encoded: None }
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), SinkError> {
        let Batch { view, kind, after, commit, at, part, last, .. } = *batch;
        let at_hand = (commit, part);
        let records = match &self.encoded {
            Some((encoded, records)) if *encoded == at_hand => records,
            _ => &self.encoded.insert((at_hand, self.encoder.records(batch))).1,
        };
        let kind = match kind {
            Kind::Snapshot => BatchKind::Snapshot,
            Kind::Resync => BatchKind::Resync,
            Kind::Changes => BatchKind::Changes,
        };
        let (run, view) = (&*self.run, view.name);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.sink.open(view)?),
        };
        writer.write(&SinkBatch { run, view, kind, after, commit, at, part, last, records })
    }

    /// What an error comes to; what wrote is dropped, and opened anew for another try.
    fn heed(&mut self, outcome: Result<(), SinkError>) -> Result<(), DeliverError> {
        outcome.map_err(|error| {
            self.writer = None;
            match error {
                SinkError::Retry { .. } => DeliverError::Retry(error.into()),
                SinkError::Forgotten { .. } => {
                    self.encoded = None; // a snapshot of the same commit is another batch
                    DeliverError::Afresh(error.into())
                }
                _ => DeliverError::GiveUp(error.into()),
            }
        })
    }
}

impl DeltaHandler for SinkHandler {
    fn deliver(&mut self, batch: &Batch<'_>) -> Result<(), DeliverError> {
        let outcome = self.write(batch);
        self.heed(outcome)?;
        self.encoded = None;
        Ok(())
    }

    fn close(&mut self) -> Result<(), DeliverError> {
        let outcome = self.writer.as_mut().map_or(Ok(()), |writer| writer.close());
        self.heed(outcome)
    }
}
