//! Which file a path names, however the path is written.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Two paths of one file have equal keys: links, `..` and relative paths make no difference. A file that is not
/// there is known by its path, so a key holds only until files are made, moved or removed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileKey {
    /// A file that is there.
    Node {
        /// The device that it is on.
        device: u64,
        /// Its number there.
        inode: u64,
    },
    /// A file that is not there, or cannot be looked at.
    Path(PathBuf),
}

impl FileKey {
    /// The key of the file at `path`.
    pub fn of(path: &Path) -> FileKey {
        match path.metadata() {
            Ok(about) => FileKey::of_open(&about),
            Err(_) => FileKey::Path(resolved(path)),
        }
    }

    /// The key of a file that is open.
    pub fn of_open(about: &Metadata) -> FileKey {
        FileKey::Node { device: about.dev(), inode: about.ino() }
    }
}

/// The absolute path, with links resolved as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut resolved = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
        if let Ok(known) = resolved.canonicalize() {
            resolved = known;
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_of_one_file_have_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::create_dir(folder.join("real")).unwrap();
        symlink("real", folder.join("link")).unwrap();
        fs::write(folder.join("real/a"), "").unwrap();
        symlink("a", folder.join("real/soft")).unwrap();
        fs::hard_link(folder.join("real/a"), folder.join("real/hard")).unwrap();
        let key = |path: &str| FileKey::of(&folder.join(path));
        for path in ["link/a", "real/../real/./a", "real/soft", "link/hard"] {
            assert_eq!(key(path), key("real/a"), "{path}");
        }
        for path in ["link/none", "real/../real/./none", "link/../real/none", "none/../real/none"] {
            assert_eq!(key(path), key("real/none"), "{path}");
        }
        for path in ["real", "real/b", "real/a/b", "real/none/x"] {
            assert!(key(path) != key("real/a") && key(path) != key("real/none"), "{path}");
        }
    }
}
