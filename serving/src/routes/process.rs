//! `POST /api/streaming/process`: takes rows into the input of the run.
//!
//! Every row becomes part of the input or a dead letter, and the answer reports which. With `atomic=true` either all
//! rows are taken or none. The answer's `completion_token` names a commit with which all views contain the rows: a read
//! with this token as `min_frontier` sees them. `wait` says when to answer: when a commit binds the rows, when the disk
//! has that commit, or when views contain it.

use std::sync::Arc;
use std::time::Duration;

use node_api::Scope;
use warp::Filter;
use warp::http::header::HeaderName;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;
use xxhash_rust::xxh3::xxh3_128;

use crate::client::Access;
use crate::parameter::{
    CountParameter, CountRange, ParameterType, RouteParameter, WordParameter, Words,
};
use crate::post_answer::{AllRefused, Answer, RowError, pointer};
use crate::problem::{
    BUSY, FORBIDDEN, FieldError, IN_PROGRESS, INGEST_DISABLED, KEY_REUSED, Problem, ROWS_REFUSED,
    TOO_LARGE, UNAUTHORIZED, UNAVAILABLE, UNREADABLE,
};
use crate::query::Query;
use crate::read_your_writes::reaches;
use crate::{Context, body};
use node_api::Located;
use node_api::ingest::{
    FAULTS_MAX, IngestApi, Keeping, PostError, PostKey, PostOutcome, PostedBody, PostedFormat,
    RowFault, Token,
};

use super::{Endpoint, RequestParts, Route, RouteEntry, json, request_parts, respond, set};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: &[Method::POST],
        path: "/api/streaming/process",
        access: Access::Rows(Scope::Ingest),
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
const WAIT: WordParameter<Option<Wait>> = WordParameter::optional(
    "wait",
    Words::new(
        &["accepted", "durable", "visible", "processed"],
        &[
            Some(Wait::Accepted),
            Some(Wait::Durable),
            Some(Wait::Visible),
            Some(Wait::Processed), // its former name
        ],
    ),
    "when to answer: when a commit binds the rows, when the disk has that commit, or when views contain it as well \
     (formerly `processed`); by default `durable` of a job that makes its commits durable, else `accepted`",
);
const WAIT_MS: CountParameter = CountParameter::milliseconds(
    "wait_ms",
    CountRange { least: 0, most: 30_000, default: 10_000 },
    "how long to wait for that, once a commit binds the rows; then the answer says how far it is",
);
const IDEMPOTENCY_KEY: RouteParameter = RouteParameter::header(
    "Idempotency-Key",
    ParameterType::VisibleAscii(KEY_MAX),
    "the same request with the same key gets the first answer again",
);
/// The longest idempotency key.
const KEY_MAX: usize = 255;
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// When to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Accepted,
    Durable,
    Visible,
    Processed,
}

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
    wait: Wait,
    /// How long to wait when the rows are bound.
    within: Duration,
}

async fn answer(
    context: Context,
    request: RequestParts,
    body: impl body::Chunks,
) -> Result<Response, Problem> {
    let ingest = context.posts.ingest.clone().ok_or_else(|| {
        Problem::new(INGEST_DISABLED, "this process takes no rows: `ingest` of [http] is false")
    })?;
    let options = read(&request, &*ingest, context.keeping)?;
    let form = body::form(&request.headers)?;
    let key = key(&request.headers)?;
    let limit = ingest.body_bytes();
    let length = body::length(&request.headers, limit)?;
    let share = |bytes| context.client.post_bytes(bytes);
    length.map_or(Ok(()), share)?; // before anything is read, if it is known
    let (rows, room) = body::read(body, limit, &context.posts).await?;
    if length.is_none() {
        share(rows.len())?;
    }

    if context.client.has_ended() {
        return Err(Problem::new(UNAUTHORIZED, "the key has ended while the body was read"));
    }
    let PostOptions { row_type, atomic, wait, within } = options;
    // Keys of one name share what they have sent, so that a request may come again after its key was replaced.
    let holder = context.client.key().map(|key| key.name.clone());
    let key = key.map(|key| {
        let key = holder.map_or_else(|| key.clone(), |holder| format!("{holder}\n{key}"));
        let request_hash = request_hash(form, row_type.as_deref(), atomic, &rows);
        PostKey { key, request_hash }
    });
    // Where nothing becomes durable, nobody waits for it.
    let waits_for_disk = wait != Wait::Accepted && context.keeping == Keeping::Disk;
    let durable_within = if waits_for_disk { within } else { Duration::ZERO };
    let limits = Arc::clone(context.client.visible().limits());
    let sent = PostedBody { form, body: rows, row_type, atomic, key, durable_within, limits };
    // A task of its own: rows of a client that disconnects now are taken, and it may ask for the answer again.
    let taking = tokio::spawn(async move {
        let taken = ingest.take(sent).await.map_err(problem);
        drop(room);
        outcome(&context, taken?, wait, within).await
    });
    taking.await.map_err(|_| Problem::internal())?
}

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// A hash of all that a request says. It is kept with the state of a job, so it must stay what it is.
fn request_hash(form: PostedFormat, row_type: Option<&str>, atomic: bool, rows: &[u8]) -> u128 {
    let form = match form {
        PostedFormat::Json => "json",
        PostedFormat::Ndjson => "ndjson",
        PostedFormat::Csv => "csv",
    };
    let about = format!("{form} {} {atomic}\n", row_type.unwrap_or("-"));
    xxh3_128(&[about.as_bytes(), rows].concat())
}

