//! Where the trades and the expected candles are.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// The folder of shared data; if it is absent, none, and a line says that `test` is skipped.
pub(crate) fn shared(test: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {test}: there is no {}", folder.display());
    None
}

/// The uncompressed content of a gzip file.
pub(crate) fn gunzip(path: &Path) -> impl BufRead {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    BufReader::new(MultiGzDecoder::new(file))
}

/// The content of the first file in a zip archive, which must be deflated.
///
/// Only the local header is read; a deflate stream knows its own end.
pub(crate) fn unzip_first(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let number = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    const HEADER: usize = 30;
    const DEFLATED: usize = 8;
    assert!(bytes.starts_with(b"PK\x03\x04"), "{} is no zip archive", path.display());
    assert_eq!(number(8), DEFLATED, "compression of {}", path.display());
    let content = HEADER + number(26) + number(28); // after a name and extra fields
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(&bytes[content..]).read_to_string(&mut text).unwrap();
    text
}
