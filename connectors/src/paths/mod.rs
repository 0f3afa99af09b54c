//! What `paths` of a source names: files, and patterns and folders, whose files are found.
//!
//! A path is a **file** unless it is one of the others. It is a **folder** if a folder is there, or if it ends with a
//! slash: it names the regular files directly in it, without hidden ones and what macOS adds. It is a **pattern** if it
//! holds `*`, `?` or `[` and no file has this very name. Files that are found stand in the order of their names; one
//! that is found again, also by another name, is read once.

mod pattern;
pub(crate) mod set;

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::file_key::FileKey;
use crate::lines::is_data;
use crate::source::PARTITIONS_MAX;

/// The most files of a source.
pub const FILES_MAX: usize = PARTITIONS_MAX as usize;

/// What a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathKind {
    File,
    Pattern,
    Folder,
}

/// A file that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFile {
    /// Relative to the folder of the configuration, as the path is.
    pub(crate) name: String,
    /// Whether it was found, rather than named.
    pub(crate) is_found: bool,
}

/// Whether `path` is written like a pattern.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// What `written` is, when relative paths start at `folder`.
pub(crate) fn kind_of(folder: &Path, written: &str) -> PathKind {
    let path = folder.join(written);
    if written.ends_with('/') || path.is_dir() {
        PathKind::Folder
    } else if is_pattern(written) && !path.exists() {
        PathKind::Pattern
    } else {
        PathKind::File
    }
}

/// There must be paths, and no two of one name.
pub(crate) fn check_names(paths: &[String]) -> Result<(), String> {
    if paths.is_empty() {
        return Err("`paths` is empty; name at least one file".to_owned());
    }
    let mut seen = HashSet::new();
    match paths.iter().find(|path| !seen.insert(*path)) {
        Some(path) => Err(format!("`paths` names \"{path}\" twice")),
        None => Ok(()),
    }
}

/// The names of the files that `paths` name, which start at `folder`: each path of a file, and in the place of each
/// pattern and folder what it names. A source that follows its files finds them by itself.
pub fn names_of_files(paths: &[String], folder: &Path) -> Result<Vec<String>, String> {
    Ok(find(folder, paths, true)?.into_iter().map(|file| file.name).collect())
}

/// The files that paths name. Unless there `must` be any, a pattern or folder may name none.
pub(crate) fn find(folder: &Path, paths: &[String], must: bool) -> Result<Vec<NamedFile>, String> {
    let kinds: Vec<PathKind> = paths.iter().map(|path| kind_of(folder, path)).collect();
    let named = paths.iter().zip(&kinds).filter(|(_, kind)| **kind == PathKind::File);
    let mut seen: HashSet<FileKey> =
        named.map(|(path, _)| FileKey::of(&folder.join(path))).collect();
    let mut files = Vec::new();
    for (path, kind) in paths.iter().zip(kinds) {
        let found = match kind {
            PathKind::File => {
                files.push(NamedFile { name: path.clone(), is_found: false });
                continue;
            }
            PathKind::Folder => in_folder(folder, path, must)?,
            PathKind::Pattern => pattern::matches(folder, path)?,
        };
        if must && found.is_empty() {
            return Err(match kind {
                PathKind::Folder => format!("the folder \"{path}\" holds no file"),
                _ => format!("no file matches \"{path}\""),
            });
        }
        let new = found.into_iter().filter(|name| seen.insert(FileKey::of(&folder.join(name))));
        files.extend(new.map(|name| NamedFile { name, is_found: true }));
    }
    match files.len() {
        count if count > FILES_MAX => Err(too_many()),
        _ => Ok(files),
    }
}

pub(crate) fn too_many() -> String {
    format!(
        "`paths` name more than {FILES_MAX} files; write narrower patterns, and read the others by another source"
    )
}

/// The names of the files of data directly in the folder `path`, in their order.
fn in_folder(folder: &Path, path: &str, must: bool) -> Result<Vec<String>, String> {
    let entries = match entries(&folder.join(path)) {
        Err(problem) if must => return Err(problem),
        entries => entries.unwrap_or_default(),
    };
    let data = entries.into_iter().filter(|(name, at)| !name.starts_with('.') && is_file(name, at));
    let stem = path.trim_end_matches('/');
    Ok(data.map(|(name, _)| format!("{stem}/{name}")).collect())
}

/// Whether a regular file of data is there.
fn is_file(name: &str, at: &Path) -> bool {
    is_data(name) && at.is_file()
}