/// The answer after rows were taken, when what was asked for is so.
async fn outcome(
    context: &Context,
    taken: PostOutcome,
    wait: Wait,
    within: Duration,
) -> Result<Response, Problem> {
    let PostOutcome { accepted, rejected, faults, token, durable, is_replayed } = taken;
    let waits = matches!(wait, Wait::Visible | Wait::Processed);
    let visible = match token {
        _ if !waits => None,
        None => Some(false),
        Some(token) => Some(is_visible(context, token, within).await),
    };
    let answer = Answer {
        accepted,
        rejected,
        has_errors: rejected > 0,
        errors_left_out: rejected - rows_of(&faults).min(rejected),
        errors: faults.iter().map(RowError::of).collect(),
        completion_token: token.map(|token| token.to_string()),
        durable,
        visible,
        processed: visible.filter(|_| wait == Wait::Processed),
    };
    let mut response = match accepted == 0 && rejected > 0 {
        true => json(ROWS_REFUSED.status, PROBLEM, &AllRefused::of(answer))?,
        false => json(StatusCode::ACCEPTED, JSON, &answer)?,
    };
    if is_replayed {
        set(&mut response, REPLAYED, "true");
    }
    Ok(response)
}

/// The number of rows that have these faults, which are in the order of rows.
fn rows_of(faults: &[RowFault]) -> usize {
    faults.chunk_by(|one, next| one.row == next.row).count()
}

/// Waits at most so long until views contain the commit of a token.
async fn is_visible(context: &Context, token: Token, within: Duration) -> bool {
    match context.lineage.locate(token) {
        Located::Survived(commit) => reaches(&*context.reader, commit, within).await,
        // Of the first answer of a request that came again, long ago.
        Located::Unknown => true,
        Located::Lost { .. } | Located::Restoring => false,
    }
}

fn read(
    request: &RequestParts,
    ingest: &dyn IngestApi,
    keeping: Keeping,
) -> Result<PostOptions, Problem> {
    let mut query = Query::new(&request.query, PARAMETERS);
    let types = ingest.row_types();
    let row_type = query.one_of(&ROW_TYPE, ROW_TYPE_OF, &types, |known, given| known == given);
    let atomic = query.word(&ATOMIC);
    let default = if keeping == Keeping::Disk { Wait::Durable } else { Wait::Accepted };
    let wait = query.word(&WAIT).unwrap_or(default);
    if wait == Wait::Durable && keeping != Keeping::Disk {
        let lacks = match keeping {
            Keeping::Process => "`fsync = false` in `[state]` leaves the disk its time",
            _ => "`dir` in `[state]` (`run --state DIR`) keeps them",
        };
        let detail = format!("wait=durable: this job does not make its commits durable; {lacks}");
        let allowed = ["accepted", "visible"].map(str::to_owned).to_vec();
        query.error(WAIT.declared.name, "enum", detail, allowed);
    }
    if wait == Wait::Accepted {
        let why = "says how long to wait with `wait=durable` or `wait=visible`, which is not given";
        query.reject(&WAIT_MS.declared, why);
    }
    let within = Duration::from_millis(query.count(&WAIT_MS) as u64);
    query.finish()?;
    Ok(PostOptions { row_type, atomic, wait, within })
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
        PostError::Forbidden { .. } => Problem::new(FORBIDDEN, detail),
        PostError::Closed => Problem::new(UNAVAILABLE, detail),
        PostError::InProgress => Problem::new(IN_PROGRESS, detail),
        PostError::OtherRequest => Problem::new(KEY_REUSED, detail),
        PostError::Refused { rows, .. } => {
            let errors = rows.iter().take(FAULTS_MAX).map(|row| FieldError {
                pointer: pointer(row),
                code: row.code,
                detail: row.detail.clone(),
                allowed: Vec::new(),
            });
            Problem::new(ROWS_REFUSED, detail).errors(errors.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes are in the state of jobs, which later builds read.
    #[test]
    fn the_hash_of_a_request_stays_what_it_is() {
        let hash = request_hash(PostedFormat::Ndjson, Some("fill"), true, b"{}");
        assert_eq!(format!("{hash:032x}"), "c2ccfc8596b49e5b19ac1d91c3479c1e");
        let others = [
            request_hash(PostedFormat::Json, Some("fill"), true, b"{}"),
            request_hash(PostedFormat::Ndjson, None, true, b"{}"),
            request_hash(PostedFormat::Ndjson, Some("fill"), false, b"{}"),
            request_hash(PostedFormat::Ndjson, Some("fill"), true, b"{ }"),
        ];
        assert!(others.iter().all(|other| *other != hash));
    }
}
