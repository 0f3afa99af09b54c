//! The content of the first file of data in a zip archive, in one pass and bounded memory. Folders and what macOS adds
//! before it are skipped.
//!
//! Archives of market data hold one file each. Only local headers are read ([APPNOTE], 4.3.7), since a
//! deflate stream knows its own end, and so an archive needs no seeking; what follows the content is read to hold its
//! checksum to it, and to see that no second file follows, which would be lost. All that is wrong is an error of the
//! kinds `UnexpectedEof` (the archive breaks off) and `InvalidData`.
//!
//! ```text
//! 50 4b 03 04 | version 2 | flags 2 | method 2 | time 4 | crc 4 | packed 4 | size 4 | name n | extra m
//! content | 50 4b 07 08 crc 4 packed 4|8 size 4|8, if bit 3 of the flags is set | 50 4b 01 02 …
//! ```
//!
//! [APPNOTE]: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

use std::io::{self, BufRead, ErrorKind, Read};

use super::archive::{is_data, u16_at, u32_at};
use flate2::Crc;
use flate2::bufread::DeflateDecoder;

const LOCAL_FILE: &[u8] = b"PK\x03\x04";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// What follows the last file: the directory, or extra data about it.
const DIRECTORY: [&[u8]; 3] = [b"PK\x01\x02", b"PK\x06\x08", b"PK\x05\x06"];
const HEAD_BYTES: usize = 30;
const DESCRIPTOR_BYTES: usize = 16;

/// Reads the content of the first file of an archive.
pub(super) struct Unzip<R> {
    /// Has the archive; decodes only while the content lasts.
    decoder: DeflateDecoder<R>,
    stage: Stage,
    /// What was read of what is not content; less than 128 KiB.
    part: Vec<u8>,
    /// What the checksum must be, unless a descriptor says it after the content.
    crc: Option<u32>,
    sum: Crc,
}

/// What comes next.
#[derive(Clone, Copy)]
enum Stage {
    Head,
    Deflated,
    Stored {
        left: u64,
    },
    /// The content of what is no data, before the next head.
    Skipped {
        left: u64,
    },
    Tail,
    Ended,
}

impl<R: BufRead> Unzip<R> {
    /// Of an archive, from its beginning. Nothing is read yet.
    pub(super) fn new(archive: R) -> Unzip<R> {
        Unzip {
            decoder: DeflateDecoder::new(archive),
            stage: Stage::Head,
            part: Vec::new(),
            crc: None,
            sum: Crc::new(),
        }
    }

    fn head(&mut self) -> io::Result<Stage> {
        self.fill(4)?;
        if self.part.starts_with(DESCRIPTOR) {
            self.fill(DESCRIPTOR_BYTES)?; // of a folder
            self.part.clear();
        }
        self.fill(HEAD_BYTES)?;
        if !self.part.starts_with(LOCAL_FILE) {
            return Err(wrong("the archive does not begin with a file"));
        }
        let (flags, method) = (u16_at(&self.part, 6), u16_at(&self.part, 8));
        let name = usize::from(u16_at(&self.part, 26));
        let extra = usize::from(u16_at(&self.part, 28));
        self.fill(HEAD_BYTES + name + extra)?;
        let (is_encrypted, is_described) = (flags & 1 != 0, flags & 8 != 0);
        if is_encrypted {
            return Err(wrong("the file in the archive is encrypted"));
        }
        self.crc = (!is_described).then(|| u32_at(&self.part, 14));
        let (packed, size) = (u32_at(&self.part, 18), u32_at(&self.part, 22));
        let name = String::from_utf8_lossy(&self.part[HEAD_BYTES..HEAD_BYTES + name]).into_owned();
        self.part.clear();
        let is_sized = !is_described || (packed == 0 && method == 0);
        if !is_data(&name) && is_sized && packed < u32::MAX {
            return Ok(Stage::Skipped { left: u64::from(packed) });
        }
        match method {
            8 => Ok(Stage::Deflated),
            0 if !is_described && size < u32::MAX => Ok(Stage::Stored { left: u64::from(size) }),
            0 => Err(wrong("the file in the archive is not compressed, and its size is not known")),
            _ => Err(wrong(&format!(
                "the file in the archive is compressed by method {method}; only deflate (8) is read"
            ))),
        }
    }

    fn tail(&mut self) -> io::Result<()> {
        let mut at = 0;
        if self.crc.is_none() {
            self.fill(4)?;
            at = if self.part.starts_with(DESCRIPTOR) { 4 } else { 0 };
            self.fill(at + 4)?;
            at += 12;
        }
        self.fill(at + 4)?;
        if self.crc.is_none() && !self.is_signature(at) {
            at += 8; // sizes of 8 bytes
            self.fill(at + 4)?;
        }
        let described = if self.part.starts_with(DESCRIPTOR) { 4 } else { 0 };
        let crc = self.crc.unwrap_or_else(|| u32_at(&self.part, described));
        if crc != self.sum.sum() {
            return Err(wrong("the checksum of the file in the archive is another"));
        }
        if !self.is_signature(at) {
            return Err(wrong("the archive goes on with what is no part of one"));
        }
        if self.part[at..].starts_with(LOCAL_FILE) {
            self.fill(at + HEAD_BYTES)?;
            let end = at + HEAD_BYTES + usize::from(u16_at(&self.part, at + 26));
            self.fill(end)?;
            if is_data(&String::from_utf8_lossy(&self.part[at + HEAD_BYTES..end])) {
                return Err(wrong("the archive holds more than one file; only the first is read"));
            }
        }
        Ok(())
    }

    /// Skips `left` bytes, and comes to the next head. After an error of the system it can be asked again.
    fn skip(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let archive = self.decoder.get_mut();
            let bytes = archive.fill_buf()?.len();
            if bytes == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the archive ends too soon"));
            }
            let skipped = usize::try_from(left).map_or(bytes, |left| bytes.min(left));
            archive.consume(skipped);
            left -= skipped as u64;
            self.stage = Stage::Skipped { left };
        }
        self.stage = Stage::Head;
        Ok(())
    }

    fn is_signature(&self, at: usize) -> bool {
        let part = &self.part[at..];
        part.starts_with(LOCAL_FILE) || DIRECTORY.iter().any(|magic| part.starts_with(magic))
    }

    /// Reads on until `part` has `len` bytes. After an error of the system it can be asked again.
    fn fill(&mut self, len: usize) -> io::Result<()> {
        while self.part.len() < len {
            let archive = self.decoder.get_mut();
            let bytes = archive.fill_buf()?;
            if bytes.is_empty() {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the archive ends too soon"));
            }
            let taken = bytes.len().min(len - self.part.len());
            self.part.extend_from_slice(&bytes[..taken]);
            archive.consume(taken);
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Unzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            let read = match self.stage {
                Stage::Head => {
                    self.stage = self.head()?;
                    continue;
                }
                Stage::Deflated => self.decoder.read(buffer)?,
                Stage::Skipped { left } => {
                    self.skip(left)?;
                    continue;
                }
                Stage::Stored { left } => {
                    let read = self.decoder.get_mut().take(left).read(buffer)?;
                    self.stage = Stage::Stored { left: left - read as u64 };
                    read
                }
                Stage::Tail => {
                    self.tail()?;
                    self.stage = Stage::Ended;
                    continue;
                }
                Stage::Ended => break,
            };
            self.sum.update(&buffer[..read]);
            if read > 0 {
                return Ok(read);
            }
            self.stage = Stage::Tail;
        }
        Ok(0)
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
