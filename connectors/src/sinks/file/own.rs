//! Which files sinks wrote: only of those is anything taken away.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// What every line of a sink begins with.
const BEGINNING: &[u8] = b"{\"op\":";
/// A file is searched from its end in blocks of this size.
const BLOCK: u64 = 64 << 10;

/// Whether a sink may go on in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ours {
    /// It is empty, or a sink wrote it.
    Yes,
    /// Somebody else wrote it, or a part of it; how that is known.
    No(&'static str),
}

/// Takes away a last line without an end, which a crash left behind, if it and the first line are of a sink.
pub(super) fn cut_torn_line(mut file: &File) -> io::Result<Ours> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(Ours::Yes);
    }
    let whole = whole_lines(file, length)?;
    if whole > 0 && begins_at(file, 0)? != BEGINNING {
        return Ok(Ours::No("its first line does not begin with `{\"op\":`"));
    }
    if whole < length {
        let torn = begins_at(file, whole)?;
        if torn.is_empty() || !BEGINNING.starts_with(&torn) {
            return Ok(Ours::No("its last line has no end and does not begin with `{\"op\":`"));
        }
        file.set_len(whole)?;
    }
    Ok(Ours::Yes)
}

/// The first bytes from `at` on, at most as many as [`BEGINNING`] has.
fn begins_at(mut file: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BEGINNING.len());
    file.seek(SeekFrom::Start(at))?;
    file.take(BEGINNING.len() as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes up to the end of the last line that has one.
fn whole_lines(mut file: &File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(newline) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
