//! Follows the file of keys: what is made or revoked counts within a second or two.

use std::sync::Arc;
use std::time::{Duration, Instant};

use node_api::{KeySet, Throttle};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;

use super::file::{KeyFile, KeyFileError, Version};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The keys of `file`, now and after each change, until nobody looks at them any more.
///
/// A file that cannot be read, as while somebody edits it, leaves the keys that were, and is a warning.
pub fn watched(
    file: KeyFile,
    runtime: &Handle,
) -> Result<watch::Receiver<Arc<KeySet>>, KeyFileError> {
    let version = file.version().ok();
    let (keys, watched) = watch::channel(Arc::new(file.key_set(true)?));
    runtime.spawn(follow(file, version, keys));
    Ok(watched)
}

async fn follow(file: KeyFile, mut known: Option<Version>, keys: watch::Sender<Arc<KeySet>>) {
    let mut failures = Throttle::default();
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = keys.closed() => return,
        }
        let (of, before) = (file.clone(), known.clone());
        let read = tokio::task::spawn_blocking(move || read_if_other(&of, before)).await;
        match read {
            Ok(Ok(None)) | Err(_) => continue,
            Ok(Ok(Some((version, read)))) => {
                if let Some(over) = failures.over(Instant::now()) {
                    tracing::info!("{} can be read again {over}", file.shown());
                }
                known = Some(version);
                if read != **keys.borrow() {
                    tracing::info!(keys = read.len(), "the keys have changed");
                    keys.send_replace(Arc::new(read));
                }
            }
            Ok(Err(error)) => {
                known = None;
                if let Some(told) = failures.happened(Instant::now()) {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(error, "the keys stay as they were{told}");
                }
            }
        }
    }
}

/// The version and the keys of a file that has changed.
fn read_if_other(
    file: &KeyFile,
    before: Option<Version>,
) -> Result<Option<(Version, KeySet)>, KeyFileError> {
    let version = file.version().map_err(|_| KeyFileError::Absent { path: file.shown() })?;
    if before.is_some_and(|before| before == version) {
        return Ok(None);
    }
    // Of what changes between the two, the next look learns.
    Ok(Some((version, file.key_set(false)?)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::keys::NewKey;
    use market::EventTime;
    use node_api::RowLimits;

    #[test]
    fn changes_count_and_what_cannot_be_read_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let file = KeyFile::at(&path);
        let new = |name: &str| NewKey {
            name: name.to_owned(),
            scopes: "read".parse().unwrap(),
            limits: RowLimits::default(),
            expires: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(watched(file.clone(), runtime.handle()).is_err(), "there is no file");
        let (one, presented) = file.create(new("one")).unwrap();
        let mut keys = watched(file.clone(), runtime.handle()).unwrap();
        runtime.block_on(async {
            assert!(keys.borrow().find(&presented, EventTime(0)).is_ok());
            fs::write(&path, "no keys").unwrap();
            sleep(EVERY * 2).await;
            assert!(!keys.has_changed().unwrap());
            fs::write(&path, "").unwrap();
            let empty = keys.wait_for(|keys| keys.is_empty());
            tokio::time::timeout(Duration::from_secs(20), empty).await.unwrap().unwrap();
            let (two, presented) = file.create(new("two")).unwrap();
            assert_ne!(one.id, two.id);
            let found = keys.wait_for(|keys| keys.find(&presented, EventTime(0)).is_ok());
            tokio::time::timeout(Duration::from_secs(20), found).await.unwrap().unwrap();
        });
    }
}
