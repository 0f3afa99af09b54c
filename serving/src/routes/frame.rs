//! Common parts of all answers with rows: the format, the frame around the rows, and conditional requests.

use serde_json::Value;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, VARY};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;
use xxhash_rust::xxh3::xxh3_64;

use crate::Context;
use crate::filter;
use crate::format::{ACCEPT_ROWS, FORMAT, Format, Line, NUMBERS_AS_STRINGS, Shown};
use crate::parameter::{ParameterType, RouteParameter};
use crate::problem::Problem;
use crate::query::Query;
use crate::read_your_writes::{MIN_FRONTIER, ReadYourWrites, WAIT_MS, is_past};
use rows::readers::Class;
use rows::{AsOf, Frontier, View};

use super::{FrontierJson, RequestParts, set, stamp};

/// The parameters of all answers with rows.
pub(super) const FRAME: &[RouteParameter] = &[
    NUMBERS_AS_STRINGS.declared,
    FORMAT.declared,
    MIN_FRONTIER,
    WAIT_MS.declared,
    ACCEPT_ROWS,
    RouteParameter::header(
        "If-None-Match",
        ParameterType::EntityTags,
        "answers 304 without rows if the view is as the tag says",
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
        Ok(Form { format, numbers_as_strings, left_out, min_frontier })
    }

    /// Waits for `min_frontier`. Returns the answer without rows if the client already has the present state.
    pub(super) async fn unchanged(
        &self,
        context: &Context,
        view: &View,
        request: &RequestParts,
        as_of: Option<AsOf>,
    ) -> Result<Option<Response>, Problem> {
        self.min_frontier.reached(context).await?;
        is_past(&*context.reader, as_of)?;
        let now = context.reader.frontier();
        if as_of.is_some() || !already_has(request, &self.etag(context, view, now)) {
            return Ok(None);
        }
        let mut response = Response::new(String::new().into());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.describe(context, &mut response, view, now);
        Ok(Some(response))
    }

    /// Sets the headers that depend on the frontier only.
    fn describe(
        &self,
        context: &Context,
        response: &mut Response,
        view: &View,
        frontier: Frontier,
    ) {
        stamp(response, frontier);
        set(response, ETAG, &self.etag(context, view, frontier));
        set(response, VARY, "accept");
        set(response, CACHE_CONTROL, "no-cache");
    }

    /// `"<view>@<run>-<commit>"`; formats other than JSON have tags of their own.
    ///
    /// Commit numbers restart with each run, so the tag contains the run.
    fn etag(&self, context: &Context, view: &View, frontier: Frontier) -> String {
        let (name, run) = (view.name, context.run.0);
        let commit = match frontier.commit {
            Some(commit) => commit.0.to_string(),
            None => "none".to_owned(),
        };
        match self.format {
            Format::Json => format!("\"{name}@{run:x}-{commit}\""),
            other => format!("\"{name}@{run:x}-{commit}.{}\"", other.name()),
        }
    }
}

impl Frame {
    /// The rows in the requested format, stamped with their frontier.
    pub(super) async fn answer(self, context: &Context, form: &Form) -> Result<Response, Problem> {
        let Frame { view, frontier, more, .. } = self;
        let body = match self.lines.len() <= INLINE_ROWS_MAX {
            true => self.body(context, form),
            false => {
                let (of, form) = (context.clone(), form.clone());
                context.readers.run(Class::Answer, move || self.body(&of, &form)).await?
            }
        };
        let body = body.map_err(|error| {
            tracing::error!(%error, view = view.name, "rows could not be written");
            Problem::internal()
        })?;
        let mut response = Response::new(body.into());
        form.describe(context, &mut response, view, frontier);
        set(&mut response, CONTENT_TYPE, form.format.content_type());
        set(&mut response, X_MORE, if more { "true" } else { "false" });
        Ok(response)
    }

    fn body(
        &self,
        context: &Context,
        form: &Form,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        // CSV and NDJSON have no head, so their rows have all columns.
        let in_head = if form.format == Format::Json { self.hidden } else { &[] };
        let hidden = [in_head, &form.left_out].concat();
        let shown = Shown {
            columns: self.view.columns,
            hidden: &hidden,
            catalog: &context.catalog,
            numbers_as_strings: form.numbers_as_strings,
        };
        let mut out = String::new();
        match form.format {
            Format::Csv => out = shown.csv(&self.lines, self.marked)?,
            Format::Ndjson => {
                for line in &self.lines {
                    shown.json(line, &mut out);
                    out.push('\n');
                }
            }
            Format::Json => {
                out.push('{');
                for (name, text) in &self.head {
                    out.push_str(&format!("\"{name}\":{},", Value::String(text.clone())));
                }
                let frontier =
                    serde_json::to_string(&FrontierJson::of(context.run, self.frontier))?;
                let (version, list) = (view_version(self.view), self.list);
                out.push_str(&format!(
                    "\"frontier\":{frontier},\"view_version\":\"{version}\",\"{list}\":["
                ));
                for (at, line) in self.lines.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    shown.json(line, &mut out);
                }
                out.push_str(if self.more { "],\"more\":true}" } else { "],\"more\":false}" });
            }
        }
        Ok(out)
    }
}

/// Changes whenever columns are added, removed or reordered.
fn view_version(view: &View) -> String {
    let names: Vec<_> = view.columns.iter().map(|column| column.name).collect();
    format!("{:08x}", xxh3_64(names.join(",").as_bytes()) >> 32)
}

/// Whether `If-None-Match` names this tag (weakly compared, as RFC 9110 asks).
fn already_has(request: &RequestParts, etag: &str) -> bool {
    let tags = request.headers.get_all(IF_NONE_MATCH).iter();
    tags.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == etag)
}
