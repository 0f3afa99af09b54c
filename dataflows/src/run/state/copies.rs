//! Copies of the state in an object store: whether a start may write them, and how people get at them.

use std::fs;
use std::path::Path;
use std::thread;

use market::Generation;
use object_copy::{
    CopyError, CopyIndex, CopyStore, CopySummary, CopyWriter, StateOwner, StoreOptions, fetch,
    read_index,
};

use super::RestoreError;
use super::inspect::{VerifiedState, verify_state};
use crate::clock::ClockHistory;
use crate::config::StateConfig;
use crate::ingest::checkpoints::{CheckpointError, CheckpointKeeper};
use crate::ingest::commit_log::{self, CommitLogError, StateDir, set_state_id, state_id};
use crate::ingest::recording::Recording;
use crate::ingest::state_copy::{CopyPlan, CopyStatus, StateFiles};
use crate::ingest::with_causes;
use crate::telemetry::Metrics;

/// Where a copy is put together before it is verified.
const IMPORTED: &str = "importing";

/// Refuses a state that begins anew where the copy of another one is.
///
/// A store that cannot be reached holds nothing up: then the copier finds out, and changes nothing there.
pub(super) fn check_new(
    state: &StateConfig,
    dir: &StateDir,
    begins_anew: bool,
) -> Result<(), RestoreError> {
    let Some(copy) =
        state.copy.as_ref().filter(|_| begins_anew || matches!(dir.first_segment(), Ok(None)))
    else {
        return Ok(());
    };
    // On a thread of its own: the one that starts a job may be one of an asynchronous runtime.
    let read = thread::scope(|scope| {
        let reader = scope.spawn(|| look_at_copy(&copy.url, &copy.options));
        reader.join()
    });
    match read {
        Ok(Ok(Some(index))) => Err(RestoreError::CopyThere {
            url: copy.url.clone(),
            through: index.through,
            path: dir.path().to_owned(),
        }),
        Ok(Ok(None)) | Err(_) => Ok(()),
        Ok(Err(error @ CopyError::Index { .. })) => Err(error.into()),
        Ok(Err(error)) => {
            let error = with_causes(&error);
            tracing::warn!(
                "whether {} holds a copy of another state is not known yet: {error}",
                copy.url
            );
            Ok(())
        }
    }
}

/// What the copier of a job is told, if it has one. `history`: what was known when the state was taken up.
pub(super) fn plan(
    state: &StateConfig,
    status: Option<CopyStatus>,
    (generation, metrics): (Generation, &Metrics),
    (dir, keeper): (&StateDir, &CheckpointKeeper),
    history: Option<&ClockHistory>,
) -> Option<CopyPlan> {
    let (target, status) = (state.copy.clone()?, status?);
    Some(CopyPlan {
        folder: dir.path().to_owned(),
        target,
        generation,
        began_through: history.and_then(|history| Some(history.last()?.commit)),
        checkpoints: keeper.status(),
        status,
        metrics: metrics.clone(),
    })
}

/// The index of the copy in a place; none if there is none.
///
/// # Errors
/// If the place cannot be read.
pub fn look_at_copy(url: &str, options: &StoreOptions) -> Result<Option<CopyIndex>, CopyError> {
    read_index(&CopyStore::open(url, options)?)
}

/// Downloads the copy in a place into a directory, which must be empty or absent, and verifies it. A job that is started on
/// it goes on where the copy ends, and copies to the same place.
///
/// # Errors
/// If it is not whole; then nothing is left.
pub fn import_copy(
    url: &str,
    options: &StoreOptions,
    to: &Path,
) -> Result<VerifiedState, RestoreError> {
    let io = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| CheckpointError::Io { what, path, source }
    };
    let store = CopyStore::open(url, options)?;
    // A start that was refused because of the copy has left a lock. Held meanwhile, so that no job begins there.
    let dir = StateDir::open(to)?;
    if !dir.is_empty()? {
        return Err(RestoreError::NotEmpty { path: to.to_owned() });
    }
    let within = to.join(IMPORTED);
    let imported = fetch(&store, &within).map_err(RestoreError::from).and_then(|fetched| {
        set_state_id(&within, &fetched.index.state)?;
        verify_state(&within)
    });
    let verified = match imported {
        Ok(verified) => verified,
        Err(error) => {
            let _ = fs::remove_dir_all(&within); // what is left there is no state
            return Err(error);
        }
    };
    // The checkpoints come after the log that they need: what a crash leaves is a whole state or refused.
    let mut names = Vec::new();
    for entry in fs::read_dir(&within).map_err(io("read", &within))? {
        names.push(entry.map_err(io("read", &within))?.file_name());
    }
    names.sort_unstable_by_key(|name| (name.to_string_lossy().ends_with(".twckpt"), name.clone()));
    for name in names {
        let path = within.join(&name);
        fs::rename(&path, to.join(&name)).map_err(io("move", &path))?;
    }
    fs::remove_dir(&within).map_err(io("remove", &within))?;
    let durable = fs::File::open(to).and_then(|folder| folder.sync_all());
    durable.map_err(io("make durable", to))?;
    Ok(verified)
}

/// Downloads the copy in a place into a temporary folder, and reads all that a start would read.
///
/// # Errors
/// Why a start would be refused.
pub fn verify_copy(url: &str, options: &StoreOptions) -> Result<VerifiedState, RestoreError> {
    let store = CopyStore::open(url, options)?;
    let folder = tempfile::tempdir().map_err(|source| CheckpointError::Io {
        what: "create a folder in",
        path: std::env::temp_dir(),
        source,
    })?;
    fetch(&store, folder.path())?;
    verify_state(folder.path())
}

/// Copies what a start needs from a directory to a place, as its job would. The job may run on meanwhile.
///
/// # Errors
/// If it cannot be copied, or the place holds another state or a newer one, which stays as it is.
pub fn export_copy(
    from: &Path,
    url: &str,
    options: &StoreOptions,
) -> Result<CopySummary, RestoreError> {
    verify_state(from)?;
    let store = CopyStore::open(url, options)?;
    let nothing = || RestoreError::NothingToCopy { path: from.to_owned() };
    let mut found = StateFiles::collect(from)?.ok_or_else(nothing)?;
    let last = commit_log::segments(from, commit_log::first_segment(from)?.unwrap_or(1))?.pop();
    let last = Recording::open(&last.ok_or_else(nothing)?).map_err(CommitLogError::from)?;
    let owner = StateOwner {
        state: state_id(from)?,
        generation: last.header().generation.0,
        began_through: Some(found.through.0),
    };
    Ok(CopyWriter::new(store, owner).copy(found.through.0, &mut found.files, &mut |_| true)?)
}
