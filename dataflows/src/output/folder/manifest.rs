//! The manifest of a folder of results: the files there that are ours, each known by its length and a checksum.
//!
//! A name alone would not do: people put files of their own in place of results, and edit them. The time of a change
//! and the number of the file would do, too, and cost no reading; but a copy of the folder has others. To read a file
//! of results takes a small part of the time that its run took.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// What a manifest says of itself; a file of its name that does not is not ours.
const ABOUT: &str =
    "files in this folder that tickweave wrote, and replaces when it writes results here again";
/// Bytes of a file that are in memory while it is read for its checksum.
const READ_BYTES: usize = 1 << 18;

/// The files that are ours.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    /// By name: what the file may be. While it is replaced, that is the old content or the new one.
    files: BTreeMap<String, Vec<Content>>,
}

/// By what the content of a file is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    bytes: u64,
    /// XXH3-64, in hexadecimal digits.
    xxh3: String,
}

/// The manifest, as it is written.
#[derive(Serialize, Deserialize)]
struct Text {
    about: String,
    files: Files,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Files {
    Known(BTreeMap<String, Vec<Content>>),
    /// Names alone, which earlier builds wrote: they say nothing of what is there.
    Names(Vec<String>),
}

impl Content {
    /// That of the file at `path`.
    pub(super) fn of(path: &Path) -> io::Result<Content> {
        let (mut file, mut part) = (File::open(path)?, vec![0; READ_BYTES]);
        let (mut bytes, mut hasher) = (0, Xxh3::new());
        loop {
            match file.read(&mut part)? {
                0 => break,
                read => {
                    bytes += read as u64;
                    hasher.update(&part[..read]);
                }
            }
        }
        Ok(Content { bytes, xxh3: format!("{:016x}", hasher.digest()) })
    }
}

impl Manifest {
    /// Reads one; an error says what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Manifest, String> {
        let Text { about, files } = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if about != ABOUT {
            return Err(format!("`about` is \"{about}\""));
        }
        let files = match files {
            Files::Known(files) => files,
            Files::Names(_) => BTreeMap::new(),
        };
        Ok(Manifest { files })
    }

    /// Writes it.
    pub(super) fn write(&self, file: &mut File) -> io::Result<()> {
        let text = Text { about: ABOUT.to_owned(), files: Files::Known(self.files.clone()) };
        serde_json::to_writer_pretty(&mut *file, &text)?;
        file.write_all(b"\n")
    }

    /// Whether the file called `name` in `folder` is one that we wrote, as we wrote it.
    pub(super) fn knows(&self, folder: &Path, name: &str) -> io::Result<bool> {
        let Some(known) = self.files.get(name) else { return Ok(false) };
        let path = folder.join(name);
        let about = path.symlink_metadata()?;
        if !about.is_file() || known.iter().all(|content| content.bytes != about.len()) {
            return Ok(false);
        }
        Ok(known.contains(&Content::of(&path)?))
    }

    /// The file called `name` may have this content, too.
    pub(super) fn may_be(&mut self, name: &str, content: Content) {
        self.files.entry(name.to_owned()).or_default().push(content);
    }

    /// The file called `name` has this content, and no other.
    pub(super) fn is(&mut self, name: &str, content: Content) {
        self.files.insert(name.to_owned(), vec![content]);
    }

    /// The file called `name` is not there any more.
    pub(super) fn is_gone(&mut self, name: &str) {
        self.files.remove(name);
    }
}
