//! The body of a request: its format, and its bytes within bounds.

use std::time::Duration;

use bytes::Buf;
use futures_util::stream::{Stream, StreamExt};
use tokio::time::timeout;
use warp::http::HeaderMap;
use warp::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use super::Context;
use super::parameter::{ParameterType, RouteParameter, Words};
use super::posts::{Posts, Room};
use super::problem::{BODY_TIMEOUT, BUSY, FieldError, Problem, TOO_LARGE, UNREADABLE, UNSUPPORTED};
use super::query::shown;
use node_api::ingest::PostedFormat;

/// The time in which a client must send a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The media types of rows.
const FORMS: Words<PostedFormat> = Words::new(
    &[
        "application/json",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "text/csv",
    ],
    &[
        PostedFormat::Json,
        PostedFormat::Ndjson,
        PostedFormat::Ndjson,
        PostedFormat::Ndjson,
        PostedFormat::Csv,
    ],
);

/// The format of a body.
pub(super) const CONTENT: RouteParameter = RouteParameter::header(
    "Content-Type",
    ParameterType::MediaTypes(FORMS.words),
    "the format of the rows, in UTF-8 and uncompressed",
)
.required();
const JSON: &[&str] = &["application/json"];
/// The format of a body that is one object.
pub(super) const JSON_CONTENT: RouteParameter = RouteParameter::header(
    "Content-Type",
    ParameterType::MediaTypes(JSON),
    "the format of the body, in UTF-8 and uncompressed",
)
.required();
/// The body.
pub(super) const ROWS: RouteParameter = RouteParameter::body(
    "rows",
    ParameterType::Rows,
    "the rows: at most `http.body_bytes` bytes and `http.body_rows` rows",
);

/// The chunks of a body as they arrive.
pub(super) trait Chunks: Stream<Item = Result<Self::Part, warp::Error>> + Send {
    /// One chunk.
    type Part: Buf;
}

impl<S, B> Chunks for S
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf,
{
    type Part = B;
}

/// The format that `Content-Type` names. There is no default: the types that a page of another site may send without a
/// preflight request are not among these.
pub(super) fn form(headers: &HeaderMap) -> Result<PostedFormat, Problem> {
    let media = media_type(headers, FORMS.words)?;
    FORMS.meaning(&media).ok_or_else(Problem::internal) // it is one of these words
}

/// The media type that `Content-Type` names, which must be one of `allowed`. The body must be in UTF-8, as it is.
fn media_type(headers: &HeaderMap, allowed: &[&'static str]) -> Result<String, Problem> {
    let given = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let given = given.unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if !is_utf8 || !allowed.contains(&&*media) {
        let detail = match media.is_empty() {
            true => "the request has no `Content-Type`".to_owned(),
            false => format!("`{}` is not a form that this path reads, in UTF-8", shown(&given)),
        };
        return Err(unsupported("content-type", detail, allowed.iter().copied()));
    }
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            let detail = "bodies are read as they are: send this one uncompressed".to_owned();
            Err(unsupported("content-encoding", detail, ["identity"].into_iter()))
        }
        _ => Ok(media),
    }
}

fn unsupported(
    header: &str,
    detail: String,
    allowed: impl Iterator<Item = &'static str>,
) -> Problem {
    let allowed = allowed.map(str::to_owned).collect();
    let pointer = format!("#/header/{header}");
    let error = FieldError { pointer, code: "enum", detail: detail.clone(), allowed };
    Problem::new(UNSUPPORTED, detail).errors(vec![error])
}

/// Reads a body in JSON of at most `limit` bytes.
pub(super) async fn read_json(
    headers: &HeaderMap,
    chunks: impl Chunks,
    limit: usize,
    context: &Context,
) -> Result<Vec<u8>, Problem> {
    media_type(headers, JSON)?;
    let length = length(headers, limit)?;
    let share = |bytes| context.client.post_bytes(bytes);
    length.map_or(Ok(()), share)?; // before anything is read, if it is known
    let (body, _room) = read(chunks, limit, &context.posts).await?;
    if length.is_none() {
        share(body.len())?;
    }
    Ok(body)
}

/// The length in `Content-Length`, at most `limit`.
pub(super) fn length(headers: &HeaderMap, limit: usize) -> Result<Option<usize>, Problem> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    match length {
        Some(length) if length > limit => Err(too_large(limit)),
        length => Ok(length),
    }
}

/// Reads a body of at most `limit` bytes within the timeout, with the room that it takes up.
///
/// Room is reserved for what has come and not for what was announced, so clients that send nothing keep nobody else out.
pub(super) async fn read(
    chunks: impl Chunks,
    limit: usize,
    posts: &Posts,
) -> Result<(Vec<u8>, Room), Problem> {
    let whole = async {
        let mut chunks = std::pin::pin!(chunks);
        let (mut whole, mut room) = (Vec::new(), posts.no_room());
        while let Some(chunk) = chunks.next().await {
            let mut chunk = chunk.map_err(|error| {
                Problem::new(UNREADABLE, format!("the body breaks off: {error}"))
            })?;
            let needed = whole.len() + chunk.remaining();
            if needed > limit {
                return Err(too_large(limit));
            }
            if needed > whole.capacity() {
                let capacity = needed.max(2 * whole.capacity()).min(limit);
                let is_there = room.grow(capacity);
                let busy = || Problem::new(BUSY, "too many bodies are being read already");
                is_there.then_some(()).ok_or_else(busy)?;
                whole.reserve_exact(capacity - whole.len());
            }
            while chunk.has_remaining() {
                let part = chunk.chunk();
                whole.extend_from_slice(part);
                let read = part.len();
                chunk.advance(read);
            }
        }
        Ok((whole, room))
    };
    let seconds = READ_TIMEOUT.as_secs();
    timeout(READ_TIMEOUT, whole).await.unwrap_or_else(|_| {
        Err(Problem::new(BODY_TIMEOUT, format!("the body took longer than {seconds} s to come")))
    })
}

fn too_large(limit: usize) -> Problem {
    let detail = format!(
        "the body has more than {limit} bytes, the most that this path takes (of rows, `http.body_bytes`)"
    );
    Problem::new(TOO_LARGE, detail)
}
