//! The body of a request as entries.

use std::fmt;

use market::RejectionReason;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::decode::Decoder;
use super::error::FieldError;
use super::rows::{Decoding, Layout, Problem, Rows};
use super::texts::Texts;
use crate::lines::Lines;

/// How a body holds rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    /// A JSON array of objects, or one object.
    Json,
    /// A JSON object on each line.
    Ndjson,
    /// Columns between commas, under a header.
    Csv,
}

/// One row of a body: what it comes to, and what was received.
#[derive(Clone, Debug, PartialEq)]
pub struct BodyRow {
    /// What it says, or why it was refused.
    pub decoded: Decoding,
    /// The row as received, of those that were refused.
    pub raw: Vec<u8>,
}

/// Why a body cannot be read as rows; then none of them counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Too many rows.
    #[error("the body has more than {limit} rows")]
    TooManyRows {
        /// How many it may have.
        limit: usize,
    },
    /// Not of the form that it should have.
    #[error("{0}")]
    Unreadable(String),
}

/// Decodes the rows of a body, of which the first has the position `first`. Memory is bounded by the body and
/// by `limit` rows.
pub fn decode_body(
    form: BodyFormat,
    body: Vec<u8>,
    limit: usize,
    decoder: &Decoder,
    first: u64,
) -> Result<Vec<BodyRow>, BodyError> {
    let mut all = Gathered { rows: Vec::new(), limit, decoder, first, is_overfull: false };
    match form {
        BodyFormat::Json => all.read_json(&body)?,
        BodyFormat::Ndjson => all.read_lines(body, &Layout::Jsonl)?,
        BodyFormat::Csv => all.read_lines(body, &Layout::comma())?,
    }
    Ok(all.rows)
}

/// What was read so far.
struct Gathered<'d> {
    rows: Vec<BodyRow>,
    limit: usize,
    decoder: &'d Decoder,
    first: u64,
    is_overfull: bool,
}

impl Gathered<'_> {
    fn position(&self) -> u64 {
        self.first + self.rows.len() as u64
    }

    fn push(&mut self, decoded: Decoding, raw: &[u8]) {
        let raw = if decoded.is_err() { raw.to_vec() } else { Vec::new() };
        self.rows.push(BodyRow { decoded, raw });
    }

    fn too_many(&self) -> BodyError {
        BodyError::TooManyRows { limit: self.limit }
    }

    fn read_lines(&mut self, body: Vec<u8>, layout: &Layout) -> Result<(), BodyError> {
        let unreadable = |problem: &dyn fmt::Display| BodyError::Unreadable(problem.to_string());
        let rows = Rows::open(Lines::of_text(body), layout);
        let mut rows = rows.map_err(|problem| match problem {
            Problem::System(error) => unreadable(&error),
            Problem::Header(problem) => unreadable(&problem),
        })?;
        loop {
            let position = self.position();
            let next = rows.next(self.decoder, |_| Some(position));
            let Some((_, decoded)) = next.map_err(|error| unreadable(&error))? else {
                return Ok(());
            };
            if self.rows.len() == self.limit {
                return Err(self.too_many());
            }
            self.push(decoded, rows.text());
        }
    }

    fn read_json(&mut self, body: &[u8]) -> Result<(), BodyError> {
        let body = str::from_utf8(body).map_err(|error| {
            BodyError::Unreadable(format!("byte {} is not UTF-8", error.valid_up_to() + 1))
        })?;
        if body.trim_start().starts_with('{') {
            self.push_object(body);
            return Ok(());
        }
        let mut json = serde_json::Deserializer::from_str(body);
        let read = json.deserialize_seq(Elements(self)).and_then(|()| json.end());
        match read {
            Ok(()) => Ok(()),
            Err(_) if self.is_overfull => Err(self.too_many()),
            Err(error) => {
                let problem = format!("not a JSON array that can be read: {error}");
                Err(BodyError::Unreadable(problem))
            }
        }
    }

    fn push_object(&mut self, object: &str) {
        let texts = Texts::of_object(object);
        let decoded = texts.and_then(|texts| self.decoder.decode(&texts, self.position()));
        self.push(decoded, object.as_bytes());
    }
}

/// Reads the elements of an array one by one.
struct Elements<'g, 'd>(&'g mut Gathered<'d>);

impl<'a> Visitor<'a> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if self.0.rows.len() == self.0.limit {
                self.0.is_overfull = true;
                return Err(A::Error::custom("too many rows"));
            }
            match element.get() {
                object if object.starts_with('{') => self.0.push_object(object),
                other => {
                    let reason = RejectionReason::Malformed;
                    let error = FieldError::of_row(reason, "the element is no object".to_owned());
                    self.0.push(Err(error), other.as_bytes());
                }
            }
        }
        Ok(())
    }
}
