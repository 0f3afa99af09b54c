//! Reading one file: lines in, rows out.

use std::collections::VecDeque;
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
use crate::mapping::{
    AllNeeds, DecodeError, Decoder, Field, Given, LeftOutTally, Mapping, Packing,
};
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
    packing: Packing,
    /// Rows of the line that was read last, which do not fit into a batch: at most [`Packing::ROWS_MAX`].
    pending: VecDeque<Row>,
    /// Whether lines are not decoded whose numbers are common.
    skips_common: bool,
}

/// What a line comes to: no row, one, or several.
enum OfLine {
    One(Result<Option<Decoded<Event>>, DecodeError>),
    Several,
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
    pub(super) fn open(
        file: ReadFile,
        path: &Path,
        positions: Positions,
    ) -> Result<FileReader, SourceError> {
        let lines = Lines::open(path).map_err(|error| file.problem(Problem::System(error)))?;
        let mut reader = FileReader::of(file, lines, positions);
        reader.find_columns().map_err(|problem| reader.file.problem(problem))?;
        reader.lines.be_impatient();
        Ok(reader)
    }

    /// What the numbers in a file need, of each instrument, besides `needs`. With `skips_common` most lines are only
    /// looked at: those whose numbers fit at the default scales. What cannot be read needs nothing.
    pub(super) fn scan(
        file: ReadFile,
        path: &Path,
        needs: AllNeeds,
        skips_common: bool,
    ) -> AllNeeds {
        let Ok(mut reader) = FileReader::open(file, path, Positions::default()) else {
            return needs;
        };
        reader.skips_common = skips_common;
        reader.decoder.scan(needs);
        while let Ok(Some(_)) = reader.next_row() {}
        reader.decoder.take_needs()
    }

