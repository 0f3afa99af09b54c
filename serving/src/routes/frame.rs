//! Common parts of all answers with rows: the format, the frame around the rows, and conditional requests.

use serde::Serialize;
use serde_json::Value;
use warp::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LINK, VARY,
};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::Context;
use crate::content_coding::{ACCEPTED_CODINGS, ContentCoding};
use crate::filter;
use crate::format::{ACCEPT_ROWS, FORMAT, Format, Line, NUMBERS_AS_STRINGS, PLAIN_LIST, Shown};
use crate::parameter::{ParameterType, RouteParameter};
use crate::problem::Problem;
use crate::query::Query;
use crate::read_your_writes::{MAX_STALENESS, MIN_FRONTIER, ReadYourWrites, WAIT_MS, is_past};
use rows::readers::Class;
use rows::{AsOf, Frontier, View};

use super::{FrontierJson, set, stamp};

/// The parameters of all answers with rows.
pub(super) const FRAME: &[RouteParameter] = &[
    NUMBERS_AS_STRINGS.declared,
    FORMAT.declared,
    PLAIN_LIST.declared,
    MIN_FRONTIER,
    MAX_STALENESS,
    WAIT_MS.declared,
    ACCEPT_ROWS,
    ACCEPTED_CODINGS,
    KNOWN_TAGS,
];
/// The tags of what a client has.
pub(super) const KNOWN_TAGS: RouteParameter = RouteParameter::header(
    "If-None-Match",
    ParameterType::EntityTags,
    "answers 304 without rows if they are as a tag says",
)
.several();

/// Whether the limit left rows out. CSV and NDJSON have no place for it in the body.
const X_MORE: HeaderName = HeaderName::from_static("x-more");

/// Answers with more rows are encoded on a reader thread.
const INLINE_ROWS_MAX: usize = 64;

/// The format of an answer.
#[derive(Clone)]
pub(super) struct Form {
    format: Format,
    /// Whether JSON is the list of rows alone.
    plain_list: bool,
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
    /// The page that the rows are, where they are read in pages.
    pub(super) page: Option<PageOf>,
}

/// A page of a view.
#[derive(Clone, Serialize)]
pub(super) struct PageOf {
    /// The most rows of it.
    pub(super) limit: usize,
    /// The cursor of the next one; none at the end, and without `cursor` in the request.
    pub(super) next: Option<String>,
    /// Whether there are rows behind it.
    pub(super) has_more: bool,
    /// The link to the next one.
    #[serde(skip)]
    pub(super) link: Option<String>,
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
        let plain_list = query.word(&PLAIN_LIST);
        let format = match query.word(&FORMAT) {
            Some(format) => format,
            None => Format::accepted(headers, Format::ALL)?,
        };
        let (coding, known) = (ContentCoding::accepted(headers), KnownTags::read(headers));
        Ok(Form { format, plain_list, numbers_as_strings, left_out, min_frontier, coding, known })
    }

    /// The same for an object of the rows of several views, which is always JSON.
    pub(super) fn of_object(
        query: &mut Query<'_>,
        context: &Context,
        headers: &HeaderMap,
    ) -> Result<Form, Problem> {
        let min_frontier = ReadYourWrites::read(query, context);
        let numbers_as_strings = query.word(&NUMBERS_AS_STRINGS);
        let format = Format::accepted(headers, &[Format::Json])?;
        let (coding, known) = (ContentCoding::accepted(headers), KnownTags::read(headers));
        let (plain_list, left_out) = (false, Vec::new());
        Ok(Form { format, plain_list, numbers_as_strings, left_out, min_frontier, coding, known })
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
    fn etag(&self, name: &str, rows: &[u8]) -> String {
        let hash = xxh3_128(rows);
        match self.format {
            Format::Json if self.plain_list => format!("W/\"{name}-{hash:032x}.rows\""),
            Format::Json => format!("W/\"{name}-{hash:032x}\""),
            other => format!("W/\"{name}-{hash:032x}.{}\"", other.name()),
        }
    }
}

/// A body in pieces.
#[derive(Default)]
pub(super) struct Body {
    /// What stands before the frontier.
    pub(super) before: String,
    pub(super) frontier: String,
    pub(super) rows: String,
    /// What stands behind the rows, and is none of what the tag names.
    pub(super) after: String,
}

/// A body unless the client has it, its tag, and how it is compressed.
pub(super) struct Encoded {
    body: Option<Vec<u8>>,
    etag: String,
    coding: Option<ContentCoding>,
}

pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl Frame {
    /// The rows in the requested format, stamped with their frontier; none if the client has them already.
    pub(super) async fn answer(self, context: &Context, form: &Form) -> Result<Response, Problem> {
        let Frame { view, frontier, more, .. } = self;
        let link = self.page.as_ref().and_then(|page| page.link.clone());
        let rows = self.lines.len();
        let encode = move |context: &Context, form: &Form| {
            let encoded = self.body(context, form).and_then(|body| form.encode(view.name, body));
            encoded.map_err(|error| {
                tracing::error!(%error, view = view.name, "rows could not be written");
                Problem::internal()
            })
        };
        let mut response = form.respond(context, rows, frontier, encode).await?;
        if response.status() == StatusCode::OK {
            set(&mut response, X_MORE, if more { "true" } else { "false" });
        }
        if let Some(link) = link {
            set(&mut response, LINK, &format!("<{link}>; rel=\"next\""));
        }
        Ok(response)
    }

    fn body(&self, context: &Context, form: &Form) -> Result<Body, BodyError> {
        // CSV, NDJSON and plain lists have no head, so their rows have all columns.
        let is_object = form.format == Format::Json && !form.plain_list;
        let in_head = if is_object { self.hidden } else { &[] };
        let hidden = [in_head, &form.left_out].concat();
        let shown = Shown {
            columns: self.view.columns,
            hidden: &hidden,
            catalog: &context.catalog,
            numbers_as_strings: form.numbers_as_strings,
        };
        let mut body = Body::default();
        match form.format {
            Format::Csv => body.rows = shown.csv(&self.lines, self.marked)?,
            Format::Ndjson => {
                for line in &self.lines {
                    shown.json(line, &mut body.rows);
                    body.rows.push('\n');
                }
            }
            Format::Json if form.plain_list => shown.list(&self.lines, &mut body.rows),
            Format::Json => {
                body.before.push('{');
                for (name, text) in &self.head {
                    body.before.push_str(&format!("\"{name}\":{},", Value::String(text.clone())));
                }
                body.before.push_str("\"frontier\":");
                body.frontier =
                    serde_json::to_string(&FrontierJson::of(context.run, self.frontier))?;
                let (version, list) = (view_version(self.view), self.list);
                body.rows.push_str(&format!(",\"view_version\":\"{version}\",\"{list}\":"));
                shown.list(&self.lines, &mut body.rows);
                body.rows.push_str(&format!(",\"more\":{}", self.more));
                if let Some(page) = &self.page {
                    body.after = format!(",\"page\":{}", serde_json::to_string(page)?);
                }
                body.after.push('}');
            }
        }
        Ok(body)
    }
}

impl Form {
    /// Writes rows as the request asks, on a reader thread if they are many, and stamps the answer with their frontier.
    pub(super) async fn respond(
        &self,
        context: &Context,
        rows: usize,
        frontier: Frontier,
        encode: impl FnOnce(&Context, &Form) -> Result<Encoded, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let encoded = match rows <= INLINE_ROWS_MAX {
            true => encode(context, self)?,
            false => {
                let (of, form) = (context.clone(), self.clone());
                context.readers.run(Class::Answer, move || encode(&of, &form)).await??
            }
        };
        let Encoded { body, etag, coding } = encoded;
        let is_known = body.is_none();
        let mut response = Response::new(body.unwrap_or_default().into());
        set(&mut response, ETAG, &etag);
        match is_known {
            true => *response.status_mut() = StatusCode::NOT_MODIFIED,
            false => set(&mut response, CONTENT_TYPE, self.format.content_type()),
        }
        if let Some(coding) = coding {
            set(&mut response, CONTENT_ENCODING, coding.name());
        }
        stamp(&mut response, frontier);
        set(&mut response, VARY, "accept, accept-encoding");
        set(&mut response, CACHE_CONTROL, "no-cache");
        Ok(response)
    }

    /// How numbers are written.
    pub(super) fn numbers_as_strings(&self) -> bool {
        self.numbers_as_strings
    }

    /// The body as it is sent, and the tag of what `name` names; no body if the client has it.
    pub(super) fn encode(&self, name: &str, body: Body) -> Result<Encoded, BodyError> {
        let Body { before, frontier, rows, after } = body;
        let tagged = [before.as_bytes(), rows.as_bytes()].concat();
        let etag = self.etag(name, &tagged);
        if self.known.has(&etag) {
            return Ok(Encoded { body: None, etag, coding: None });
        }
        let whole = [before, frontier, rows, after].concat().into_bytes();
        let (bytes, coding) = ContentCoding::encode(self.coding, whole)?;
        Ok(Encoded { body: Some(bytes), etag, coding })
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
