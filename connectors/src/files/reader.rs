//! Reading one file: lines in, rows out.

use std::io::{self, ErrorKind};
use std::str;
use std::sync::Arc;

use market::{Event, RejectionReason};

use super::columns::{CsvColumns, Problem, is_blank};
use super::config::{Partition, Shape};
use crate::lines::{LINE_MAX, Line, Lines};
use crate::mapping::json::JsonColumns;
use crate::mapping::{DecodeError, Decoder, Mapping};
use crate::source::{BATCH_ROWS, Decoded, PartitionReader, Progress, Row, SourceError};

/// A file being read.
pub(super) struct FileReader {
    name: String,
    lines: Lines,
    columns: Columns,
    decoder: Decoder,
    /// The last position that is not wanted any more.
    after: u64,
    is_ended: bool,
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
    pub(super) fn open(
        source: &str,
        partition: &Partition,
        mapping: &Arc<Mapping>,
        after: u64,
    ) -> Result<FileReader, SourceError> {
        let opened = Lines::open(&partition.path).map_err(Problem::System);
        let found = opened.and_then(|mut lines| {
            let columns = Columns::find(&partition.shape, mapping, &mut lines)?;
            lines.be_impatient();
            Ok((lines, columns))
        });
        let (lines, columns) = found.map_err(|problem| match problem {
            // What a file is, not that it cannot be read.
            Problem::System(error) if error.kind() == ErrorKind::InvalidInput => {
                SourceError::Config {
                    name: source.to_owned(),
                    problem: format!("{}: {error}", partition.name),
                }
            }
            Problem::System(error) => {
                SourceError::Open { partition: partition.name.clone(), source: error }
            }
            Problem::Columns(problem) => SourceError::Config {
                name: source.to_owned(),
                problem: format!("{}: {problem}", partition.name),
            },
        })?;
        Ok(FileReader {
            name: partition.name.clone(),
            lines,
            columns,
            decoder: Decoder::new(Arc::clone(mapping), &format!("{source}/{}", partition.name))
                .given(partition.given.clone()),
            after,
            is_ended: false,
            text: Vec::new(),
        })
    }

    /// The next row, if it is on a line that can be read where it lies.
    fn next_plain_row(&mut self) -> Option<Row> {
        let Columns::Csv(columns) = &mut self.columns else { return None };
        if !self.decoder.reads_plain() || self.is_ended {
            return None;
        }
        let position = self.lines.number() + 1;
        let line = self.lines.glance().filter(|_| position > self.after)?;
        let event = columns.decode_plain(line, &self.decoder, position)?;
        let len = line.len();
        self.lines.skip(len);
        Some(Row::new(position, Ok(event.into())))
    }

    /// The next row; none at the end.
    fn next_row(&mut self) -> io::Result<Option<Row>> {
        while !self.is_ended {
            let line = self.lines.next(&mut self.text)?;
            let position = self.lines.number();
            let decoded = match line {
                Line::End => {
                    self.is_ended = true;
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
            if position <= self.after {
                continue;
            }
            match decoded {
                Ok(None) => {}
                Ok(Some(record)) => return Ok(Some(Row::of(position, Ok(record)))),
                Err(error) => return Ok(Some(Row::new(position, Err(error.of(&self.text))))),
            }
        }
        Ok(None)
    }

    /// Decodes the record that begins with the line in `text`.
    fn record(&mut self, position: u64) -> io::Result<Result<Option<Decoded<Event>>, DecodeError>> {
        if let Columns::Csv(columns) = &self.columns
            && !columns.complete(&mut self.text, &mut self.lines)?
        {
            let detail = "a quote is opened and not closed".to_owned();
            return Ok(Err(DecodeError::new(RejectionReason::Malformed, detail)));
        }
        let is_wanted = position > self.after && !is_blank(&self.text);
        if !is_wanted {
            return Ok(Ok(None));
        }
        Ok(match str::from_utf8(&self.text) {
            Ok(text) => match &mut self.columns {
                Columns::Csv(columns) => columns.decode(text, &mut self.decoder, position),
                Columns::Jsonl { columns, stamped } => {
                    let object = if *stamped { JsonColumns::after_stamp(text) } else { text };
                    columns.decode(object, &mut self.decoder, position)
                }
            },
            Err(error) => Err(DecodeError::new(
                RejectionReason::Malformed,
                format!("byte {} is not UTF-8", error.valid_up_to() + 1),
            )),
        })
    }
}

impl PartitionReader for FileReader {
    fn read(&mut self, rows: &mut Vec<Row>) -> Result<Progress, SourceError> {
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
                // A pipe has no more for now.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // These rows are good; the next call meets the error again, or not.
                Err(_) if rows.len() > start => break,
                Err(source) => {
                    return Err(SourceError::Read {
                        partition: self.name.clone(),
                        position: self.lines.number().max(self.after),
                        source,
                    });
                }
            }
        }
        Ok(Progress::More)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        self.lines.extent()
    }
}

impl Columns {
    fn find(shape: &Shape, mapping: &Mapping, lines: &mut Lines) -> Result<Columns, Problem> {
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
