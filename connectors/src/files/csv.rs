//! From lines to fields, as RFC 4180 has it and as feeds write it.
//!
//! Not by the `csv` crate, which would take all that follows a quote that is never closed into memory
//! and one record; the tests hold this reading equal to its.

use super::config::CsvConfig;
use super::lines::{LINE_MAX, Line, Lines};
use std::io;

use memchr::{memchr, memchr_iter};

/// How a file writes its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    delimiter: u8,
    quote: Option<u8>,
    pub(super) header: Header,
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

/// The fields of one record; made once and filled for each.
#[derive(Debug, Default)]
pub struct Fields {
    /// Where each begins and ends.
    spans: Vec<(usize, usize)>,
    /// The fields' text if the record holds quotes; else they lie in the record itself.
    unquoted: String,
    is_unquoted: bool,
}

/// Where in a record a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
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
enum Meaning {
    Text,
    EndOfField,
    Nothing,
}

impl Dialect {
    /// Checks what was written.
    pub fn check(config: &CsvConfig) -> Result<Dialect, String> {
        let delimiter = match config.delimiter.as_str() {
            "tab" => Some(b'\t'),
            text => one_ascii(text),
        };
        let delimiter = delimiter.ok_or_else(|| {
            format!(
                "`csv.delimiter` is {:?}; write one ASCII character or \"tab\"",
                config.delimiter
            )
        })?;
        let quote = match config.quote.as_str() {
            "none" => None,
            text => Some(one_ascii(text).ok_or_else(|| {
                format!("`csv.quote` is {:?}; write one ASCII character or \"none\"", config.quote)
            })?),
        };
        if quote == Some(delimiter) {
            return Err("`csv.delimiter` and `csv.quote` are the same character".to_owned());
        }
        let header = if config.header { Header::Present } else { Header::Absent };
        Ok(Dialect { delimiter, quote, header })
    }

    /// Columns between commas, with quotes where they are needed.
    pub const fn comma(header: Header) -> Dialect {
        Dialect { delimiter: b',', quote: Some(b'"'), header }
    }

