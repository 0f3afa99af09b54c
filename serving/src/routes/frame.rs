//! Common parts of all answers with rows: the format, the frame around the rows, and conditional requests.

use serde_json::Value;
use warp::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, VARY,
};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::Context;
use crate::content_coding::{ACCEPTED_CODINGS, ContentCoding};
use crate::filter;
use crate::format::{ACCEPT_ROWS, FORMAT, Format, Line, NUMBERS_AS_STRINGS, Shown};
use crate::parameter::{ParameterType, RouteParameter};
use crate::problem::Problem;
use crate::query::Query;
use crate::read_your_writes::{MIN_FRONTIER, ReadYourWrites, WAIT_MS, is_past};
use rows::readers::Class;
use rows::{AsOf, Frontier, View};

use super::{FrontierJson, set, stamp};

/// The parameters of all answers with rows.
pub(super) const FRAME: &[RouteParameter] = &[
    NUMBERS_AS_STRINGS.declared,
    FORMAT.declared,
    MIN_FRONTIER,
    WAIT_MS.declared,
    ACCEPT_ROWS,
    ACCEPTED_CODINGS,
    RouteParameter::header(
        "If-None-Match",
        ParameterType::EntityTags,
        "answers 304 without rows if they are as a tag says",
    )
    .several(),
];

/// Whether the limit left rows out. CSV and NDJSON have no place for it in the body.
const X_MORE: HeaderName = HeaderName::from_static("x-more");

/// Answers with more rows are encoded on a reader thread.
const INLINE_ROWS_MAX: usize = 64;

/// The format of an answer.
#[derive(Clone)]
pub(super) struct Form {
    format: Format,
    numbers_as_strings: bool,
    /// The columns that are left out.
    left_out: Vec<&'static str>,
    min_frontier: ReadYourWrites,
    coding: Option<ContentCoding>,
    known: KnownTags,
}

/// Rows of one view at one frontier, and the frame around them.
pub(super) struct Frame {
    pub(super) view: &'static View,
    /// Fields of JSON before the rows.
    pub(super) head: Vec<(&'static str, String)>,
    /// Columns that JSON leaves out of each row because the head has them.
    pub(super) hidden: &'static [&'static str],
    /// The name of the list of rows in JSON.
    pub(super) list: &'static str,
    pub(super) frontier: Frontier,
    pub(super) lines: Vec<Line>,
    /// Whether the limit left any rows out.
    pub(super) more: bool,
    /// Whether rows have a field that marks filled ones.
    pub(super) marked: bool,
}

impl Form {
    /// Parses [`FIELDS`](filter::FIELDS) and [`FRAME`] for rows of `view`. Errors of
    /// parameters are recorded in `query`; the returned error is an `Accept` without a possible format.
    pub(super) fn read(
        query: &mut Query<'_>,
        context: &Context,
        view: &View,
        headers: &HeaderMap,
    ) -> Result<Form, Problem> {
        let min_frontier = ReadYourWrites::read(query, context);
        let left_out = filter::hidden(query, view);
        let numbers_as_strings = query.word(&NUMBERS_AS_STRINGS);
        let format = match query.word(&FORMAT) {
            Some(format) => format,
            None => Format::accepted(headers, Format::ALL)?,
        };
        let (coding, known) = (ContentCoding::accepted(headers), KnownTags::read(headers));
        Ok(Form { format, numbers_as_strings, left_out, min_frontier, coding, known })
    }

    /// Waits for `min_frontier`, and refuses what lies ahead.
    pub(super) async fn reached(
        &self,
        context: &Context,
        as_of: Option<AsOf>,
    ) -> Result<(), Problem> {
        self.min_frontier.reached(context).await?;
        is_past(&*context.reader, as_of)
    }

    /// `W/"<view>-<hash>"` of a body without its frontier; formats other than JSON have tags of their own. It names the
    /// rows, whichever commit and run they were read in, so that it holds as long as they are the same.
    fn etag(&self, view: &View, rows: &[u8]) -> String {
        let (name, hash) = (view.name, xxh3_128(rows));
        match self.format {
            Format::Json => format!("W/\"{name}-{hash:032x}\""),
            other => format!("W/\"{name}-{hash:032x}.{}\"", other.name()),
        }
    }
}

/// A body unless the client has it, its tag, and how it is compressed.
type Encoded = (Option<Vec<u8>>, String, Option<ContentCoding>);

