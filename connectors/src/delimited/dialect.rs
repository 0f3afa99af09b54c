//! How a text writes its columns: what separates them, what quotes them, and whether a header names them.

use std::io;

use super::config::{CsvConfig, NONE};
use crate::lines::{LINE_MAX, Line, Lines};

/// How a file writes its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(crate) header: Header,
    /// What lines begin with that are no records.
    pub(super) comment: Option<u8>,
    /// Whether an empty last field is none.
    pub(super) trailing_delimiter: bool,
}

/// Whether the first line names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// It does.
    Present,
    /// It is a record; columns are numbered.
    Absent,
    /// It does if it does not begin with a digit; columns are numbered either way.
    UnlessNumber,
}

/// Where in a record a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the start of a field.
    Start,
    /// In a field without quotes; a quote here is only a character.
    Bare,
    /// Between quotes.
    Quoted,
    /// After a quote between quotes, which ends the field or is the first of two that mean one.
    Closing,
}

/// What a character means.
pub(super) enum Meaning {
    Text,
    EndOfField,
    Nothing,
}

impl Dialect {
    /// Whether commas separate columns.
    pub(crate) fn is_comma(&self) -> bool {
        self.delimiter == b','
    }

    /// Checks what was written.
    pub fn check(config: &CsvConfig) -> Result<Dialect, String> {
        let delimiter = match config.delimiter.as_deref() {
            None => b',',
            Some("tab") => b'\t',
            Some(text) => one_ascii(text).ok_or_else(|| {
                format!("`csv.delimiter` is {text:?}; write one ASCII character or \"tab\"")
            })?,
        };
        let quote = one_or_none("quote", &config.quote)?;
        let comment = one_or_none("comment", &config.comment)?;
        if quote == Some(delimiter) {
            return Err("`csv.delimiter` and `csv.quote` are the same character".to_owned());
        }
        let header = if config.header { Header::Present } else { Header::Absent };
        if comment.is_some_and(|comment| [Some(delimiter), quote].contains(&Some(comment))) {
            let problem =
                "`csv.comment` is the delimiter or the quote; write another character, or \"none\"";
            return Err(problem.to_owned());
        }
        Ok(Dialect {
            delimiter,
            quote,
            header,
            comment,
            trailing_delimiter: config.trailing_delimiter,
        })
    }

    /// Columns between commas, with quotes where they are needed.
    pub const fn comma(header: Header) -> Dialect {
        Dialect {
            delimiter: b',',
            quote: Some(b'"'),
            header,
            comment: None,
            trailing_delimiter: false,
        }
    }

    /// The same of a file of this name, of which no delimiter is written: its ending may say it.
    pub(crate) fn of_file(self, name: &str) -> Dialect {
        match is_tsv(name) {
            true => Dialect { delimiter: b'\t', ..self },
            false => self,
        }
    }

    /// Whether a line, read from its beginning, is no record.
    pub(crate) fn is_comment(&self, line: &[u8]) -> bool {
        self.comment.is_some() && line.first() == self.comment.as_ref()
    }

    /// Whether the first line of a file, `line`, is a header.
    pub(crate) fn is_header(&self, line: &[u8]) -> bool {
        match self.header {
            Header::Present => true,
            Header::Absent => false,
            Header::UnlessNumber => {
                !line.trim_ascii_start().first().is_some_and(u8::is_ascii_digit)
            }
        }
    }

    /// Takes further lines into `record` while one of its quotes is open.
    ///
    /// If none of the next lines closes it within [`LINE_MAX`], `record` stays one line, the others are
    /// put back, and the answer is false. So it is if text follows the quote that would close it: then that
    /// quote opens a field of another record, and the first one was never closed. The same after an error of
    /// the system, with the line itself put back too.
    pub fn complete(&self, record: &mut Vec<u8>, lines: &mut Lines) -> io::Result<bool> {
        let mut place = self.place_after(record, Place::Start);
        if place != Place::Quoted {
            return Ok(true);
        }
        let first = record.len();
        let mut taken = Vec::new();
        while place == Place::Quoted {
            let mut more = Vec::new();
            let found = match lines.next(&mut more) {
                Ok(found) => found,
                Err(error) => {
                    record.truncate(first);
                    taken.insert(0, (Line::Whole, record.clone()));
                    lines.put_back(taken);
                    return Err(error);
                }
            };
            let fits = found == Line::Whole && record.len() + 1 + more.len() <= LINE_MAX;
            let behind = if fits { self.place_behind(&more) } else { None };
            if let Some(behind) = behind {
                record.push(b'\n');
                record.extend_from_slice(&more);
                place = behind;
            }
            if found != Line::End {
                taken.push((found, more));
            }
            if behind.is_none() {
                record.truncate(first);
                lines.put_back(taken);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the line `more` ends, on which a quote is open that began on a line before; none if text follows a quote
    /// that closes a field.
    fn place_behind(&self, more: &[u8]) -> Option<Place> {
        let mut place = Place::Quoted;
        if !self.quote.is_some_and(|quote| more.contains(&quote)) {
            return Some(place);
        }
        for byte in more {
            let is_closing = place == Place::Closing;
            self.step(&mut place, *byte);
            if is_closing && place == Place::Bare {
                return None;
            }
        }
        Some(place)
    }

    fn place_after(&self, line: &[u8], mut place: Place) -> Place {
        if self.quote.is_some_and(|quote| line.contains(&quote)) {
            for byte in line {
                self.step(&mut place, *byte);
            }
        }
        place
    }

    /// What `byte` means at `place`, which moves on.
    pub(super) fn step(&self, place: &mut Place, byte: u8) -> Meaning {
        let is_quote = self.quote == Some(byte);
        let (next, meaning) = match *place {
            Place::Start if is_quote => (Place::Quoted, Meaning::Nothing),
            Place::Quoted if is_quote => (Place::Closing, Meaning::Nothing),
            Place::Quoted => (Place::Quoted, Meaning::Text),
            Place::Closing if is_quote => (Place::Quoted, Meaning::Text),
            _ if byte == self.delimiter => (Place::Start, Meaning::EndOfField),
            _ => (Place::Bare, Meaning::Text),
        };
        *place = next;
        meaning
    }
}

/// Whether a file's name says that tabs separate its columns, however it is compressed.
pub(crate) fn is_tsv(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain = [".gz", ".zst", ".zip"].iter().find_map(|ending| lower.strip_suffix(ending));
    plain.unwrap_or(&lower).ends_with(".tsv")
}

fn one_or_none(key: &str, text: &str) -> Result<Option<u8>, String> {
    let wrong = || format!("`csv.{key}` is {text:?}; write one ASCII character or \"{NONE}\"");
    match text {
        NONE => Ok(None),
        text => one_ascii(text).map(Some).ok_or_else(wrong),
    }
}

fn one_ascii(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ => None,
    }
}
