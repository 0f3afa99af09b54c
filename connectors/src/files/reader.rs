//! Reading one file: lines in, rows out.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::str;
use std::sync::Arc;

use market::{Event, RejectionReason};

use super::columns::{CsvColumns, Problem, is_blank};
use super::config::Shape;
use crate::delimited::is_joined;
use crate::follow::{LineRows, Positions};
use crate::lines::{LINE_MAX, Line, Lines, RecordPart};
use crate::mapping::json::JsonColumns;
use crate::mapping::{DecodeError, Decoder, Field, Given, LeftOutTally, Mapping};
use crate::source::{BATCH_ROWS, Decoded, Incident, PartitionReader, Progress, Row, SourceError};

/// How a file is read.
#[derive(Clone)]
pub(super) struct ReadFile {
    /// The names of source and partition.
    pub(super) source: String,
    pub(super) name: String,
    pub(super) shape: Shape,
    /// What its name says.
    pub(super) given: Given,
    pub(super) mapping: Arc<Mapping>,
    /// Hears at the end what `where` left out of the files of the source.
    pub(super) left_out: LeftOutTally,
}

/// A file being read.
pub(super) struct FileReader {
    file: ReadFile,
    lines: Lines,
    /// None until the first record is there.
    columns: Option<Columns>,
    decoder: Decoder,
    positions: Positions,
    is_ended: bool,
    /// Whether a row was read, refused or not.
    has_rows: bool,
    incidents: Vec<Incident>,
    /// The record being read.
    text: Vec<u8>,
}

/// Where the fields lie.
enum Columns {
    Csv(Box<CsvColumns>),
    Jsonl {
        columns: Arc<JsonColumns>,
        /// Whether a number may precede the object.
        stamped: bool,
    },
}

impl FileReader {
    /// Opens a file and finds its columns.
    pub(super) fn open(file: ReadFile, path: &Path, after: u64) -> Result<FileReader, SourceError> {
        let lines = Lines::open(path).map_err(|error| file.problem(Problem::System(error)))?;
        let mut reader = FileReader::of(file, lines, Positions { base: 0, after });
        reader.find_columns().map_err(|problem| reader.file.problem(problem))?;
        reader.lines.be_impatient();
        Ok(reader)
    }

    /// Reads lines of which more may come, and finds the columns when these are there.
    pub(super) fn begin(
        file: ReadFile,
        lines: Lines,
        positions: Positions,
    ) -> Result<FileReader, SourceError> {
        let mut reader = FileReader::of(file, lines, positions);
        reader.has_columns()?;
        Ok(reader)
    }

    fn of(file: ReadFile, lines: Lines, positions: Positions) -> FileReader {
        let decoder =
            Decoder::new(Arc::clone(&file.mapping), &format!("{}/{}", file.source, file.name))
                .given(file.given.clone());
        let text = Vec::new();
        FileReader {
            file,
            lines,
            columns: None,
            decoder,
            positions,
            is_ended: false,
            has_rows: false,
            incidents: Vec::new(),
            text,
        }
    }

    /// Finds the columns, if they are not known and can be known yet; returns whether they are known.
    fn has_columns(&mut self) -> Result<bool, SourceError> {
        if self.columns.is_some() {
            return Ok(true);
        }
        match self.find_columns() {
            Ok(()) => Ok(true),
            Err(Problem::System(error)) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(problem) => Err(self.file.problem(problem)),
        }
    }

    fn find_columns(&mut self) -> Result<(), Problem> {
        self.columns = Some(Columns::find(&self.file.shape, &self.file.mapping, &mut self.lines)?);
        Ok(())
    }

    /// The next row, if it is on a line that can be read where it lies.
    fn next_plain_row(&mut self) -> Option<Row> {
        let Some(Columns::Csv(columns)) = &mut self.columns else { return None };
        if !self.decoder.reads_plain() || self.is_ended {
            return None;
        }
        let position = self.positions.base + self.lines.number() + 1;
        let line = self.lines.glance().filter(|_| position > self.positions.after)?;
        let event = columns.decode_plain(line, &self.decoder, position)?;
        let len = line.len();
        self.lines.skip(len);
        Some(Row::new(position, Ok(event.into())))
    }

    /// The next row; none at the end.
    fn next_row(&mut self) -> io::Result<Option<Row>> {
        while !self.is_ended {
            let line = self.lines.next(&mut self.text)?;
            let position = LineRows::position(self);
            let decoded = match line {
                Line::End => {
                    self.end();
                    break;
                }
                Line::Cut(problem) => {
                    self.is_ended = true;
                    let detail = format!("the compressed file breaks off here: {problem}");
                    Err(DecodeError::new(RejectionReason::Truncated, detail))
                }
                Line::TooLong => {
                    let detail = format!("the line is longer than {LINE_MAX} bytes");
                    Err(DecodeError::new(RejectionReason::Malformed, detail))
                }
                Line::Whole => self.record(position)?,
            };
            if position <= self.positions.after {
                continue;
            }
            match decoded {
                Ok(None) => {}
                Ok(Some(record)) => {
                    self.has_rows = true;
                    return Ok(Some(Row::of(position, Ok(record))));
                }
                Err(error) => {
                    self.has_rows = true;
                    return Ok(Some(Row::new(position, Err(error.of(&self.text)))));
                }
            }
        }
        Ok(None)
    }

