//! What sources need, besides positions, to read their partitions on in another process.

use std::collections::BTreeMap;

use connectors::{PartitionState, ResumePoint};
use market::{Numbered, PartitionId, Registries, SourceId};
use serde::{Deserialize, Serialize};

use super::closed_commit::ClosedCommit;
use super::input::{ControlEvent, ControlRecord};

/// The state of each partition that was opened, by the numbers of its source and its own.
///
/// The log holds all of them at the beginning of each segment, and each change in the commit in which it took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionStates(BTreeMap<(u32, u32), KnownPartition>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct KnownPartition {
    /// What its reader said last; none if it says nothing.
    state: Option<PartitionState>,
    has_ended: bool,
}

impl PartitionStates {
    /// Notes what is in a commit.
    pub fn note(&mut self, closed: &ClosedCommit) {
        for ControlRecord { source, event } in &closed.control {
            match event {
                ControlEvent::Opened { partition } => {
                    self.entry(*source, *partition).has_ended = false;
                }
                ControlEvent::Ended { partition } => {
                    self.entry(*source, *partition).has_ended = true;
                }
                ControlEvent::State { partition, state } => {
                    self.entry(*source, *partition).state = Some(state.clone());
                }
                ControlEvent::Link { .. }
                | ControlEvent::Paused
                | ControlEvent::Resumed
                | ControlEvent::CaughtUp => {}
            }
        }
    }

    fn entry(&mut self, source: u32, partition: u32) -> &mut KnownPartition {
        self.0.entry((source, partition)).or_default()
    }

    /// Where a partition is read on whose rows are bound up to position `after`, if any are; none if it is not known.
    pub fn resume_point(
        &self,
        source: SourceId,
        partition: PartitionId,
        after: Option<u64>,
    ) -> Option<ResumePoint> {
        let known = self.0.get(&(source.number() as u32, partition.number() as u32));
        let KnownPartition { state, has_ended } = known.cloned().unwrap_or_default();
        (after.is_some() || state.is_some()).then(|| ResumePoint {
            after: after.unwrap_or(0),
            state,
            has_ended,
        })
    }

    /// Whether a partition of a source was opened before.
    pub fn knows(&self, source: SourceId) -> bool {
        let source = source.number() as u32;
        self.0.range((source, 0)..=(source, u32::MAX)).next().is_some()
    }

    /// The states of a source's partitions, by their names.
    pub fn of_source(&self, source: SourceId, names: &Registries) -> Vec<(String, PartitionState)> {
        let partitions = names.sources.partitions(source);
        let number = source.number() as u32;
        let known = self.0.range((number, 0)..=(number, u32::MAX));
        let named = known.filter_map(|((_, partition), known)| {
            let name = partitions.get(*partition as usize)?;
            Some((name.clone(), known.state.clone()?))
        });
        named.collect()
    }
}
