//! The id of a state directory: whose copy a copy is.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::{CommitLogError, io as failed};

/// Holds the id. It goes where the state goes, and a state that begins anew has another one.
pub(super) const STATE_ID: &str = "state-id";

/// The id of the state in a folder; it is given one if it has none.
///
/// # Errors
/// If it cannot be read or written.
pub fn state_id(folder: &Path) -> Result<String, CommitLogError> {
    let path = folder.join(STATE_ID);
    loop {
        match fs::read_to_string(&path) {
            Ok(id) if is_id(id.trim_end()) => return Ok(id.trim_end().to_owned()),
            Ok(_) => return Err(CommitLogError::NoId { path }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &path)(error)),
        }
        set_state_id(folder, &new_id())?;
    }
}

/// An id that nothing else has.
pub fn new_id() -> String {
    // Random by the keys of the standard library's hasher, which differ with every call.
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

/// Gives the state in a folder an id, unless it has one. A crash leaves it with the whole id or none.
///
/// # Errors
/// If it cannot be written.
pub fn set_state_id(folder: &Path, id: &str) -> Result<(), CommitLogError> {
    let unfinished = folder.join(format!("{STATE_ID}.{}.new", std::process::id()));
    let mut file = File::create(&unfinished).map_err(failed("create", &unfinished))?;
    let written = file.write_all(format!("{id}\n").as_bytes()).and_then(|()| file.sync_all());
    written.map_err(failed("write", &unfinished))?;
    // Another process that looks at the same folder may have been first.
    let linked = fs::hard_link(&unfinished, folder.join(STATE_ID));
    fs::remove_file(&unfinished).map_err(failed("remove", &unfinished))?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(failed("write", &folder.join(STATE_ID))(error));
        }
        _ => {}
    }
    let folder_file = File::open(folder).and_then(|folder| folder.sync_all());
    folder_file.map_err(failed("make durable", folder))
}

/// Gives a copy of a folder the id of its state, if that has one.
///
/// # Errors
/// If it cannot be read or written.
pub fn hand_on_state_id(from: &Path, to: &Path) -> Result<(), CommitLogError> {
    match from.join(STATE_ID).exists() {
        true => set_state_id(to, &state_id(from)?),
        false => Ok(()),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_and_differs() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = state_id(one.path()).unwrap();
        assert_eq!(state_id(one.path()).unwrap(), id);
        assert_ne!(state_id(other.path()).unwrap(), id);
        set_state_id(one.path(), &"0".repeat(32)).unwrap();
        assert_eq!(state_id(one.path()).unwrap(), id, "it has one");
        assert_eq!(fs::read_dir(one.path()).unwrap().count(), 1);
        fs::write(one.path().join(STATE_ID), "x").unwrap();
        assert!(state_id(one.path()).unwrap_err().to_string().contains("state-id"));
    }
}
