//! A recording: the commits as they were.

use market::{Catalog, Commit};

use super::{DriveError, Stop};
use crate::ingest::handover::Handover;
use crate::ingest::play::Pacer;
use crate::ingest::recording::{NewNames, Next, Recording};

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

/// Drives the commits of a recording as they were, `until` a commit if given. `read` is told how many
/// bytes of how many have been read.
pub fn drive_recording(
    recording: &mut Recording,
    catalog: &Catalog,
    until: Option<Commit>,
    mut pacer: Option<Pacer>,
    handover: &mut Handover,
    read: &dyn Fn((u64, u64)),
    stop: &Stop,
) -> Result<RecordingEnd, DriveError> {
    loop {
        match recording.read()? {
            Next::Names(names) => name(&names, catalog),
            Next::Commit(sealed) => {
                let commit = sealed.binding.commit;
                read(recording.extent());
                let early =
                    pacer.as_mut().is_some_and(|pacer| !pacer.wait(sealed.binding.at, stop));
                if early || stop.is_set() {
                    return Ok(RecordingEnd::Early);
                }
                handover.hand_over(sealed)?;
                if let Some((retained, limit)) = handover.is_over_budget() {
                    return Err(DriveError::OverBudget { retained, limit });
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
fn name(new: &NewNames, catalog: &Catalog) {
    let tell = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "something recorded keeps no name");
    };
    for name in &new.instruments {
        let _ = catalog.resolve(name).inspect_err(|error| tell(error));
    }
    for name in &new.portfolios {
        let _ = catalog.portfolios.resolve(name).inspect_err(|error| tell(error));
    }
    for name in &new.models {
        let _ = catalog.models.resolve(name).inspect_err(|error| tell(error));
    }
}
