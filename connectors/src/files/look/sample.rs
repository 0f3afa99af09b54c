//! The first lines of a file, divided by each delimiter that they may have.

use std::path::Path;

use super::names::shown;
use crate::delimited::{CsvConfig, Dialect, Fields};
use crate::files::columns::is_blank;
use crate::lines::{Line, Lines};

/// So many lines are looked at, besides comments.
const LINES_MAX: usize = 100;
/// So many lines of comments may be before them.
const COMMENTS_MAX: usize = 1_000;
/// Of so many lines out of a hundred the fields must be as many as those of the first.
const ALIKE_PERCENT: usize = 90;

/// What may separate columns, as `csv.delimiter` has it.
pub(super) const DELIMITERS: [&str; 4] = [",", "tab", ";", "|"];

/// The first lines of a file.
pub(super) struct Sample {
    /// The lines that begin with the mark of comments, before all others.
    pub(super) comments: Vec<String>,
    /// The next ones, without blank ones.
    pub(super) lines: Vec<String>,
}

/// The first lines, divided.
pub(super) struct Divided {
    /// By what.
    pub(super) delimiter: &'static str,
    /// The fields of the first line.
    pub(super) first: Vec<String>,
    /// Those of the others that have as many.
    pub(super) rows: Vec<Vec<String>>,
}

impl Sample {
    /// Of the file at `path`, whose comments begin with `mark`; what cannot be read is left to the reader, which says why.
    pub(super) fn of(path: &Path, mark: u8) -> Option<Sample> {
        let mut lines = Lines::open(path).ok()?;
        let (mut sample, mut line) =
            (Sample { comments: Vec::new(), lines: Vec::new() }, Vec::new());
        while let Ok(Line::Whole) = lines.next(&mut line) {
            let text = || String::from_utf8_lossy(&line).into_owned();
            match line.first() {
                _ if is_blank(&line) => {}
                Some(first) if *first == mark && sample.lines.is_empty() => {
                    sample.comments.push(text());
                }
                _ => sample.lines.push(text()),
            }
            if sample.lines.len() == LINES_MAX || sample.comments.len() == COMMENTS_MAX {
                break;
            }
        }
        Some(sample)
    }

    /// The same if these are no comments.
    pub(super) fn without_comments(mut self) -> Sample {
        self.comments.append(&mut self.lines);
        Sample { comments: Vec::new(), lines: self.comments }
    }

    /// The lines divided by `delimiter`, if that gives several columns, and nearly all lines as many.
    pub(super) fn divided(&self, delimiter: &'static str) -> Option<Divided> {
        let config = CsvConfig { delimiter: Some(delimiter.to_owned()), ..CsvConfig::default() };
        let dialect = Dialect::check(&config).ok()?;
        let mut lines = self.lines.iter().map(|line| fields_of(line, &dialect));
        let first = lines.next().filter(|first| first.len() > 1)?;
        let mut rows: Vec<_> = lines.collect();
        let of = rows.len();
        // A row may end with a delimiter that the header lacks, of which the reader tells.
        let is_alike = |row: &Vec<String>| {
            let more = row.len().checked_sub(first.len());
            more == Some(0) || (more == Some(1) && row.last().is_some_and(String::is_empty))
        };
        rows.retain(is_alike);
        let is_one = rows.len() * 100 >= of * ALIKE_PERCENT;
        is_one.then_some(Divided { delimiter, first, rows })
    }
}

impl Divided {
    /// The names of a header.
    pub(super) fn names(&self) -> Vec<&str> {
        self.first.iter().map(|name| name.trim()).collect()
    }

    /// Whether the first line holds a number, as rows do and headers do not.
    pub(super) fn begins_with_row(&self) -> bool {
        self.first.iter().any(|field| is_number(field))
    }

    /// Whether nearly all rows, also the first line, hold a number at this place, from 1.
    pub(super) fn has_numbers(&self, place: usize) -> bool {
        let Some(at) = place.checked_sub(1).filter(|at| *at < self.first.len()) else {
            return false;
        };
        let all = self.rows.len() + 1;
        let rows = self.rows.iter().chain([&self.first]);
        let numbers = rows.filter(|row| row.get(at).is_some_and(|field| is_number(field))).count();
        numbers * 100 >= all * ALIKE_PERCENT
    }

    /// Whether the first row holds at this place, from 0, a time without a day, such as 09:30:00.
    pub(super) fn has_time_of_day(&self, at: usize) -> bool {
        let text = self.rows.first().and_then(|row| row.get(at)).map_or("", |text| text.trim());
        let hour = text.split(':').next().unwrap_or_default();
        text.contains(':') && hour.len() <= 2 && hour.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The first line as a message shows it.
    pub(super) fn shown(&self) -> String {
        shown(&self.names().join(", "))
    }
}

fn fields_of(line: &str, dialect: &Dialect) -> Vec<String> {
    let mut fields = Fields::default();
    fields.split(line, dialect);
    (0..fields.len()).filter_map(|at| fields.get(line, at)).map(str::to_owned).collect()
}

/// Whether a text is a number, in whatever form: digits with marks, signs, exponents and currencies.
fn is_number(text: &str) -> bool {
    let text = text.trim();
    let may_be = |c: char| c.is_ascii_digit() || "+-.,' eE()$€£¥%".contains(c);
    text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(may_be)
}
