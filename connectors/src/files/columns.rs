//! Finding the columns of a CSV file by its header, or by its first line that can be read.

use std::io;
use std::str;
use std::sync::Arc;

use market::{Event, RejectionReason, printable};

use super::similar::did_you_mean;
use crate::delimited::{Dialect, Fields, Header};
use crate::lines::{LINE_MAX, Line, Lines};
use crate::mapping::{Column, DecodeError, Decoder, Layout, Mapping};
use crate::source::Decoded;

/// The columns of one CSV file.
pub(super) struct CsvColumns {
    dialect: Dialect,
    mapping: Arc<Mapping>,
    /// None until a record was found that says it.
    layout: Option<Division>,
    fields: Fields,
}

/// How the records of a file are divided.
struct Division {
    /// Which field of a record each field of the mapping is.
    layout: Layout,
    /// How many fields each record has.
    count: usize,
}

/// Why a file's columns cannot be determined.
pub(super) enum Problem {
    /// The error of the system.
    System(io::Error),
    /// What is wrong with the columns.
    Columns(String),
}

impl CsvColumns {
    /// Reads the first line: the names in a header, or how many fields it has. If that is no header and cannot be read,
    /// the first record that can be read says it later. An empty file has no columns and no records either.
    pub(super) fn find(
        dialect: Dialect,
        mapping: &Arc<Mapping>,
        lines: &mut Lines,
    ) -> Result<CsvColumns, Problem> {
        let mapping = Arc::clone(mapping);
        let mut columns = CsvColumns { dialect, mapping, layout: None, fields: Fields::default() };
        if let Some(first) = first_record(&dialect, lines)? {
            columns.lay_out(&first).map_err(Problem::Columns)?;
        }
        Ok(columns)
    }

    /// Finds the columns by `first`: a header, or the first record that can be read.
    fn lay_out(&mut self, first: &str) -> Result<(), String> {
        let Self { dialect, mapping, fields, .. } = self;
        fields.split(first, dialect);
        let names: Vec<&str> =
            (0..fields.len()).filter_map(|at| fields.get(first, at).map(str::trim)).collect();
        let has_header = dialect.header == Header::Present;
        let layout = mapping.lay_out(|column| place_of(column, &names, has_header))?;
        self.layout = Some(Division { layout, count: fields.len() });
        Ok(())
    }

    /// Finds the columns by a complete record, if no line before it could be read; returns whether it is a header. To
    /// be asked of each record, also of those that are not wanted.
    pub(super) fn find_late(&mut self, record: &[u8]) -> Result<bool, DecodeError> {
        let text = str::from_utf8(record).ok().filter(|_| is_readable(record));
        let Some(text) = text.filter(|_| self.layout.is_none()) else { return Ok(false) };
        self.lay_out(text).map_err(malformed)?;
        Ok(self.dialect.is_header(record))
    }

    /// Whether a line, read from its beginning, is no record.
    pub(super) fn is_comment(&self, line: &[u8]) -> bool {
        self.dialect.is_comment(line)
    }

    /// See [`Dialect::complete`].
    pub(super) fn complete(&self, record: &mut Vec<u8>, lines: &mut Lines) -> io::Result<bool> {
        self.dialect.complete(record, lines)
    }

    /// The event of a line that holds no quote and is plain, see [`Decoder::decode_plain`].
    pub(super) fn decode_plain(
        &mut self,
        line: &[u8],
        decoder: &Decoder,
        position: u64,
    ) -> Option<Decoded<Event>> {
        if self.dialect.is_comment(line) {
            return None;
        }
        let Self { fields, layout, .. } = self;
        let Division { layout, count } = layout.as_ref()?;
        fields.split_unquoted(line, &self.dialect)?;
        if fields.len() != *count {
            return None;
        }
        decoder.decode_plain(|field| fields.bytes(line, layout.first(field)?), position)
    }

    /// Whether a line holds no quote, and numbers that fit at the default scales.
    pub(super) fn is_common(&mut self, line: &[u8], decoder: &Decoder) -> bool {
        if self.dialect.is_comment(line) {
            return true;
        }
        let Self { fields, layout, .. } = self;
        let Some(Division { layout, count }) = layout else { return false };
        if fields.split_unquoted(line, &self.dialect).is_none() || fields.len() != *count {
            return false;
        }
        decoder.is_common(|field| fields.bytes(line, layout.first(field)?))
    }

    /// What [`Decoder::decode`] says of a complete record.
    pub(super) fn decode(
        &mut self,
        record: &str,
        decoder: &mut Decoder,
        position: u64,
    ) -> Result<Option<Decoded<Event>>, DecodeError> {
        let Self { fields, layout, dialect, .. } = self;
        let Some(Division { layout, count }) = layout else {
            return Err(malformed("it holds a byte 0, and so is no text".to_owned()));
        };
        fields.split(record, dialect);
        if fields.len() != *count {
            let is_trailing = fields.len() == *count + 1 && fields.ends_empty();
            let more = fields.len().saturating_sub(*count);
            let cure = match () {
                () if is_trailing => TRAILING,
                () if more > 0 && dialect.is_comma() && more <= parted(record, fields) => COMMAS,
                () => "",
            };
            return Err(malformed(format!(
                "{count} fields expected, {} found{cure}",
                fields.len()
            )));
        }
        decoder.decode(|field| layout.text(field, |at| fields.get(record, at)), position)
    }
}

