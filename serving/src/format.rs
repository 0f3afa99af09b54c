//! The format of an answer, from the query or `Accept`, and rows in that format.

use market::Catalog;
use warp::http::HeaderMap;
use warp::http::header::ACCEPT;

use rows::{Cell, Column, csv_cell, csv_writer, row_json};

use super::parameter::{ParameterType, RouteParameter, WordParameter, Words};
use super::problem::{FieldError, NOT_ACCEPTABLE, Problem};
use super::query::shown;

/// The format of rows, which outranks [`ACCEPT_ROWS`].
pub(super) const FORMAT: WordParameter<Option<Format>> = WordParameter::optional(
    "format",
    Words::new(
        &[Format::Json.name(), Format::Csv.name(), Format::Ndjson.name()],
        &[Some(Format::Json), Some(Format::Csv), Some(Format::Ndjson)],
    ),
    "the format of the rows; without it `Accept` decides",
);
/// How numbers are written in JSON.
pub(super) const NUMBERS_AS_STRINGS: WordParameter<bool> = WordParameter::new(
    "numbers",
    Words::new(&["number", "string"], &[false, true]),
    "number",
    "whether JSON has prices, quantities and other decimals as numbers or as strings",
);
/// Whether JSON is a plain list of rows, without an object around it.
pub(super) const PLAIN_LIST: WordParameter<bool> = WordParameter::new(
    "shape",
    Words::new(&["object", "rows"], &[false, true]),
    "object",
    "`rows` answers JSON as a plain list of whole rows, as `pandas.read_json` takes it; the rest is in headers",
);
/// `Accept` where rows are answered.
pub(super) const ACCEPT_ROWS: RouteParameter =
    accept(&[Format::Json.media(), Format::Csv.media(), Format::Ndjson.media()]);
/// `Accept` where one object is answered.
pub(super) const ACCEPT_JSON: RouteParameter = accept(&[Format::Json.media()]);

/// The header `Accept` of a route that can answer these media types, of which the first is preferred.
pub(super) const fn accept(media: &'static [&'static str]) -> RouteParameter {
    let kind = ParameterType::MediaTypes(media);
    RouteParameter::header("Accept", kind, "the formats that the client prefers")
}

/// A format of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object.
    Json,
    /// A header and one line per row (RFC 4180).
    Csv,
    /// One JSON object per row and line.
    Ndjson,
}

impl Format {
    /// All formats of rows, the preferred one first.
    pub(super) const ALL: &'static [Format] = &[Format::Json, Format::Csv, Format::Ndjson];

    /// The word in `format=`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        }
    }

    /// Its media type without parameters.
    const fn media(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv",
            Format::Ndjson => "application/x-ndjson",
        }
    }

    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            other => other.media(),
        }
    }

    /// The supported format that `Accept` prefers; the first one without a preference.
    pub(super) fn accepted(headers: &HeaderMap, supported: &[Format]) -> Result<Format, Problem> {
        let forms: Vec<_> = supported.iter().map(|form| (*form, form.media())).collect();
        preferred(headers, &forms)
    }
}

/// The supported format that `Accept` prefers, each with its media type; the first one without a preference.
pub(super) fn preferred<T: Copy>(
    headers: &HeaderMap,
    supported: &[(T, &str)],
) -> Result<T, Problem> {
    let ranges: Vec<Range> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::read)
        .collect();
    if ranges.is_empty()
        && let Some((first, _)) = supported.first()
    {
        return Ok(*first);
    }
    let mut best: Option<(u16, T)> = None;
    for &(form, media) in supported {
        let range = ranges.iter().filter(|range| range.fits(media));
        let quality = range.max_by_key(|range| range.precision()).map_or(0, |r| r.quality);
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, form));
        }
    }
    best.map(|(_, form)| form).ok_or_else(|| {
        let allowed: Vec<_> = supported.iter().map(|(_, media)| (*media).to_owned()).collect();
        let wanted: Vec<_> = ranges.iter().map(|range| range.media.as_str()).collect();
        let detail = format!(
            "none of what `Accept` names ({}) can be answered; possible: {}",
            shown(&wanted.join(", ")),
            allowed.join(", ")
        );
        Problem::new(NOT_ACCEPTABLE, detail.clone()).errors(vec![FieldError {
            pointer: "#/header/accept".to_owned(),
            code: "enum",
            detail,
            allowed,
        }])
    })
}

