//! A recording: the commits as they were.

use std::time::Instant;

use market::{Commit, Numbered, PartitionId, RegistryError};
use node_api::Throttle;

use super::{NameTables, SequencerError};
use crate::ingest::dispatcher::CommitDispatcher;
use crate::ingest::play::Pacer;
use crate::ingest::recording::{NewNames, Next, Recording};
use crate::ingest::stop::Stop;

/// How a recording came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// The recorded run had ended in order.
    InOrder,
    /// The recording was cut; everything up to its last whole commit was replayed.
    Cut,
    /// `until` was reached, or a stop was asked for.
    Early,
}

/// Dispatches the commits of a recording as they were, up to commit `until` if given. `read` is called with the bytes
/// read and the bytes in total.
pub fn sequence_recording(
    recording: &mut Recording,
    tables: NameTables<'_>,
    until: Option<Commit>,
    mut pacer: Option<Pacer>,
    dispatcher: &mut CommitDispatcher,
    read: &dyn Fn((u64, u64)),
    stop: &Stop,
) -> Result<RecordingEnd, SequencerError> {
    let mut misfits = Throttle::default();
    let mut is_first = true;
    loop {
        match recording.read()? {
            Next::Names(names) => name(&names, tables, &mut misfits)?,
            Next::Scales(_) | Next::Partitions(_) => {} // the configuration is that of the recording
            Next::Rules(rules) => dispatcher.knows_rules(rules),
            Next::Commit(closed) => {
                let commit = closed.binding.commit;
                if std::mem::take(&mut is_first) && commit > Commit(0) {
                    tracing::warn!(
                        "{} begins with commit {commit}: what came in the {} commits before is not in it. Bars, \
                         indicators, positions and ids are computed without that, and corrections of earlier trades \
                         are unmatched",
                        recording.path().display(),
                        commit.0,
                    );
                }
                for id in &closed.id_texts {
                    // Two of one hash were refused when the commit was bound.
                    let _ = tables.catalog.ids.keep(id);
                }
                read(recording.extent());
                let early =
                    pacer.as_mut().is_some_and(|pacer| !pacer.wait(closed.binding.at, stop));
                if early || stop.is_set() {
                    return Ok(RecordingEnd::Early);
                }
                dispatcher.dispatch(closed)?;
                if let Some(over_budget) = dispatcher.over_budget() {
                    return Err(SequencerError::OverBudget(over_budget));
                }
                if until == Some(commit) {
                    return Ok(RecordingEnd::Early);
                }
            }
            Next::End { in_order: true } => return Ok(RecordingEnd::InOrder),
            Next::End { in_order: false } => return Ok(RecordingEnd::Cut),
        }
    }
}

/// Registers recorded names. They fitted into a catalog once; one that no longer does shows as its hash.
///
/// # Errors
/// Partitions must get the numbers that records have.
pub(super) fn name(
    new: &NewNames,
    tables: NameTables<'_>,
    misfits: &mut Throttle,
) -> Result<(), RegistryError> {
    let NameTables { catalog, registries } = tables;
    let mut report = |error: &dyn std::fmt::Display| {
        if let Some(told) = misfits.happened(Instant::now()) {
            tracing::error!("a recorded name does not fit into the catalog: {error}{told}");
        }
    };
    for name in &new.instruments {
        let _ = catalog.resolve(name).inspect_err(|error| report(error));
    }
    for name in &new.portfolios {
        let _ = catalog.portfolios.resolve(name).inspect_err(|error| report(error));
    }
    for name in &new.models {
        let _ = catalog.models.resolve(name).inspect_err(|error| report(error));
    }
    new.partitions.iter().try_for_each(|(source, partition, name)| {
        match registries.register_partition(*source, name)? {
            here if here == *partition => Ok(()),
            here => Err(RegistryError::Disagreement {
                what: PartitionId::WHAT,
                number: here.number(),
                here: name.clone(),
                there: format!("{name}, number {}", partition.number()),
            }),
        }
    })
}
