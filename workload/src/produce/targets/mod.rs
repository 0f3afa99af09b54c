//! Where produced rows go: one file each, and a line in [`TARGETS`].

mod file;
mod kafka;
mod redis;
mod stdout;

use std::io;
use std::path::Path;

use super::ProduceError;
use crate::HEADER;

/// Takes rows.
pub trait RowTarget: Send {
    /// Receives the line that names the columns, before any row, if the form has one. Targets of messages need none.
    fn begin(&mut self, _header: &[u8]) -> io::Result<()> {
        Ok(())
    }

    /// Takes a row. Rows of one key stay in their order; `payload` has no end of line.
    fn put(&mut self, key: &str, payload: &[u8]) -> io::Result<()>;

    /// Makes sure that everything taken is where it belongs.
    fn finish(&mut self) -> io::Result<()>;
}

/// A kind of target.
pub struct TargetKind {
    /// What its names begin with, before `://`.
    pub scheme: &'static str,
    /// How such a name is written, and what it means.
    pub doc: &'static str,
    /// Opens the target of a name, without its scheme.
    pub open: fn(&str) -> io::Result<Box<dyn RowTarget>>,
}

/// Every kind of target.
pub const TARGETS: &[TargetKind] = &[file::KIND, kafka::KIND, redis::KIND, stdout::KIND];

/// Opens a target by its name: a path, `-`, or `SCHEME://REST`. A file is replaced.
pub fn open(name: &str) -> Result<Box<dyn RowTarget>, ProduceError> {
    let (scheme, rest) = parts(name);
    let kind = TARGETS.iter().find(|kind| kind.scheme == scheme).ok_or_else(|| {
        let possible: Vec<_> = TARGETS.iter().map(|kind| kind.doc).collect();
        ProduceError::UnknownTarget { name: name.to_owned(), possible: possible.join("; ") }
    })?;
    (kind.open)(rest).map_err(|source| ProduceError::Target { target: name.to_owned(), source })
}

/// The file that a target of this name is, if it is one.
pub(super) fn file_of(name: &str) -> Option<&Path> {
    let (scheme, rest) = parts(name);
    (scheme == file::KIND.scheme).then(|| Path::new(rest))
}

fn parts(name: &str) -> (&str, &str) {
    match name.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if name == "-" => ("stdout", ""),
        None => ("file", name),
    }
}

/// Lets rows go without their header where columns are known by their order, as those of ticks are and those of
/// entries are not; `what` takes no header.
fn without_header(header: &[u8], what: &str) -> io::Result<()> {
    match header == HEADER.as_bytes() {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{what} has no header; use `--form jsonl` or `--form ticks`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_targets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for name in [path.display().to_string(), format!("file://{}", path.display())] {
            let mut target = open(&name).unwrap();
            target.begin(b"x").unwrap();
            target.put("k", b"1").unwrap();
            target.finish().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "x\n1\n");
        }
        let error = open("carrier-pigeon://coop").err().unwrap().to_string();
        assert!(error.contains("`carrier-pigeon://coop` is no target; possible are"), "{error}");
        assert!(TARGETS.iter().all(|kind| error.contains(kind.doc)));
    }
}