/// What is in a folder: names and paths, in the order of names.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let cannot = |error| format!("cannot read the folder {}: {error}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let name = match entry {
            Ok(entry) => entry.file_name(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue, // it has just gone
            Err(error) => return Err(cannot(error)),
        };
        let path = folder.join(&name);
        let name = name.into_string().map_err(|name| {
            format!("the folder {} holds {name:?}, whose name is not UTF-8", folder.display())
        })?;
        entries.push((name, path));
    }
    entries.sort_unstable();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder of empty files.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn found(folder: &Path, paths: &[&str]) -> Result<Vec<String>, String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        names_of_files(&paths, folder)
    }

    #[test]
    fn patterns_and_folders_name_files_in_order() {
        let folder = folder(&[
            "t/b.csv",
            "t/a.csv",
            "t/a.csv.gz",
            "t/c10.csv",
            "t/c9.csv",
            "t/.hidden.csv",
            "t/._a.csv",
            "t/.DS_Store",
            "t/deep/d.csv",
            "t/deep/er/e.csv",
            "t/__MACOSX/a.csv",
            "t/.git/f.csv",
            "lit[1].csv",
        ]);
        let folder = folder.path();
        for (paths, want) in [
            (&["t/*.csv"][..], &["t/a.csv", "t/b.csv", "t/c10.csv", "t/c9.csv"][..]),
            (&["t/?.csv"], &["t/a.csv", "t/b.csv"]),
            (&["t/[b-c]*.csv"], &["t/b.csv", "t/c10.csv", "t/c9.csv"]),
            (&["t/[!ab]*"], &["t/c10.csv", "t/c9.csv"]),
            (&["*/deep/*"], &["t/deep/d.csv"]),
            (&["t/**/[de].csv"], &["t/deep/d.csv", "t/deep/er/e.csv"]),
            (&["t/d*/**"], &["t/deep/d.csv", "t/deep/er/e.csv"]),
            (&["./t/../t/a.*"], &["./t/../t/a.csv", "./t/../t/a.csv.gz"]),
            (&["t"], &["t/a.csv", "t/a.csv.gz", "t/b.csv", "t/c10.csv", "t/c9.csv"]),
            (&["t/deep/"], &["t/deep/d.csv"]),
            // A file is read once, where it is named, or where it is found first.
            (&["t/a*", "t/a.csv", "t/?.csv"], &["t/a.csv.gz", "t/a.csv", "t/b.csv"]),
            (&["lit[1].csv"], &["lit[1].csv"]),
            (&["none.csv"], &["none.csv"]),
        ] {
            assert_eq!(found(folder, paths).unwrap(), want, "{paths:?}");
        }
        let absolute = folder.join("t/b*").display().to_string();
        assert_eq!(
            found(folder, &[&absolute]).unwrap(),
            [folder.join("t/b.csv").display().to_string()]
        );
    }

    #[test]
    fn what_names_nothing_is_refused_by_its_name() {
        let folder = folder(&["t/a.csv", "empty/.hidden"]);
        for (path, want) in [
            ("t/*.gz", "no file matches \"t/*.gz\""),
            ("none/*.csv", "no file matches \"none/*.csv\""),
            ("empty", "the folder \"empty\" holds no file"),
            ("empty/", "the folder \"empty/\" holds no file"),
            ("t/[a.csv", "\"t/[a.csv\" is no pattern: "),
            ("t/a**", "\"t/a**\" is no pattern: "),
        ] {
            let problem = found(folder.path(), &[path]).unwrap_err();
            assert!(problem.starts_with(want), "{path}: {problem}");
        }
        let problem = found(folder.path(), &["none/"]).unwrap_err();
        assert!(problem.starts_with("cannot read the folder "), "{problem}");
    }

    #[test]
    fn links_make_no_second_file_and_no_endless_way() {
        let folder = folder(&["t/a.csv", "t/deep/b.csv"]);
        let folder = folder.path();
        symlink("a.csv", folder.join("t/latest.csv")).unwrap();
        symlink("nowhere", folder.join("t/broken.csv")).unwrap();
        symlink("..", folder.join("t/deep/up")).unwrap();
        assert_eq!(found(folder, &["t/*.csv"]).unwrap(), ["t/a.csv"]);
        assert_eq!(found(folder, &["**/*.csv"]).unwrap(), ["t/a.csv", "t/deep/b.csv"]);
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=FILES_MAX {
            fs::write(folder.path().join(format!("{number}.csv")), "").unwrap();
        }
        let problem = found(folder.path(), &["."]).unwrap_err();
        assert!(problem.contains("more than 4096 files"), "{problem}");
        fs::remove_file(folder.path().join("0.csv")).unwrap();
        assert_eq!(found(folder.path(), &["*.csv"]).unwrap().len(), FILES_MAX);
    }
}
