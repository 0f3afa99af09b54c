//! What all answers of rows have in common: the form that is asked for, the frame around the rows, and
//! whether they need to be sent again.

use serde_json::Value;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, VARY};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;
use xxhash_rust::xxh3::xxh3_64;

use crate::readers::Class;
use crate::serve::Context;
use crate::serve::filter;
use crate::serve::format::{Format, Line, Shown};
use crate::serve::problem::Problem;
use crate::serve::query::Query;
use crate::serve::read_your_writes::ReadYourWrites;
use crate::views::{AsOf, Frontier, View};

use super::{FrontierJson, RequestParts, set, stamp};

/// Whether the limit left rows out; CSV and NDJSON have no place for it in the body.
const X_MORE: HeaderName = HeaderName::from_static("x-more");

/// An answer of more rows is written on a reader thread.
const INLINE_ROWS_MAX: usize = 64;

/// How rows are written.
#[derive(Clone)]
pub(super) struct Form {
    format: Format,
    numbers_as_strings: bool,
    /// The columns that are left out.
    left_out: Vec<&'static str>,
    min_frontier: ReadYourWrites,
}

/// Rows of one view at one frontier, and what an answer says around them.
pub(super) struct Frame {
    pub(super) view: &'static View,
    /// What JSON says once, before the rows: names and texts.
    pub(super) head: Vec<(&'static str, String)>,
    /// The columns that JSON leaves out of each row because the head says them.
    pub(super) hidden: &'static [&'static str],
    /// What JSON calls the list of rows.
    pub(super) list: &'static str,
    pub(super) frontier: Frontier,
    pub(super) lines: Vec<Line>,
    /// Whether the limit left any rows out.
    pub(super) more: bool,
    /// Whether rows say if they fill a gap.
    pub(super) marked: bool,
}

impl Form {
    /// What `fields`, `numbers`, `format`, `Accept`, `min_frontier` and `wait_ms` ask of rows of `view`. Faults of the parameters are noted in
    /// `query`; the error is that nothing which `Accept` names can be answered.
    pub(super) fn read(
        query: &mut Query<'_>,
        context: &Context,
        view: &View,
        headers: &HeaderMap,
    ) -> Result<Form, Problem> {
        let min_frontier = ReadYourWrites::read(query, context);
        let left_out = filter::hidden(query, view);
        let numbers = query.word("numbers", &[("number", false), ("string", true)]);
        let formats: Vec<_> = Format::ALL.iter().map(|format| (format.name(), *format)).collect();
        let format = match query.word("format", &formats) {
            Some(format) => format,
            None => Format::accepted(headers, Format::ALL)?,
        };
        Ok(Form { format, numbers_as_strings: numbers.unwrap_or(false), left_out, min_frontier })
    }

    /// Waits until views are as new as they must be; gives the answer that needs no rows, if those of the
    /// present are asked for and the client has them.
    pub(super) async fn unchanged(
        &self,
        context: &Context,
        view: &View,
        request: &RequestParts,
        as_of: Option<AsOf>,
    ) -> Result<Option<Response>, Problem> {
        self.min_frontier.reached(context).await?;
        let now = context.reader.frontier();
        if as_of.is_some() || !already_has(request, &self.etag(context, view, now)) {
            return Ok(None);
        }
        let mut response = Response::new(String::new().into());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.describe(context, &mut response, view, now);
        Ok(Some(response))
    }

    /// What all answers for one frontier have in common.
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

    /// `"<view>@<run>-<commit>"`; forms other than JSON are other bytes and so have other tags.
    ///
    /// Commits begin anew with each run, so the number alone would say that rows of the run before are current.
    fn etag(&self, context: &Context, view: &View, frontier: Frontier) -> String {
        let (name, run) = (view.name, context.run);
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
    /// The rows in the asked form, stamped with their frontier.
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
        // The lines of CSV and NDJSON have no head, so each says everything.
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
                let frontier = serde_json::to_string(&FrontierJson::from(self.frontier))?;
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

/// Changes whenever columns come, go or change places.
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
