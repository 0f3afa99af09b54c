//! Lines of a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::{RowTarget, TargetKind};

pub(super) const KIND: TargetKind = TargetKind {
    scheme: "file",
    doc: "a path, or file://PATH: lines of that file, which must not exist unless --force is given",
    open: |path| Ok(Box::new(Lines(BufWriter::with_capacity(1 << 18, File::create(path)?)))),
};

/// Lines, one after the other.
pub(super) struct Lines<W: Write>(pub(super) W);

impl<W: Write + Send> RowTarget for Lines<W> {
    fn begin(&mut self, header: &[u8]) -> io::Result<()> {
        self.put("", header)
    }

    fn put(&mut self, _key: &str, payload: &[u8]) -> io::Result<()> {
        self.0.write_all(payload)?;
        self.0.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