/// What helps against lines that end with a delimiter.
const TRAILING: &str = ", the last of them empty; `csv.trailing_delimiter` (--trailing-delimiter) says that lines end \
                        with a delimiter";

/// What helps against commas in numbers.
const COMMAS: &str = "; commas in numbers look like those between columns: such numbers need quotes (\"1,25\", with \
                      --decimal-mark , or --grouping ,), or columns another separator (--delimiter)";

/// How many pairs of neighbours may be one number with a comma in it.
fn parted(record: &str, fields: &Fields) -> usize {
    let field = |at: usize| fields.get(record, at).map_or("", str::trim);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mut at, mut pairs) = (0, 0);
    while at + 1 < fields.len() {
        let whole = field(at).trim_start_matches(['+', '-']);
        match is_digits(whole) && is_digits(field(at + 1)) {
            true => (at, pairs) = (at + 2, pairs + 1),
            false => at += 1,
        }
    }
    pairs
}

fn malformed(detail: String) -> DecodeError {
    DecodeError::new(RejectionReason::Malformed, detail)
}

/// The first record that is not blank, if the file has one that can be read. A header is taken; anything else is put
/// back for the reader to say what it is.
fn first_record(dialect: &Dialect, lines: &mut Lines) -> Result<Option<String>, Problem> {
    let mut text = Vec::new();
    let mut found = Line::Whole;
    while found == Line::Whole && (is_blank(&text) || dialect.is_comment(&text)) {
        found = lines.next(&mut text).map_err(Problem::System)?;
    }
    match found {
        Line::End => return Ok(None),
        Line::TooLong if dialect.header == Header::Present => {
            let problem = format!("the header is longer than {LINE_MAX} bytes");
            return Err(Problem::Columns(problem));
        }
        Line::TooLong | Line::Cut(_) => {
            lines.put_back(vec![(found, text)]);
            return Ok(None);
        }
        Line::Whole => {}
    }
    let is_closed = dialect.complete(&mut text, lines).map_err(Problem::System)?;
    let is_certain = dialect.header == Header::Present || (is_closed && is_readable(&text));
    if !(is_certain && dialect.is_header(&text)) {
        let again = text.split(|byte| *byte == b'\n');
        lines.put_back(again.map(|line| (Line::Whole, line.to_vec())).collect());
    }
    Ok(is_certain.then(|| String::from_utf8_lossy(&text).into_owned()))
}

/// Whether it is text, of which the columns can be told. Where a file was truncated under its writer, the system fills
/// with zeros what the writer leaves out.
fn is_readable(record: &[u8]) -> bool {
    !record.contains(&0) && str::from_utf8(record).is_ok()
}

/// Blank lines are no records.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b' ')
}

/// The most characters of input in one message.
const SHOWN_CHARS: usize = 200;

/// Names of columns as a message shows them: what is printable of them, up to [`SHOWN_CHARS`].
fn listed(names: &[&str]) -> String {
    let all = names.join(", ");
    let shown = printable(&all, SHOWN_CHARS);
    match shown.strip_suffix('…').filter(|_| all.chars().nth(SHOWN_CHARS).is_some()) {
        None => shown,
        Some(cut) => format!("{cut} …, {} in all", names.len()),
    }
}

/// Where `column` is among the first line's fields.
fn place_of(column: &Column, names: &[&str], has_header: bool) -> Result<usize, String> {
    let by_number = |number: u32| {
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        let place = place.filter(|place| *place < names.len());
        place.ok_or_else(|| {
            format!("there is no column {column}; the first line has {}", names.len())
        })
    };
    match column {
        Column::FirstOf(columns) => {
            let mut places = columns.iter().map(|column| place_of(column, names, has_header));
            places
                .find(Result::is_ok)
                .unwrap_or_else(|| Err(format!("there is no column {column}")))
        }
        Column::Number(number) => by_number(*number),
        Column::Name(name) if has_header => {
            let mut places = (0..names.len()).filter(|at| names[*at] == name);
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (Some(_), Some(_)) => {
                    Err(format!("there are two columns {column}; write their numbers"))
                }
                _ => {
                    let near = did_you_mean(names, name);
                    let names = listed(names);
                    Err(format!("there is no column {column} ({near}there are: {names})"))
                }
            }
        }
        Column::Name(name) => match name.parse() {
            Ok(number) => by_number(number),
            Err(_) => Err(format!(
                "column {column} is not a number, and `csv.header` is false: columns are numbered from 1"
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_columns_the_first_are_shown() {
        assert_eq!(listed(&["time", "pri\u{1b}[2Jce"]), "time, pri\u{fffd}[2Jce");
        let many: Vec<String> = (0..1_000).map(|at| format!("column{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let shown = listed(&many);
        assert!(
            shown.starts_with("column0, column1, ") && shown.ends_with(" …, 1000 in all"),
            "{shown}"
        );
        assert!(shown.chars().count() < 220, "{shown}");
    }
}