    /// The file was read to its end.
    fn end(&mut self) {
        self.is_ended = true;
        let ReadFile { name, mapping, left_out, .. } = &self.file;
        let trailing = self.lines.left_out();
        self.incidents.extend(trailing.map(|what| Incident::warning(name, what)));
        if let Some(column) = mapping.column(Field::Where) {
            let all = left_out.end_of_file(name, self.decoder.left_out(), self.has_rows);
            let all = all.map(|all| all.told_as_all(&column.to_string(), mapping.equals()));
            self.incidents.extend(all.map(|what| Incident::warning(name, what)));
        }
    }

    /// Decodes the record that begins with the line in `text`.
    fn record(&mut self, position: u64) -> io::Result<Result<Option<Decoded<Event>>, DecodeError>> {
        if let Some(Columns::Csv(columns)) = &self.columns
            && !columns.complete(&mut self.text, &mut self.lines)?
        {
            let detail = "a quote is opened and not closed".to_owned();
            return Ok(Err(DecodeError::new(RejectionReason::Malformed, detail)));
        }
        if is_blank(&self.text) {
            return Ok(Ok(None));
        }
        let last = LineRows::position(self);
        let joined = |error: DecodeError| match last > position {
            true => DecodeError { detail: error.detail + &is_joined(position, last), ..error },
            false => error,
        };
        Ok(self.decode(position).map_err(joined))
    }

    /// Decodes the record in `text`, which is complete.
    fn decode(&mut self, position: u64) -> Result<Option<Decoded<Event>>, DecodeError> {
        if let Some(Columns::Csv(columns)) = &mut self.columns {
            let is_header = columns.find_late(&self.text)?;
            if is_header {
                return Ok(None);
            }
        }
        if position <= self.positions.after {
            return Ok(None);
        }
        match str::from_utf8(&self.text) {
            Ok(text) => match &mut self.columns {
                None => Ok(None),
                Some(Columns::Csv(columns)) => columns.decode(text, &mut self.decoder, position),
                Some(Columns::Jsonl { columns, stamped }) => {
                    let object = if *stamped { JsonColumns::after_stamp(text) } else { text };
                    columns.decode(object, &mut self.decoder, position)
                }
            },
            Err(error) => Err(DecodeError::new(
                RejectionReason::Malformed,
                format!("byte {} is not UTF-8", error.valid_up_to() + 1),
            )),
        }
    }
}

impl PartitionReader for FileReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        if !self.has_columns()? {
            return Ok(Progress::More);
        }
        let start = rows.len();
        rows.reserve(BATCH_ROWS);
        while rows.len() - start < BATCH_ROWS {
            if let Some(row) = self.next_plain_row() {
                rows.push(row);
                continue;
            }
            match self.next_row() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => return Ok(Progress::Ended),
                // A pipe, or a file that grows, has no more for now.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // These rows are good; the next call meets the error again, or not.
                Err(_) if rows.len() > start => break,
                Err(source) => {
                    return Err(SourceError::Read {
                        partition: self.file.name.clone(),
                        position: LineRows::position(self).max(self.positions.after),
                        source,
                    });
                }
            }
        }
        Ok(Progress::More)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        self.lines.extent()
    }
}

impl LineRows for FileReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
        PartitionReader::read(self, rows)
    }

    fn position(&self) -> u64 {
        self.positions.base + self.lines.number()
    }

    fn part(&self) -> Option<RecordPart> {
        self.lines.part()
    }
}

impl ReadFile {
    /// The error of a file that cannot be read so.
    fn problem(&self, problem: Problem) -> SourceError {
        let config = |problem| SourceError::Config {
            name: self.source.clone(),
            problem: format!("{}: {problem}", self.name),
        };
        match problem {
            // What a file is, not that it cannot be read.
            Problem::System(error) if error.kind() == ErrorKind::InvalidInput => {
                config(error.to_string())
            }
            Problem::System(source) => SourceError::Open { partition: self.name.clone(), source },
            Problem::Columns(problem) => config(problem),
        }
    }
}

impl Columns {
    fn find(shape: &Shape, mapping: &Arc<Mapping>, lines: &mut Lines) -> Result<Columns, Problem> {
        Ok(match shape {
            Shape::Jsonl { columns, stamped } => {
                Columns::Jsonl { columns: Arc::clone(columns), stamped: *stamped }
            }
            Shape::Csv(dialect) => {
                Columns::Csv(Box::new(CsvColumns::find(*dialect, mapping, lines)?))
            }
        })
    }
}
