//! From a file to its lines, in bounded memory, whether and however it is compressed.

mod archive;
mod carriage_return;
mod gunzip;
mod pipe;
mod signature;
mod unzip;
mod unzstd;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::mem;
use std::os::unix::fs::{FileExt, FileTypeExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use memchr::memchr;

pub(crate) use archive::is_data;
use carriage_return::AsLineFeed;
use gunzip::{Gunzip, Trailing};
use pipe::Pipe;
use unzip::Unzip;
use unzstd::Unzstd;

/// The most bytes that a line may have.
pub const LINE_MAX: usize = 64 * 1_024;

pub(crate) const BUFFER_BYTES: usize = 64 * 1_024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZIP_MAGIC: [u8; 4] = *b"PK\x03\x04";
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How a file that begins so is compressed; none if it is not.
pub(crate) fn compression(start: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], _); 3] =
        [(&GZIP_MAGIC, "gzip"), (&ZIP_MAGIC, "zip"), (&ZSTD_MAGIC, "zstd")];
    known.into_iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| name)
}

/// What is wrong with a compressed file that is to be followed.
pub(crate) fn not_plain(how: &str) -> String {
    format!("it is compressed ({how}), and only plain text can be followed")
}

/// Whether text that begins so has its first line, or so much that it cannot be one.
pub(crate) fn has_first_line(start: &[u8]) -> bool {
    let is_too_long = start.len() > LINE_MAX;
    is_too_long || memchr(b'\n', start).is_some() || carriage_return::ends_lines(start)
}

/// What [`Lines::next`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Whole,
    /// A line longer than [`LINE_MAX`], cut to that.
    TooLong,
    /// The compressed stream breaks off or is damaged: what was left of the line, and what is wrong.
    /// Nothing follows.
    Cut(String),
    /// Nothing; the file has ended.
    End,
}

/// A record of which a part was read, while more may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordPart {
    /// The number of the line on which it begins, from 1.
    pub(crate) line: u64,
    /// How many lines were read of it, whole or not.
    pub(crate) lines: u64,
    /// Whether it waits for a quote to be closed; if not, for the end of a line.
    pub(crate) is_quote_open: bool,
}

/// A file, and how much of it was read.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// The lines of a plain, gzip, zip or zstd file. Lines end with LF or CR LF; the last one need not. If the first buffer
/// has no LF and a CR between other text, all lines end with CR.
pub struct Lines {
    input: Box<dyn BufRead + Send>,
    is_compressed: bool,
    /// What follows a compressed file and is no part of it.
    trailing: Trailing,
    number: u64,
    /// Bytes read of the file as it is stored, and how many it had when it was opened.
    extent: Option<(Arc<AtomicU64>, u64)>,
    /// Of a pipe: whether reads wait for as long as it takes.
    is_patient: Option<Arc<AtomicBool>>,
    /// What was read of a line before the system reported an error.
    unfinished: Vec<u8>,
    /// What was reported to [`Lines::glance`], for the next read.
    failed: Option<io::Error>,
    /// Lines that were put back.
    held: VecDeque<(Line, Vec<u8>)>,
}