type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl Frame {
    /// The rows in the requested format, stamped with their frontier; none if the client has them already.
    pub(super) async fn answer(self, context: &Context, form: &Form) -> Result<Response, Problem> {
        let Frame { view, frontier, more, .. } = self;
        let body = match self.lines.len() <= INLINE_ROWS_MAX {
            true => self.encoded(context, form),
            false => {
                let (of, form) = (context.clone(), form.clone());
                context.readers.run(Class::Answer, move || self.encoded(&of, &form)).await?
            }
        };
        let body = body.map_err(|error| {
            tracing::error!(%error, view = view.name, "rows could not be written");
            Problem::internal()
        })?;
        let mut response = match body {
            (Some(bytes), etag, coding) => {
                let mut response = Response::new(bytes.into());
                set(&mut response, CONTENT_TYPE, form.format.content_type());
                set(&mut response, X_MORE, if more { "true" } else { "false" });
                if let Some(coding) = coding {
                    set(&mut response, CONTENT_ENCODING, coding.name());
                }
                set(&mut response, ETAG, &etag);
                response
            }
            (None, etag, _) => {
                let mut response = Response::new(String::new().into());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                set(&mut response, ETAG, &etag);
                response
            }
        };
        stamp(&mut response, frontier);
        set(&mut response, VARY, "accept, accept-encoding");
        set(&mut response, CACHE_CONTROL, "no-cache");
        Ok(response)
    }

    /// The body, its tag and how it is compressed; no body if the client has it.
    fn encoded(&self, context: &Context, form: &Form) -> Result<Encoded, BodyError> {
        let (before, frontier, rows) = self.body(context, form)?;
        let tagged = [before.as_bytes(), rows.as_bytes()].concat();
        let etag = form.etag(self.view, &tagged);
        if form.known.has(&etag) {
            return Ok((None, etag, None));
        }
        let body = [before, frontier, rows].concat().into_bytes();
        let (bytes, coding) = ContentCoding::encode(form.coding, body)?;
        Ok((Some(bytes), etag, coding))
    }

    /// What stands before the frontier, the frontier, and what stands behind it.
    fn body(&self, context: &Context, form: &Form) -> Result<(String, String, String), BodyError> {
        // CSV and NDJSON have no head, so their rows have all columns.
        let in_head = if form.format == Format::Json { self.hidden } else { &[] };
        let hidden = [in_head, &form.left_out].concat();
        let shown = Shown {
            columns: self.view.columns,
            hidden: &hidden,
            catalog: &context.catalog,
            numbers_as_strings: form.numbers_as_strings,
        };
        let (mut before, mut at, mut out) = (String::new(), String::new(), String::new());
        match form.format {
            Format::Csv => out = shown.csv(&self.lines, self.marked)?,
            Format::Ndjson => {
                for line in &self.lines {
                    shown.json(line, &mut out);
                    out.push('\n');
                }
            }
            Format::Json => {
                before.push('{');
                for (name, text) in &self.head {
                    before.push_str(&format!("\"{name}\":{},", Value::String(text.clone())));
                }
                before.push_str("\"frontier\":");
                at = serde_json::to_string(&FrontierJson::of(context.run, self.frontier))?;
                let (version, list) = (view_version(self.view), self.list);
                out.push_str(&format!(",\"view_version\":\"{version}\",\"{list}\":["));
                for (number, line) in self.lines.iter().enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    shown.json(line, &mut out);
                }
                out.push_str(if self.more { "],\"more\":true}" } else { "],\"more\":false}" });
            }
        }
        Ok((before, at, out))
    }
}

/// Changes whenever columns are added, removed or reordered.
fn view_version(view: &View) -> String {
    let names: Vec<_> = view.columns.iter().map(|column| column.name).collect();
    format!("{:08x}", xxh3_64(names.join(",").as_bytes()) >> 32)
}

/// The tags of answers that a client has.
#[derive(Clone, Debug, Default)]
struct KnownTags(Vec<String>);

impl KnownTags {
    fn read(headers: &HeaderMap) -> KnownTags {
        let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let tags = given.flat_map(|value| value.split(','));
        KnownTags(tags.map(|tag| tag.trim().trim_start_matches("W/").to_owned()).collect())
    }

    /// Whether this tag is one of them (weakly compared, as RFC 9110 asks).
    fn has(&self, etag: &str) -> bool {
        let etag = etag.trim_start_matches("W/");
        self.0.iter().any(|tag| tag == "*" || tag == etag)
    }
}
