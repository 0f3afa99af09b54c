//! `POST /api/streaming/process`: takes rows into the input of the run.
//!
//! Every row becomes part of the input or a dead letter, and the answer reports which. With `atomic=true` either all
//! rows are taken or none. The answer's `completion_token` names a commit with which all views contain the rows: a read
//! with this token as `min_frontier` sees them.

use std::time::Duration;

use serde::Serialize;
use warp::Filter;
use warp::http::header::HeaderName;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;
use xxhash_rust::xxh3::xxh3_128;

use crate::answers::{KeyState, Pending};
use crate::parameter::{ParameterType, RouteParameter, WordParameter, Words};
use crate::problem::{
    BUSY, FieldError, IN_PROGRESS, INGEST_DISABLED, KEY_REUSED, Problem, ROWS_REFUSED, TOO_LARGE,
    UNAVAILABLE, UNREADABLE,
};
use crate::query::Query;
use crate::read_your_writes::{WAIT_MS, reaches, wait};
use crate::{Context, body};
use node_api::ingest::{IngestApi, PostError, PostOutcome, PostedBody, RowFault, Token};

use super::{Endpoint, RequestParts, Route, RouteEntry, request_parts, respond, set, text};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: &[Method::POST],
        path: "/api/streaming/process",
        doc: "takes trades, corrections, cancels, fills, targets and fair values",
        parameters: PARAMETERS,
    }],
    route,
};

const PARAMETERS: &[RouteParameter] = &[
    ROW_TYPE,
    ATOMIC.declared,
    WAIT.declared,
    WAIT_MS.declared,
    body::CONTENT,
    IDEMPOTENCY_KEY,
    body::ROWS,
];
const ROW_TYPE_OF: &str = "a type of rows";
const ROW_TYPE: RouteParameter = RouteParameter::query(
    "type",
    ParameterType::Name(ROW_TYPE_OF),
    "the type of rows that name none",
);
const ATOMIC: WordParameter<bool> = WordParameter::new(
    "atomic",
    Words::new(&["true", "false"], &[true, false]),
    "false",
    "whether all rows are refused if one is",
);
const WAIT: WordParameter<bool> = WordParameter::new(
    "wait",
    Words::new(&["accepted", "processed"], &[false, true]),
    "accepted",
    "whether to answer when the rows are taken, or when views contain them",
);
const IDEMPOTENCY_KEY: RouteParameter = RouteParameter::header(
    "Idempotency-Key",
    ParameterType::VisibleAscii(KEY_MAX),
    "the same request with the same key gets the first answer again",
);
/// The longest idempotency key.
const KEY_MAX: usize = 255;
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The most rejected rows that an answer lists.
const ERRORS_MAX: usize = 1_000;

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("api" / "streaming" / "process")
        .and(warp::post())
        .and(request_parts())
        .and(warp::body::stream())
        .then(move |request: RequestParts, body| {
            let context = context.clone();
            async move {
                let path = request.path.clone();
                respond(path, answer(context, request, body)).await
            }
        })
        .boxed()
}

/// The parameters of a request.
struct PostOptions {
    row_type: Option<String>,
    atomic: bool,
    /// How long to wait until views contain the rows; none: no wait.
    processed: Option<Duration>,
}

/// The answer after rows were taken.
#[derive(Serialize)]
struct Answer<'a> {
    accepted: usize,
    rejected: usize,
    errors: Vec<RowError<'a>>,
    /// The number of rejected rows that are not listed; they are dead letters like the others.
    #[serde(skip_serializing_if = "is_zero")]
    errors_left_out: usize,
    completion_token: Option<String>,
    /// Whether the rows survive a crash of the process.
    durable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    processed: Option<bool>,
}

#[derive(Serialize)]
struct RowError<'a> {
    row: usize,
    pointer: String,
    code: &'static str,
    detail: &'a str,
}

async fn answer(
    context: Context,
    request: RequestParts,
    body: impl body::Chunks,
) -> Result<Response, Problem> {
    let ingest = context.posts.ingest.clone().ok_or_else(|| {
        Problem::new(INGEST_DISABLED, "this process takes no rows: `ingest` of [http] is false")
    })?;
    let options = read(&request, &*ingest)?;
    let form = body::form(&request.headers)?;
    let key = key(&request.headers)?;
    let limit = ingest.body_bytes();
    let length = body::length(&request.headers, limit)?;
    let room = context.posts.room(length.unwrap_or(limit));
    let room = room.ok_or_else(|| Problem::new(BUSY, "too many bodies are being read already"))?;
    let rows = body::read(length, body, limit).await?;

    let pending = match key {
        None => None,
        Some(key) => {
            let about = format!("{form:?} {:?} {}\n", options.row_type, options.atomic);
            let hash = xxh3_128(&[about.as_bytes(), &rows].concat());
            match context.posts.answers.begin(&key, hash) {
                KeyState::New(pending) => Some(pending),
                KeyState::Answered(answer) => return Ok(replayed(&answer)),
                KeyState::InProgress => {
                    let detail = "a request with this `Idempotency-Key` is being answered";
                    return Err(Problem::new(IN_PROGRESS, detail));
                }
                KeyState::Other => {
                    let detail = "this `Idempotency-Key` came with other rows before";
                    return Err(Problem::new(KEY_REUSED, detail));
                }
            }
        }
    };
    let PostOptions { row_type, atomic, processed } = options;
    let sent = PostedBody { form, body: rows, row_type, atomic };
    // A task of its own: rows of a client that disconnects now are taken, and it may ask for the answer again.
    let taking = tokio::spawn(async move {
        let taken = ingest.take(sent).await.map_err(problem);
        drop(room);
        outcome(&context, taken?, processed, pending).await
    });
    let body = taking.await.map_err(|_| Problem::internal())??;
    Ok(text(StatusCode::ACCEPTED, JSON, body))
}