impl Lines {
    /// Opens a file; whether and how it is compressed is seen by its first bytes, not by its name.
    ///
    /// # Errors
    /// Also if it is of a format that is no text, or an archive that does not hold one file of data.
    pub fn open(path: &Path) -> io::Result<Lines> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.file_type().is_fifo() {
            let is_patient = Arc::new(AtomicBool::new(true));
            let pipe = Pipe::new(file, Arc::clone(&is_patient))?;
            let mut lines = Lines::of(BufReader::with_capacity(BUFFER_BYTES, pipe))?;
            lines.is_patient = Some(is_patient);
            return Ok(lines);
        }
        if about.is_file() {
            one_file(&file, about.len())?;
        }
        let (read, bytes) = (Arc::default(), about.len());
        let counted = Counted { file, read: Arc::clone(&read) };
        let mut lines = Lines::of(BufReader::with_capacity(BUFFER_BYTES, counted))?;
        lines.extent = Some((read, bytes));
        Ok(lines)
    }

    /// The lines of text that is in memory, and that is text whatever it begins with.
    pub fn of_text(text: Vec<u8>) -> Lines {
        let (unfinished, held) = (Vec::new(), VecDeque::new());
        let input = Box::new(io::Cursor::new(text));
        Lines {
            input,
            is_compressed: false,
            trailing: Trailing::default(),
            number: 0,
            extent: None,
            is_patient: None,
            unfinished,
            failed: None,
            held,
        }
    }

    /// From now on a read of a pipe waits for a moment only, then it fails with [`ErrorKind::WouldBlock`].
    pub fn be_impatient(&mut self) {
        self.is_patient.iter().for_each(|is_patient| is_patient.store(false, Ordering::Relaxed));
    }

    /// The lines of any input.
    ///
    /// # Errors
    /// Also if it is of a format that is no text.
    pub fn of(mut input: impl BufRead + Send + 'static) -> io::Result<Lines> {
        let compression = compression(input.fill_buf()?);
        let is_compressed = compression.is_some();
        let trailing = Trailing::default();
        let mut input: Box<dyn BufRead + Send> = match compression {
            Some("gzip") => buffered(Gunzip::new(input, trailing.clone())),
            Some("zip") => buffered(Unzip::new(input)),
            Some(_) => buffered(Unzstd::new(input)?),
            None => Box::new(input),
        };
        // What cannot be decompressed is said by the first line.
        let (start, failed) = match input.fill_buf() {
            Ok(start) => (start, None),
            Err(error) => (&[][..], Some(error)),
        };
        signature::refuse(start)?;
        let ends_by_carriage_return = carriage_return::ends_lines(start);
        if ends_by_carriage_return {
            input = buffered(AsLineFeed(input));
        }
        let (unfinished, held) = (Vec::new(), VecDeque::new());
        Ok(Lines {
            input,
            is_compressed,
            trailing,
            number: 0,
            extent: None,
            is_patient: None,
            unfinished,
            failed,
            held,
        })
    }

    /// The number of the line that was read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What was read of a record of which the rest has not come; none if nothing was.
    pub(crate) fn part(&self) -> Option<RecordPart> {
        let line = self.number + 1;
        match self.held.len() {
            0 if self.unfinished.is_empty() => None,
            0 => Some(RecordPart { line, lines: 1, is_quote_open: false }),
            whole => {
                let lines = whole as u64 + u64::from(!self.unfinished.is_empty());
                Some(RecordPart { line, lines, is_quote_open: true })
            }
        }
    }

    /// What follows a compressed file that was read whole, and was left out since it is no part of one; said once.
    pub(crate) fn left_out(&mut self) -> Option<&'static str> {
        self.trailing.take().then_some(
            "the gzip stream was read whole; what follows it in the file is no gzip stream, and is left out",
        )
    }

    /// How many bytes of the file were read of how many, decompressed or not; a buffer ahead of the
    /// lines. None of other input.
    pub fn extent(&self) -> Option<(u64, u64)> {
        let (read, bytes) = self.extent.as_ref()?;
        let read = read.load(Ordering::Relaxed);
        Some((read, read.max(*bytes)))
    }

    /// Reads the next line into `line`, which is emptied first. After an error of the system the same
    /// line can be asked for again.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Line> {
        let found = match self.held.pop_front() {
            Some((found, text)) => {
                *line = text;
                found
            }
            None => self.read(line)?,
        };
        self.number += u64::from(found != Line::End);
        Ok(found)
    }

    /// The next line where it lies, without its end, if it is whole there and not the first: then it is what [`Lines::next`] would
    /// copy. It is still the next line, until [`Lines::skip`].
    pub fn glance(&mut self) -> Option<&[u8]> {
        let is_at_start = self.number > 0 && self.held.is_empty() && self.unfinished.is_empty();
        if !is_at_start || self.failed.is_some() {
            return None;
        }
        let bytes = match self.input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) => {
                self.failed = Some(error);
                return None;
            }
        };
        let line = &bytes[..memchr(b'\n', bytes)?];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(line).filter(|line| line.len() <= LINE_MAX)
    }

    /// Goes on behind the line at which [`Lines::glance`] has just looked, of this length.
    pub fn skip(&mut self, len: usize) {
        let bytes = self.input.fill_buf().unwrap_or_default(); // which is at hand
        let end = if bytes.get(len) == Some(&b'\r') { 2 } else { 1 };
        self.input.consume(len + end);
        self.number += 1;
    }

    /// Puts back the lines that were read last, oldest first.
    pub fn put_back(&mut self, lines: Vec<(Line, Vec<u8>)>) {
        self.number -= lines.len() as u64;
        for line in lines.into_iter().rev() {
            self.held.push_front(line);
        }
    }

    fn read(&mut self, line: &mut Vec<u8>) -> io::Result<Line> {
        line.clear();
        line.append(&mut self.unfinished);
        // Room for the longest line and its end.
        let room = (LINE_MAX + 2).saturating_sub(line.len()) as u64;
        let read = match self.failed.take() {
            Some(error) => Err(error),
            None => (&mut self.input).take(room).read_until(b'\n', line),
        };
        match read {
            Ok(_) => {}
            Err(error) if self.is_compressed && is_damage(&error) => {
                return Ok(Line::Cut(error.to_string()));
            }
            Err(error) => {
                self.unfinished = mem::take(line);
                return Err(error);
            }
        }
        if line.is_empty() {
            return Ok(Line::End);
        }
        let is_ended = line.pop_if(|byte| *byte == b'\n').is_some();
        line.pop_if(|byte| is_ended && *byte == b'\r');
        if self.number == 0 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if line.len() <= LINE_MAX {
            return Ok(Line::Whole);
        }
        let mut found = Line::TooLong;
        if !is_ended {
            match self.input.skip_until(b'\n') {
                Ok(_) => {}
                Err(error) if self.is_compressed && is_damage(&error) => {
                    found = Line::Cut(error.to_string());
                }
                Err(error) => {
                    self.unfinished = mem::take(line);
                    return Err(error);
                }
            }
        }
        line.truncate(LINE_MAX);
        Ok(found)
    }
}

