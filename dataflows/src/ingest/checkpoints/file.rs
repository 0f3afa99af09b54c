//! The file of a checkpoint: pieces one after the other, the manifest, and a trailer that says where that begins.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::manifest::{Extent, Manifest};
use super::{CheckpointError, io};
use crate::failpoints::{CHECKPOINT_AFTER, CHECKPOINT_BEFORE, failpoint};

const MAGIC: &[u8; 6] = b"TWCKPT";
/// The version of the form of the file. Version 2 has what clients were promised.
const VERSION: &[u8; 2] = b"02";
/// The version before, which is read as well.
const VERSION_BEFORE: &[u8; 2] = b"01";
/// Length of the manifest, its checksum, the checksum of both.
const TRAILER_BYTES: usize = 16;
const PREFIX: &str = "checkpoint-";
const SUFFIX: &str = ".twckpt";
/// A checkpoint that has no manifest yet.
const UNFINISHED: &str = ".twckpt.new";

/// The path of a checkpoint.
pub(super) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number:08}{SUFFIX}"))
}

/// The numbers of the checkpoints in a folder, ascending.
pub fn numbers(folder: &Path) -> Result<Vec<u64>, CheckpointError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(io("read", folder))? {
        let name = entry.map_err(io("read", folder))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Writes the file of a checkpoint. Dropped before it is finished, it leaves nothing.
pub(super) struct CheckpointFile {
    folder: PathBuf,
    number: u64,
    unfinished: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    is_finished: bool,
}

impl CheckpointFile {
    /// Begins checkpoint `number`; one that a crash left unfinished is replaced.
    pub(super) fn create(folder: &Path, number: u64) -> Result<CheckpointFile, CheckpointError> {
        let unfinished = folder.join(format!("{PREFIX}{number:08}{UNFINISHED}"));
        let file = File::create(&unfinished).map_err(io("create", &unfinished))?;
        let mut file = CheckpointFile {
            folder: folder.to_owned(),
            number,
            unfinished,
            file: BufWriter::with_capacity(1 << 20, file),
            bytes: 0,
            is_finished: false,
        };
        file.write(&[&MAGIC[..], VERSION].concat())?;
        Ok(file)
    }

    /// Appends a piece; says where it is.
    pub(super) fn append(&mut self, piece: &[u8]) -> Result<Extent, CheckpointError> {
        let offset = self.bytes;
        self.write(piece)?;
        let (bytes, checksum) = (piece.len() as u64, crc32fast::hash(piece));
        Ok(Extent { file: self.number, offset, bytes, checksum })
    }

    /// Adds the manifest, makes the file durable and gives it its name. Returns how long it is.
    pub(super) fn finish(mut self, manifest: &Manifest) -> Result<u64, CheckpointError> {
        let path = path_of(&self.folder, self.number);
        let whole = postcard::to_stdvec(&(manifest, manifest.promises));
        let manifest = whole.map_err(|error| {
            let problem = format!("its manifest cannot be encoded: {error}");
            CheckpointError::Damaged { path: path.clone(), problem }
        })?;
        self.write(&manifest)?;
        let head =
            [&(manifest.len() as u64).to_le_bytes()[..], &crc32fast::hash(&manifest).to_le_bytes()]
                .concat();
        self.write(&head)?;
        self.write(&crc32fast::hash(&head).to_le_bytes())?;
        self.file.flush().map_err(io("write", &self.unfinished))?;
        self.file.get_ref().sync_all().map_err(io("make durable", &self.unfinished))?;
        failpoint(CHECKPOINT_BEFORE);
        fs::rename(&self.unfinished, &path).map_err(io("rename", &self.unfinished))?;
        self.is_finished = true;
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(io("make durable", &self.folder))?;
        failpoint(CHECKPOINT_AFTER);
        Ok(self.bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        self.file.write_all(bytes).map_err(io("write", &self.unfinished))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for CheckpointFile {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = fs::remove_file(&self.unfinished); // the next one replaces it
        }
    }
}

/// Reads the manifest of a checkpoint.
pub(super) fn read_manifest(path: &Path) -> Result<Manifest, CheckpointError> {
    let damaged = |problem: &str| CheckpointError::Damaged {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let mut file = File::open(path).map_err(io("open", path))?;
    let bytes = file.metadata().map_err(io("look at", path))?.len();
    let mut start = [0; 8];
    if bytes < (start.len() + TRAILER_BYTES) as u64 {
        return Err(damaged("it is too short"));
    }
    file.read_exact(&mut start).map_err(io("read", path))?;
    if !start.starts_with(MAGIC) {
        return Err(damaged("it does not begin as a checkpoint does"));
    }
    if !start.ends_with(VERSION) && !start.ends_with(VERSION_BEFORE) {
        let version = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let known = format!("{} and {}", version(VERSION_BEFORE), version(VERSION));
        let found = version(&start[MAGIC.len()..]);
        return Err(CheckpointError::OtherVersion { path: path.to_owned(), found, known });
    }
    let trailer_at = bytes - TRAILER_BYTES as u64;
    let mut trailer = [0; TRAILER_BYTES];
    read_at(&mut file, trailer_at, &mut trailer).map_err(io("read", path))?;
    let (head, of_head) = trailer.split_at(12);
    if crc32fast::hash(head).to_le_bytes() != *of_head {
        return Err(damaged("its end is not what was written"));
    }
    let (length, checksum) = head.split_at(8);
    let length = length.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    if length > trailer_at - start.len() as u64 {
        return Err(damaged("its manifest is longer than the file"));
    }
    let mut manifest = vec![0; length as usize];
    read_at(&mut file, trailer_at - length, &mut manifest).map_err(io("read", path))?;
    if crc32fast::hash(&manifest).to_le_bytes() != *checksum {
        return Err(damaged("the checksum of its manifest does not fit"));
    }
    let read = match start.ends_with(VERSION_BEFORE) {
        true => postcard::from_bytes(&manifest),
        false => postcard::from_bytes(&manifest)
            .map(|(manifest, promises)| Manifest { promises, ..manifest }),
    };
    read.map_err(|error| damaged(&format!("its manifest: {error}")))
}

/// Reads a piece of a file, and holds it to its checksum.
pub(super) fn read_extent(
    file: &mut File,
    path: &Path,
    extent: Extent,
) -> Result<Vec<u8>, CheckpointError> {
    let damaged = |problem: &str| CheckpointError::Damaged {
        path: path.to_owned(),
        problem: format!("the piece at byte {}: {problem}", extent.offset),
    };
    let bytes = file.metadata().map_err(io("look at", path))?.len();
    if extent.offset.checked_add(extent.bytes).is_none_or(|end| end > bytes) {
        return Err(damaged("it is beyond the end of the file"));
    }
    let mut piece = vec![0; extent.bytes as usize];
    read_at(file, extent.offset, &mut piece).map_err(io("read", path))?;
    match crc32fast::hash(&piece) == extent.checksum {
        true => Ok(piece),
        false => Err(damaged("the checksum does not fit")),
    }
}

fn read_at(file: &mut File, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}
