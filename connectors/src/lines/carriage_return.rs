//! Lines that end with CR alone, as old Macintosh programs and "CSV (Macintosh)" of Excel write them.

use std::io::{self, BufRead, Read};

/// Whether text that begins so ends its lines with CR alone: CR stands before other text, and LF nowhere.
pub(super) fn ends_lines(start: &[u8]) -> bool {
    let text = start.strip_suffix(b"\r").unwrap_or(start);
    text.contains(&b'\r') && !start.contains(&b'\n')
}

/// Reads each CR as LF.
pub(super) struct AsLineFeed<R>(pub(super) R);

impl<R: BufRead> Read for AsLineFeed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        buffer[..read].iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
        Ok(read)
    }
}