const JSON: &str = "application/json";

/// The answer after rows were taken. It is stored if there is a key.
async fn outcome(
    context: &Context,
    taken: PostOutcome,
    processed: Option<Duration>,
    pending: Option<Pending>,
) -> Result<String, Problem> {
    let PostOutcome { accepted, rejected, commit } = taken;
    let processed = match (processed, commit) {
        (None, _) => None,
        (Some(_), None) => Some(false),
        (Some(wait), Some(commit)) => Some(reaches(&*context.reader, commit, wait).await),
    };
    let body = Answer {
        accepted,
        rejected: rejected.len(),
        errors: rejected.iter().take(ERRORS_MAX).map(RowError::of).collect(),
        errors_left_out: rejected.len().saturating_sub(ERRORS_MAX),
        completion_token: commit.map(|commit| Token { run: context.run.0, commit }.to_string()),
        durable: false,
        processed,
    };
    let body = serde_json::to_string(&body).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Problem::internal()
    })?;
    if let Some(pending) = pending {
        pending.answered(&body);
    }
    Ok(body)
}

fn replayed(answer: &str) -> Response {
    let mut response = text(StatusCode::ACCEPTED, JSON, answer.to_owned());
    set(&mut response, REPLAYED, "true");
    response
}

fn read(request: &RequestParts, ingest: &dyn IngestApi) -> Result<PostOptions, Problem> {
    let mut query = Query::new(&request.query, PARAMETERS);
    let types = ingest.row_types();
    let row_type = query.one_of(&ROW_TYPE, ROW_TYPE_OF, &types, |known, given| known == given);
    let atomic = query.word(&ATOMIC);
    let waits = query.word(&WAIT);
    if !waits {
        let why = "says how long to wait with `wait=processed`, which is not given";
        query.reject(&WAIT_MS.declared, why);
    }
    let wait = wait(&mut query);
    query.finish()?;
    Ok(PostOptions { row_type, atomic, processed: waits.then_some(wait) })
}

/// The idempotency key of a request.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY.name) else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim);
    let key = key.filter(|key| {
        (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    });
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        let name = IDEMPOTENCY_KEY.name;
        let detail = format!("`{name}` is not 1 to {KEY_MAX} visible ASCII characters");
        let pointer = format!("#/header/{}", name.to_ascii_lowercase());
        Problem::invalid(vec![FieldError { pointer, code: "format", detail, allowed: Vec::new() }])
    })
}

fn problem(away: PostError) -> Problem {
    let detail = away.to_string();
    match away {
        PostError::Busy(_) => Problem::new(BUSY, detail),
        PostError::Unreadable(_) => Problem::new(UNREADABLE, detail),
        PostError::TooManyRows { .. } => Problem::new(TOO_LARGE, detail),
        PostError::Closed => Problem::new(UNAVAILABLE, detail),
        PostError::Refused { rows, .. } => {
            let errors = rows.iter().take(ERRORS_MAX).map(|row| FieldError {
                pointer: pointer(row),
                code: row.code,
                detail: row.detail.clone(),
                allowed: Vec::new(),
            });
            Problem::new(ROWS_REFUSED, detail).errors(errors.collect())
        }
    }
}

impl RowError<'_> {
    fn of(fault: &RowFault) -> RowError<'_> {
        let RowFault { row, code, detail, .. } = fault;
        RowError { row: *row, pointer: pointer(fault), code, detail }
    }
}

/// `#/body/3/price`: rows from 0; fields as written, escaped as in JSON pointers.
fn pointer(RowFault { row, field, .. }: &RowFault) -> String {
    const SHOWN_MAX: usize = 64;
    if field.is_empty() {
        return format!("#/body/{row}");
    }
    let field: String = field.chars().take(SHOWN_MAX).collect();
    format!("#/body/{row}/{}", field.replace('~', "~0").replace('/', "~1"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}
