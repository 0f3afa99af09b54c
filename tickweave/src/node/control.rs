//! What can be asked of a node while it runs.

use market::SourceId;

use dataflows::ingest::{PausedSources, Stop};

/// Controls the sources of a node, and stops it. Clones control the same node.
#[derive(Clone)]
pub struct NodeControl {
    sources: Vec<(String, SourceId)>,
    paused: PausedSources,
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
        stop: Stop,
    ) -> NodeControl {
        NodeControl { sources, paused, stop }
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