/// One element of `Accept`.
struct Range {
    media: String,
    /// In thousandths.
    quality: u16,
}

impl Range {
    fn read(text: &str) -> Option<Range> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?;
        let quality = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1.0), |(_, q)| q.trim().parse::<f32>().ok());
        Some(Range {
            media: media.to_ascii_lowercase(),
            quality: (quality.unwrap_or(0.0).clamp(0.0, 1.0) * 1_000.0) as u16,
        })
    }

    fn fits(&self, media: &str) -> bool {
        match self.media.strip_suffix('*') {
            Some("*/") => true,
            Some(kind) => kind.ends_with('/') && media.starts_with(kind),
            None => self.media == media,
        }
    }

    fn precision(&self) -> u8 {
        match self.media.as_str() {
            "*/*" => 0,
            media if media.ends_with('*') => 1,
            _ => 2,
        }
    }
}

/// A row of an answer: its cells, and whether it fills a gap (`None` if the request fills nothing).
pub(super) struct Line {
    pub(super) cells: Vec<Cell>,
    pub(super) filled: Option<bool>,
}

/// The columns of an answer, and how numbers are written.
pub(super) struct Shown<'a> {
    pub(super) columns: &'static [Column],
    /// Columns that rows leave out: not requested, or part of the answer's head.
    pub(super) hidden: &'a [&'static str],
    pub(super) catalog: &'a Catalog,
    pub(super) numbers_as_strings: bool,
}

impl Line {
    /// Rows of a request that fills nothing.
    pub(super) fn all(rows: Vec<Vec<Cell>>) -> Vec<Line> {
        rows.into_iter().map(|cells| Line { cells, filled: None }).collect()
    }
}

impl Shown<'_> {
    /// Appends a row as a JSON object.
    pub(super) fn json(&self, line: &Line, out: &mut String) {
        self.cells(&line.cells, out);
        if let Some(filled) = line.filled {
            out.pop();
            out.push_str(if filled { ",\"filled\":true}" } else { ",\"filled\":false}" });
        }
    }

    /// Appends rows as a list of JSON objects.
    pub(super) fn list(&self, lines: &[Line], out: &mut String) {
        out.push('[');
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            self.json(line, out);
        }
        out.push(']');
    }

    /// Appends cells as a JSON object.
    pub(super) fn cells(&self, cells: &[Cell], out: &mut String) {
        let Shown { columns, hidden, catalog, numbers_as_strings } = *self;
        row_json(columns, hidden, cells, catalog, numbers_as_strings, out);
    }

    /// Rows as CSV with a header, and `filled` behind them if `marked`.
    pub(super) fn csv(&self, lines: &[Line], marked: bool) -> Result<String, csv::Error> {
        let mut writer = csv_writer(Vec::new(), csv::Terminator::CRLF);
        let mark = marked.then_some("filled");
        let shown = |column: &Column| !self.hidden.contains(&column.name);
        let names = self.columns.iter().filter(|column| shown(column)).map(|column| column.name);
        writer.write_record(names.chain(mark))?;
        for line in lines {
            let cells = self.columns.iter().zip(&line.cells).filter(|(column, _)| shown(column));
            let cells = cells.map(|(_, cell)| csv_cell(cell, self.catalog));
            let mark = marked.then(|| (line.filled == Some(true)).to_string());
            writer.write_record(cells.chain(mark))?;
        }
        let bytes = writer.into_inner().map_err(|e| e.into_error())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    #[test]
    fn what_accept_likes_best() {
        for (accept, want) in [
            ("*/*", Some("json")),
            ("", Some("json")),
            ("text/csv", Some("csv")),
            ("TEXT/CSV; q=0.5, application/*;q=0.4", Some("csv")),
            ("text/html, application/x-ndjson;q=0.9, */*;q=0.1", Some("ndjson")),
            ("application/json;q=0, */*", Some("csv")),
            ("text/*", Some("csv")),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;q=NaN", None),
            ("*", None),
            ("application*", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            let got = Format::accepted(&headers, Format::ALL).ok().map(Format::name);
            assert_eq!(got, want, "{accept}");
        }
    }
}
