//! From lines to entries: JSON objects, or columns under a header.

use std::io;

use market::{InputEvent, RejectionReason};

use super::decode::Decoder;
use super::error::FieldError;
use super::texts::{EntryHeader, Texts};
use crate::delimited::{Dialect, Fields, Header, is_joined};
use crate::lines::{LINE_MAX, Line, Lines, RecordPart};
use crate::source::Decoded;

/// How lines hold fields.
#[derive(Clone, Copy)]
pub(super) enum Layout {
    /// An object on each.
    Jsonl,
    /// Columns, named by the first line that is not blank.
    Csv(Dialect),
}

/// Why the lines of an input cannot be read as rows.
#[derive(Debug)]
pub(super) enum Problem {
    /// The error of the system.
    System(io::Error),
    /// What is wrong with the header.
    Header(String),
}

/// The rows of an input.
pub(super) struct Rows {
    lines: Lines,
    /// How columns are written, until their header was read.
    unread: Option<Dialect>,
    columns: Option<Columns>,
    /// The row that was read last, as received.
    text: Vec<u8>,
    is_ended: bool,
}

struct Columns {
    dialect: Dialect,
    header: EntryHeader,
    fields: Fields,
}

/// What a line that is no blank comes to.
pub(super) type Decoding = Result<Decoded<InputEvent>, FieldError>;

impl Layout {
    /// Columns between commas, with quotes where they are needed.
    pub(super) fn comma() -> Layout {
        Layout::Csv(Dialect::comma(Header::Present))
    }
}

impl Rows {
    /// The rows of these lines; reads the header, if there is to be one. Without any line there are no rows.
    pub(super) fn open(lines: Lines, layout: &Layout) -> Result<Rows, Problem> {
        let mut rows = Rows::begin(lines, layout);
        rows.read_header()?;
        Ok(rows)
    }

    /// The rows of lines of which more may come; the header is not read yet.
    pub(super) fn begin(lines: Lines, layout: &Layout) -> Rows {
        let unread = match layout {
            Layout::Csv(dialect) => Some(*dialect),
            Layout::Jsonl => None,
        };
        Rows { lines, unread, columns: None, text: Vec::new(), is_ended: false }
    }

    /// Reads the header, unless that was done or there is none. After an error of the system it can be tried again.
    pub(super) fn read_header(&mut self) -> Result<(), Problem> {
        let Some(dialect) = self.unread else { return Ok(()) };
        loop {
            match self.lines.next(&mut self.text).map_err(Problem::System)? {
                Line::Whole if is_blank(&self.text) || dialect.is_comment(&self.text) => {}
                Line::Whole => break,
                Line::End => {
                    self.is_ended = true;
                    return Ok(());
                }
                Line::TooLong => {
                    let problem = format!("the header is longer than {LINE_MAX} bytes");
                    return Err(Problem::Header(problem));
                }
                Line::Cut(problem) => {
                    let problem =
                        format!("the compressed file breaks off in its header: {problem}");
                    return Err(Problem::Header(problem));
                }
            }
        }
        dialect.complete(&mut self.text, &mut self.lines).map_err(Problem::System)?;
        let text = String::from_utf8_lossy(&self.text);
        let mut fields = Fields::default();
        fields.split(&text, &dialect);
        let names = (0..fields.len()).filter_map(|at| fields.get(&text, at));
        let header = EntryHeader::read(names).map_err(Problem::Header)?;
        self.columns = Some(Columns { dialect, header, fields });
        self.unread = None;
        Ok(())
    }

    fn is_comment(&self) -> bool {
        self.columns.as_ref().is_some_and(|columns| columns.dialect.is_comment(&self.text))
    }

    /// Reads the next row. `position` is asked for the position of a row that begins on the line of this
    /// number; none skips it undecoded. None at the end.
    pub(super) fn next(
        &mut self,
        decoder: &Decoder,
        mut position: impl FnMut(u64) -> Option<u64>,
    ) -> io::Result<Option<(u64, Decoding)>> {
        while !self.is_ended {
            let line = self.lines.next(&mut self.text)?;
            let number = self.lines.number();
            let refused = |reason, detail| Some(Err(FieldError::of_row(reason, detail)));
            let decoded = match line {
                Line::End => {
                    self.is_ended = true;
                    break;
                }
                Line::Cut(problem) => {
                    self.is_ended = true;
                    let detail = format!("the compressed file breaks off here: {problem}");
                    refused(RejectionReason::Truncated, detail)
                }
                Line::TooLong => {
                    let detail = format!("the line is longer than {LINE_MAX} bytes");
                    refused(RejectionReason::Malformed, detail)
                }
                Line::Whole if is_blank(&self.text) || self.is_comment() => continue,
                Line::Whole => match self.complete()? {
                    true => None,
                    false => {
                        let detail = "a quote is opened and not closed".to_owned();
                        refused(RejectionReason::Malformed, detail)
                    }
                },
            };
            let Some(position) = position(number) else { continue };
            let mut decoded = decoded.unwrap_or_else(|| self.decode(decoder, position));
            let last = self.lines.number();
            if let Err(error) = &mut decoded
                && last > number
            {
                error.detail += &is_joined(number, last);
            }
            return Ok(Some((position, decoded)));
        }
        Ok(None)
    }

    /// The row that was read last, as received.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The number of the line that was read last.
    pub(super) fn number(&self) -> u64 {
        self.lines.number()
    }

    /// See [`Lines::part`].
    pub(super) fn part(&self) -> Option<RecordPart> {
        self.lines.part()
    }

    /// See [`Lines::left_out`].
    pub(super) fn left_out(&mut self) -> Option<&'static str> {
        self.lines.left_out()
    }

    /// See [`Lines::extent`].
    pub(super) fn extent(&self) -> Option<(u64, u64)> {
        self.lines.extent()
    }

    /// Takes further lines of the row while one of its quotes is open.
    fn complete(&mut self) -> io::Result<bool> {
        match &self.columns {
            Some(columns) => columns.dialect.complete(&mut self.text, &mut self.lines),
            None => Ok(true),
        }
    }

    fn decode(&mut self, decoder: &Decoder, position: u64) -> Decoding {
        let text = std::str::from_utf8(&self.text).map_err(|error| {
            let detail = format!("byte {} is not UTF-8", error.valid_up_to() + 1);
            FieldError::of_row(RejectionReason::Malformed, detail)
        })?;
        let Some(Columns { dialect, header, fields }) = &mut self.columns else {
            return decoder.decode(&Texts::of_object(text)?, position);
        };
        fields.split(text, dialect);
        if fields.len() != header.len() {
            let detail = format!("{} fields expected, {} found", header.len(), fields.len());
            return Err(FieldError::of_row(RejectionReason::Malformed, detail));
        }
        decoder.decode(&header.texts(|at| fields.get(text, at)), position)
    }
}

/// Blank lines are no rows.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b' ')
}
