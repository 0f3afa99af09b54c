//! What can be asked of a node while it runs.

use market::{Numbered, SourceId};
use node_api::ControlApi;

use dataflows::ingest::checkpoints::CheckpointStatus;
use dataflows::ingest::{PausedSources, Stop};

/// Controls the sources of a node, and stops it. Clones control the same node.
#[derive(Clone, Default)]
pub struct NodeControl {
    sources: Vec<(String, SourceId)>,
    paused: PausedSources,
    checkpoints: Option<CheckpointStatus>,
    stop: Stop,
}

/// No source has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no source is named `{name}` (possible: {possible})")]
pub struct UnknownSource {
    name: String,
    possible: String,
}

impl NodeControl {
    pub(super) fn new(
        sources: Vec<(String, SourceId)>,
        paused: PausedSources,
        checkpoints: Option<CheckpointStatus>,
        stop: Stop,
    ) -> NodeControl {
        NodeControl { sources, paused, checkpoints, stop }
    }

    /// Pauses a source. From the next commit on nothing of it is taken: its watermark stands, and its readers wait when
    /// its queue is full. The pause is part of the commit, and so of a recording.
    pub fn pause(&self, source: &str) -> Result<(), UnknownSource> {
        self.paused.pause(self.id(source)?);
        Ok(())
    }

    /// Takes events of a source again.
    pub fn resume(&self, source: &str) -> Result<(), UnknownSource> {
        self.paused.resume(self.id(source)?);
        Ok(())
    }

    /// Asks the node to stop in order.
    pub fn stop(&self) {
        self.stop.set();
    }

    fn id(&self, name: &str) -> Result<SourceId, UnknownSource> {
        let found = self.sources.iter().find(|(known, _)| known == name);
        found.map(|(_, id)| *id).ok_or_else(|| {
            let names: Vec<&str> = self.sources.iter().map(|(name, _)| name.as_str()).collect();
            UnknownSource { name: name.to_owned(), possible: names.join(", ") }
        })
    }
}

impl ControlApi for NodeControl {
    fn sources(&self) -> Vec<String> {
        self.sources.iter().map(|(name, _)| name.clone()).collect()
    }

    fn is_paused(&self, source: &str) -> bool {
        self.id(source).is_ok_and(|id| self.paused.is_paused(id.number()))
    }

    fn pause(&self, source: &str) {
        let _ = NodeControl::pause(self, source);
    }

    fn resume(&self, source: &str) {
        let _ = NodeControl::resume(self, source);
    }

    fn request_checkpoint(&self) -> Option<u64> {
        self.checkpoints.as_ref().map(CheckpointStatus::request)
    }

    fn has_checkpoint(&self, request: u64) -> bool {
        self.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.has_answered(request))
    }

    fn drain(&self) {
        if !self.stop.is_set() {
            tracing::info!("a client asks for the end over HTTP: stopping in order");
        }
        self.stop.set();
    }

    fn is_draining(&self) -> bool {
        self.stop.is_set()
    }
}