    /// Whether the first line of a file, `line`, is a header.
    pub(super) fn is_header(&self, line: &[u8]) -> bool {
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
    /// put back, and the answer is false. The same after an error of the system, with the line itself put
    /// back too.
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
            if fits {
                record.push(b'\n');
                record.extend_from_slice(&more);
                place = self.place_after(&more, place);
            }
            if found != Line::End {
                taken.push((found, more));
            }
            if !fits {
                record.truncate(first);
                lines.put_back(taken);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn place_after(&self, line: &[u8], mut place: Place) -> Place {
        if self.quote.is_some_and(|quote| line.contains(&quote)) {
            for byte in line {
                self.step(&mut place, *byte);
            }
        }
        place
    }

    fn step(&self, place: &mut Place, byte: u8) -> Meaning {
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

impl Fields {
    /// Splits a complete record.
    pub fn split(&mut self, record: &str, dialect: &Dialect) {
        self.spans.clear();
        self.is_unquoted = dialect.quote.is_some_and(|q| record.as_bytes().contains(&q));
        if self.is_unquoted {
            self.split_quoted(record, dialect);
        } else {
            self.split_plain(record.as_bytes(), dialect.delimiter);
        }
    }

    /// Splits a line, unless it holds a quote.
    pub(super) fn split_unquoted(&mut self, line: &[u8], dialect: &Dialect) -> Option<()> {
        if dialect.quote.is_some_and(|quote| memchr(quote, line).is_some()) {
            return None;
        }
        self.is_unquoted = false;
        self.split_plain(line, dialect.delimiter);
        Some(())
    }

    /// The bytes of the field at `index` of the `line` that was split.
    pub(super) fn bytes<'a>(&self, line: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let (from, to) = *self.spans.get(index)?;
        line.get(from..to)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none, as before the first record.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The field at `index` of the `record` that was split.
    pub fn get<'a>(&'a self, record: &'a str, index: usize) -> Option<&'a str> {
        let (from, to) = *self.spans.get(index)?;
        let text = match self.is_unquoted {
            true => &self.unquoted,
            false => record,
        };
        text.get(from..to)
    }

    fn split_plain(&mut self, record: &[u8], delimiter: u8) {
        self.spans.clear();
        let mut from = 0;
        for at in memchr_iter(delimiter, record) {
            self.spans.push((from, at));
            from = at + 1;
        }
        self.spans.push((from, record.len()));
    }

    fn split_quoted(&mut self, record: &str, dialect: &Dialect) {
        let text = &mut self.unquoted;
        text.clear();
        let mut from = 0;
        let mut place = Place::Start;
        for c in record.chars() {
            // Delimiter and quote are ASCII; any other character is only text.
            let byte = u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(u8::MAX);
            match dialect.step(&mut place, byte) {
                Meaning::Text => text.push(c),
                Meaning::Nothing => {}
                Meaning::EndOfField => {
                    self.spans.push((from, text.len()));
                    from = text.len();
                }
            }
        }
        self.spans.push((from, text.len()));
    }
}

fn one_ascii(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn dialect() -> Dialect {
        Dialect::check(&CsvConfig::default()).unwrap()
    }

    /// Every record of `text` that is not blank; none if a quote stays open.
    fn read(text: &str) -> Option<Vec<Vec<String>>> {
        let mut lines = Lines::of(Cursor::new(text.to_owned())).unwrap();
        let (mut records, mut line, mut fields) = (Vec::new(), Vec::new(), Fields::default());
        while lines.next(&mut line).unwrap() == Line::Whole {
            if !dialect().complete(&mut line, &mut lines).unwrap() {
                return None;
            }
            let record = std::str::from_utf8(&line).unwrap();
            fields.split(record, &dialect());
            let texts = (0..fields.len()).map(|at| fields.get(record, at).unwrap().to_owned());
            if !record.is_empty() {
                records.push(texts.collect());
            }
        }
        Some(records)
    }

    /// The same by the `csv` crate.
    fn read_by_twin(text: &str) -> Vec<Vec<String>> {
        let mut twin = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let records = twin.records().map(Result::unwrap);
        records.map(|r| r.iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn an_open_quote_costs_one_line() {
        let mut lines = Lines::of(Cursor::new("a,\"b\nc\n\nd")).unwrap();
        let mut line = Vec::new();
        lines.next(&mut line).unwrap();
        assert!(!dialect().complete(&mut line, &mut lines).unwrap());
        assert_eq!((line.as_slice(), lines.number()), (b"a,\"b".as_slice(), 1));
        for want in ["c", "", "d"] {
            assert_eq!(lines.next(&mut line).unwrap(), Line::Whole);
            assert_eq!(line, want.as_bytes());
        }
        assert_eq!((lines.next(&mut line).unwrap(), lines.number()), (Line::End, 4));
    }

    #[test]
    fn dialects_that_cannot_be() {
        for (delimiter, quote, want) in [
            ("", "\"", "`csv.delimiter` is \"\"; write one ASCII character or \"tab\""),
            ("é", "\"", "`csv.delimiter` is \"é\"; write one ASCII character or \"tab\""),
            ("\n", "\"", "`csv.delimiter` is \"\\n\"; write one ASCII character or \"tab\""),
            (",", "''", "`csv.quote` is \"''\"; write one ASCII character or \"none\""),
            (",", ",", "`csv.delimiter` and `csv.quote` are the same character"),
        ] {
            let config = CsvConfig {
                delimiter: delimiter.to_owned(),
                quote: quote.to_owned(),
                header: true,
            };
            assert_eq!(Dialect::check(&config), Err(want.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn every_text_reads_as_by_the_csv_crate(text in "[ab,\"\n é]{0,40}") {
            if let Some(records) = read(&text) {
                prop_assert_eq!(records, read_by_twin(&text));
            }
        }

        #[test]
        fn what_the_csv_crate_writes_is_read(
            records in prop::collection::vec(prop::collection::vec("[ab,\"\n é]{1,5}", 2..4), 0..5),
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for record in &records {
                writer.write_record(record).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(read(&text), Some(records));
        }
    }
}
