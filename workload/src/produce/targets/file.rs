//! Lines of a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use connectors::FileKey;

use super::{RowTarget, TargetKind};

pub(super) const KIND: TargetKind = TargetKind {
    scheme: "file",
    doc: "a path, or file://PATH: lines of that file, which must not exist unless --force is given",
    open: |path| Ok(Box::new(FileLines::create(path.into())?)),
};

/// After so many rows it is looked where the path leads, …
const LOOKS_AFTER_ROWS: u32 = 256;
/// … if it was not looked for so long.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

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

/// Lines of a file, to which its path must lead until it is whole.
struct FileLines {
    path: PathBuf,
    lines: Lines<BufWriter<File>>,
    rows: u32,
    looked_at: Instant,
}

impl FileLines {
    fn create(path: PathBuf) -> io::Result<FileLines> {
        let lines = Lines(BufWriter::with_capacity(1 << 18, File::create(&path)?));
        Ok(FileLines { path, lines, rows: 0, looked_at: Instant::now() })
    }

    /// Finds out whether the path still leads to the file. That of a pipe or device says nothing.
    fn look(&mut self) -> io::Result<()> {
        self.looked_at = Instant::now();
        let about = self.lines.0.get_ref().metadata()?;
        if !about.is_file() || FileKey::of(&self.path) == FileKey::of_open(&about) {
            return Ok(());
        }
        Err(io::Error::other("it was moved, removed or replaced while it was written"))
    }
}

impl RowTarget for FileLines {
    fn begin(&mut self, header: &[u8]) -> io::Result<()> {
        self.lines.begin(header)
    }

    fn put(&mut self, key: &str, payload: &[u8]) -> io::Result<()> {
        self.lines.put(key, payload)?;
        self.rows += 1;
        if self.rows >= LOOKS_AFTER_ROWS {
            self.rows = 0;
            if self.looked_at.elapsed() >= LOOKS_EVERY {
                self.look()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.lines.finish()?;
        self.look()
    }
}
