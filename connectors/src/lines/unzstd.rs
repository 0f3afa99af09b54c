//! The content of a zstd file, all its frames one after another, in bounded memory.
//!
//! By libzstd (crate `zstd`) and not by the pure-Rust `ruzstd`: that one decodes a single frame, does not
//! compare checksums, and takes several times as long. What libzstd needs, a C compiler, is what Rust
//! needs to link.

use std::io::{self, BufRead, ErrorKind, Read};

/// The largest window that is decoded, as a power of two: 128 MiB, as `zstd -d` has it. A frame that needs
/// more is damage; no level of compression makes one unless it is asked for with `--long`.
const WINDOW_LOG_MAX: u32 = 27;

/// Reads the content of a zstd file. What is wrong with its bytes is an error of the kinds `UnexpectedEof`
/// and `InvalidData`.
pub(super) struct Unzstd<R: BufRead>(zstd::Decoder<'static, R>);

impl<R: BufRead> Unzstd<R> {
    /// Of a file, from its beginning; fails only for want of memory.
    pub(super) fn new(file: R) -> io::Result<Unzstd<R>> {
        let mut decoder = zstd::Decoder::with_buffer(file)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Unzstd(decoder))
    }
}

impl<R: BufRead> Read for Unzstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            // What libzstd says has no kind of its own.
            ErrorKind::Other => io::Error::new(ErrorKind::InvalidData, error),
            _ => error,
        })
    }
}
