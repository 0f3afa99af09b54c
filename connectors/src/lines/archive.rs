//! What a zip archive holds, by its directory.
//!
//! The directory stands at the end ([APPNOTE], 4.3.12 and 4.3.16; archives of 4 GiB or 65,535 files have another record
//! that points to it, 4.3.14, and are not looked into here):
//!
//! ```text
//! 50 4b 01 02 | … 24 | name n 2 | extra m 2 | comment k 2 | … 12 | name | extra | comment      for each file
//! 50 4b 05 06 | disks 4 | files 2 | files 2 | bytes of the directory 4 | its place 4 | comment n 2 | comment
//! ```
//!
//! [APPNOTE]: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const FILE: &[u8] = b"PK\x01\x02";
const FILE_BYTES: usize = 46;
const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
/// The longest comment after the end record.
const COMMENT_BYTES: usize = u16::MAX as usize;
/// A directory that takes more is not looked into.
const DIRECTORY_BYTES_MAX: usize = 16 << 20;

/// The names of the files of data in the archive `file` of `bytes` bytes: without folders and what macOS adds. None if
/// it has no directory that can be read, for instance because it breaks off.
pub(super) fn data_files(file: &File, bytes: u64) -> io::Result<Option<Vec<String>>> {
    let tail = usize::try_from(bytes).unwrap_or(usize::MAX).min(END_BYTES + COMMENT_BYTES);
    let mut end = vec![0; tail];
    file.read_exact_at(&mut end, bytes - tail as u64)?;
    let Some(at) = end.windows(END_BYTES).rposition(|part| part.starts_with(END)) else {
        return Ok(None);
    };
    let (size, place) = (u32_at(&end, at + 12) as usize, u64::from(u32_at(&end, at + 16)));
    if size > DIRECTORY_BYTES_MAX || place + size as u64 > bytes {
        return Ok(None);
    }
    let mut directory = vec![0; size];
    file.read_exact_at(&mut directory, place)?;
    Ok(names(&directory).map(|names| names.into_iter().filter(|name| is_data(name)).collect()))
}

/// Whether a file of this name may hold data.
pub(crate) fn is_data(name: &str) -> bool {
    let is_of_system = name.starts_with("__MACOSX/")
        || name.contains("/__MACOSX/")
        || name.rsplit('/').next() == Some(".DS_Store");
    !name.ends_with('/') && !is_of_system
}

fn names(mut directory: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !directory.is_empty() {
        if !directory.starts_with(FILE) || directory.len() < FILE_BYTES {
            return None;
        }
        let length = |at: usize| usize::from(u16_at(directory, at));
        let (name, more) = (length(28), length(30) + length(32));
        let name = directory.get(FILE_BYTES..FILE_BYTES + name)?;
        names.push(String::from_utf8_lossy(name).into_owned());
        directory = directory.get(FILE_BYTES + name.len() + more..)?;
    }
    Some(names)
}

/// The little-endian number of two bytes.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The little-endian number of four bytes.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