    /// Goes on behind lines that need no more than others.
    fn skip_common(&mut self) {
        let Some(Columns::Csv(columns)) = &mut self.columns else { return };
        while let Some(line) = self.lines.glance() {
            if !columns.is_common(line, &self.decoder) {
                return;
            }
            let len = line.len();
            self.lines.skip(len);
        }
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
        let packing = file.packing();
        FileReader {
            file,
            lines,
            columns: None,
            decoder,
            positions,
            is_ended: false,
            has_rows: false,
            incidents: Vec::new(),
            text: Vec::new(),
            packing,
            pending: VecDeque::new(),
            skips_common: false,
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
        let record = columns.decode_plain(line, &self.decoder, position)?;
        let len = line.len();
        self.lines.skip(len);
        Some(Row::of(position, Ok(record)))
    }

    /// The next row; none at the end.
    fn next_row(&mut self) -> io::Result<Option<Row>> {
        if let Some(row) = self.pending.pop_front() {
            return Ok(Some(row));
        }
        while !self.is_ended {
            if self.skips_common {
                self.skip_common();
            }
            let line = self.lines.next(&mut self.text)?;
            let number = LineRows::position(self);
            let decoded = match line {
                Line::End => {
                    self.end();
                    break;
                }
                Line::Cut(problem) => {
                    self.is_ended = true;
                    let detail = format!("the compressed file breaks off here: {problem}");
                    OfLine::One(Err(DecodeError::new(RejectionReason::Truncated, detail)))
                }
                Line::TooLong => {
                    let detail = format!("the line is longer than {LINE_MAX} bytes");
                    OfLine::One(Err(DecodeError::new(RejectionReason::Malformed, detail)))
                }
                Line::Whole => self.record(number)?,
            };
            let row = match decoded {
                OfLine::One(decoded) => {
                    let position = self.packing.row(number, 0);
                    self.row(position, decoded)
                }
                OfLine::Several => self.pending.pop_front(),
            };
            if row.is_some() {
                self.has_rows = true;
                return Ok(row);
            }
        }
        Ok(None)
    }

    /// The row of what was decoded, if there is one and it is wanted.
    fn row(
        &self,
        position: u64,
        decoded: Result<Option<Decoded<Event>>, DecodeError>,
    ) -> Option<Row> {
        match decoded {
            _ if position <= self.positions.after => None,
            Ok(None) => None,
            Ok(Some(record)) => Some(Row::of(position, Ok(record))),
            Err(error) => Some(Row::new(position, Err(error.of(&self.text)))),
        }
    }

    /// The file was read to its end.
    fn end(&mut self) {
        self.is_ended = true;
        let ReadFile { name, mapping, left_out, .. } = &self.file;
        let trailing = self.lines.left_out();
        self.incidents.extend(trailing.map(|what| Incident::warning_of(name, what)));
        if let Some(column) = mapping.column(Field::Where) {
            let all = left_out.end_of_file(name, self.decoder.left_out(), self.has_rows);
            let all = all.map(|all| all.told_as_all(&column.to_string(), mapping.equals()));
            self.incidents.extend(all.map(|what| Incident::warning_of(name, what)));
        }
    }

    /// Decodes the record that begins with the line in `text`, of this number.
    fn record(&mut self, number: u64) -> io::Result<OfLine> {
        if let Some(Columns::Csv(columns)) = &self.columns
            && columns.is_comment(&self.text)
        {
            return Ok(OfLine::One(Ok(None)));
        }
        if let Some(Columns::Csv(columns)) = &self.columns
            && !columns.complete(&mut self.text, &mut self.lines)?
        {
            let detail = "a quote is opened and not closed".to_owned();
            return Ok(OfLine::One(Err(DecodeError::new(RejectionReason::Malformed, detail))));
        }
        if is_blank(&self.text) {
            return Ok(OfLine::One(Ok(None)));
        }
        let last = LineRows::position(self);
        Ok(match self.decode(number) {
            OfLine::One(Err(error)) if last > number => {
                let detail = error.detail + &is_joined(number, last);
                OfLine::One(Err(DecodeError { detail, ..error }))
            }
            decoded => decoded,
        })
    }

    /// Decodes the record in `text`, which is complete.
    fn decode(&mut self, number: u64) -> OfLine {
        if let Some(Columns::Csv(columns)) = &mut self.columns {
            match columns.find_late(&self.text) {
                Ok(false) => {}
                Ok(true) => return OfLine::One(Ok(None)),
                Err(error) => return OfLine::One(Err(error)),
            }
        }
        if self.packing.last(number) <= self.positions.after {
            return OfLine::One(Ok(None));
        }
        let text = match str::from_utf8(&self.text) {
            Ok(text) => text,
            Err(error) => {
                let detail = format!("byte {} is not UTF-8", error.valid_up_to() + 1);
                return OfLine::One(Err(DecodeError::new(RejectionReason::Malformed, detail)));
            }
        };
        let (columns, stamped) = match &mut self.columns {
            None => return OfLine::One(Ok(None)),
            Some(Columns::Csv(columns)) => {
                return OfLine::One(columns.decode(text, &mut self.decoder, number));
            }
            Some(Columns::Jsonl { columns, stamped }) => (Arc::clone(columns), *stamped),
        };
        let json = if stamped { JsonColumns::after_stamp(text) } else { text };
        if self.packing == Packing::ONE {
            return OfLine::One(columns.decode(json, &mut self.decoder, number));
        }
        let mut decoded = Vec::new();
        let take = &mut |position, row| decoded.push((position, row));
        columns.decode_each(json, &mut self.decoder, number, None, take);
        let rows = decoded.into_iter().filter_map(|(position, row)| self.row(position, row));
        let rows: VecDeque<Row> = rows.collect();
        self.pending = rows;
        OfLine::Several
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
                        position: self
                            .packing
                            .last(LineRows::position(self))
                            .max(self.positions.after),
                        source,
                    });
                }
            }
        }
        Ok(Progress::More)
    }

    fn incidents(&mut self) -> Vec<Incident> {
        let name = &self.file.name;
        let warnings = self.decoder.take_warnings().into_iter();
        self.incidents.extend(warnings.map(|warning| Incident::warning_of(name, warning)));
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

    fn incidents(&mut self) -> Vec<Incident> {
        PartitionReader::incidents(self)
    }
}

impl ReadFile {
    /// How positions of rows come from those of lines.
    pub(super) fn packing(&self) -> Packing {
        match &self.shape {
            Shape::Jsonl { columns, .. } => columns.packing(),
            Shape::Csv(_) => Packing::ONE,
        }
    }

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