/// Refuses an archive of several files of data, of which only the first would be read, and one of none.
fn one_file(file: &File, bytes: u64) -> io::Result<()> {
    let mut start = [0; ZIP_MAGIC.len()];
    let is_zip = file.read_exact_at(&mut start, 0).is_ok() && start == ZIP_MAGIC;
    let Some(names) = is_zip.then(|| archive::data_files(file, bytes)).transpose()?.flatten()
    else {
        return Ok(());
    };
    let is_workbook = names.iter().any(|name| name == "[Content_Types].xml");
    let problem = match &names[..] {
        _ if is_workbook => "this is an Excel workbook, not text: export it as CSV".to_owned(),
        [_] => return Ok(()),
        [] => "the archive holds no file".to_owned(),
        [first, second, ..] => format!(
            "the archive holds {} files, such as {first:?} and {second:?}: unpack it, and name them one by one",
            names.len()
        ),
    };
    Err(io::Error::new(ErrorKind::InvalidInput, problem))
}

fn buffered(decoder: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
}

/// Whether a decoder's error is about the bytes, not about reading them.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn all(bytes: impl Into<Vec<u8>>) -> Vec<String> {
        let mut lines = Lines::of(Cursor::new(bytes.into())).unwrap();
        let (mut line, mut all) = (Vec::new(), Vec::new());
        while lines.next(&mut line).unwrap() != Line::End {
            all.push(String::from_utf8_lossy(&line).into_owned());
        }
        assert_eq!(lines.number(), all.len() as u64);
        all
    }

    #[test]
    fn line_ends_and_the_byte_order_mark() {
        assert_eq!(all(""), [""; 0]);
        assert_eq!(all("a"), ["a"]);
        assert_eq!(all("a\n"), ["a"]);
        assert_eq!(all("a\r\n\r\n\nb\rc\r"), ["a", "", "", "b\rc\r"]);
        assert_eq!(all("a\rb\r\rc"), ["a", "b", "", "c"], "CR ends lines where no LF does");
        assert_eq!(all("\u{feff}a\rb\r"), ["a", "b"]);
        assert_eq!(all("a\r"), ["a\r"], "which may be the first half of CR LF");
        assert_eq!(all("\u{feff}a\n\u{feff}b"), ["a", "\u{feff}b"]);
    }

    #[test]
    fn the_longest_line() {
        let fits = "x".repeat(LINE_MAX);
        for end in ["", "\n", "\r\n"] {
            for (more, want) in [("", Line::Whole), ("y", Line::TooLong), ("yyyyy", Line::TooLong)]
            {
                let text = format!("{fits}{more}{end}");
                let mut lines = Lines::of(Cursor::new(text)).unwrap();
                let mut line = Vec::new();
                assert_eq!(lines.next(&mut line).unwrap(), want, "{more:?} {end:?}");
                assert_eq!(line, fits.as_bytes());
                assert_eq!(lines.next(&mut line).unwrap(), Line::End);
            }
        }
    }

    /// Gives one byte at a time, and an error before each.
    struct Flaky(Cursor<Vec<u8>>, bool);

    impl Read for Flaky {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match self.1 {
                true => Err(ErrorKind::TimedOut.into()),
                false => self.0.read(&mut buffer[..1]),
            }
        }
    }

    #[test]
    fn an_error_of_the_system_loses_nothing() {
        let text = format!("one\n{}\ntwo\n", "x".repeat(LINE_MAX + 5));
        // The first byte is read when the input is opened.
        let flaky = Flaky(Cursor::new(text.into_bytes()), true);
        let mut lines = Lines::of(BufReader::new(flaky)).unwrap();
        let (mut line, mut found) = (Vec::new(), Vec::new());
        loop {
            match lines.next(&mut line) {
                Ok(Line::End) => break,
                Ok(kind) => found.push((kind, line.len())),
                Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
            }
        }
        let want = [(Line::Whole, 3), (Line::TooLong, LINE_MAX), (Line::Whole, 3)];
        assert_eq!(found, want);
    }
}
