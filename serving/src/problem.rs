//! Errors as RFC 9457 problem details, and the list of their kinds.

use serde::Serialize;
use warp::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use rows::ReadError;

/// A kind of error. Its `type` is `/docs/problems/<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// Its name.
    pub name: &'static str,
    /// A title, the same for every occurrence.
    pub title: &'static str,
    /// Its HTTP status.
    pub status: StatusCode,
    /// The cause, and what a client can do.
    pub doc: &'static str,
}

const fn kind(
    name: &'static str,
    title: &'static str,
    status: StatusCode,
    doc: &'static str,
) -> ProblemKind {
    ProblemKind { name, title, status, doc }
}

pub(super) const VALIDATION: ProblemKind = kind(
    "validation",
    "Invalid parameter",
    StatusCode::BAD_REQUEST,
    "One or more parameters of the query are unknown, given twice, or have a value that is not possible. \
     `errors` names each of them, and in `allowed` what would have been right. Correct them and ask again.",
);
pub(super) const AMBIGUOUS: ProblemKind = kind(
    "ambiguous-symbol",
    "Ambiguous symbol",
    StatusCode::BAD_REQUEST,
    "Instruments of several venues have this symbol. `suggestions` lists their whole names: write one of \
     them, such as `venue:SYMBOL`, instead of the symbol alone.",
);
pub(super) const TOO_MANY_BARS: ProblemKind = kind(
    "too-many-bars",
    "Too many bars to read",
    StatusCode::BAD_REQUEST,
    "To answer, more rows would have to be read than one request may. Ask for a smaller `limit`, or for \
     less time with `from` and `to`.",
);
pub(super) const UNKNOWN_SYMBOL: ProblemKind = kind(
    "unknown-symbol",
    "Unknown symbol",
    StatusCode::NOT_FOUND,
    "No instrument of this name is known yet: an instrument is known from its first trade on. \
     `suggestions` lists names that are nearly the same.",
);
pub(super) const UNKNOWN_ROW: ProblemKind = kind(
    "unknown-row",
    "Unknown row",
    StatusCode::NOT_FOUND,
    "The view has no row of this key, and nothing is left of one. `suggestions` lists keys of rows that are near.",
);
pub(super) const UNKNOWN_PATH: ProblemKind = kind(
    "unknown-path",
    "Unknown path",
    StatusCode::NOT_FOUND,
    "Nothing is at this path. `routes` lists what there is, `suggestions` what was perhaps meant.",
);
pub(super) const WRONG_METHOD: ProblemKind = kind(
    "method-not-allowed",
    "Method not allowed",
    StatusCode::METHOD_NOT_ALLOWED,
    "The path is there, but cannot be asked with this method. The header `Allow` lists those that it has.",
);
pub(super) const UPGRADE_REQUIRED: ProblemKind = kind(
    "upgrade-required",
    "WebSocket only",
    StatusCode::UPGRADE_REQUIRED,
    "The path speaks WebSocket and nothing else. Ask it with `Connection: upgrade` and `Upgrade: websocket`.",
);
pub(super) const GONE: ProblemKind = kind(
    "history-compacted",
    "No longer kept",
    StatusCode::GONE,
    "Changes and history are kept within a bound of bytes, and what is asked for begins before that. Read \
     the view as it is now and go on from there.",
);
pub(super) const COMMIT_LOST: ProblemKind = kind(
    "commit-lost",
    "Commit lost in a crash",
    StatusCode::GONE,
    "The token is of an earlier run of this job, and its commit was not on the disk when the machine crashed, so no view \
     will ever contain it. Send the rows again, with the same `Idempotency-Key` if they had one: they are taken once. \
     What was answered as durable is never lost so.",
);
pub(super) const NOT_ACCEPTABLE: ProblemKind = kind(
    "not-acceptable",
    "Not acceptable",
    StatusCode::NOT_ACCEPTABLE,
    "The header `Accept` names no form in which this path can answer. `errors` lists the forms that it \
     has; where there are several, `format` in the query outranks the header.",
);
pub(super) const LENGTH_REQUIRED: ProblemKind = kind(
    "length-required",
    "Length required",
    StatusCode::LENGTH_REQUIRED,
    "The request has a body without a `Content-Length`. Say how long it is.",
);
pub(super) const TOO_LARGE: ProblemKind = kind(
    "too-large",
    "Body too large",
    StatusCode::PAYLOAD_TOO_LARGE,
    "The body of the request is longer than this path takes. Send less at a time.",
);
pub(super) const UNSUPPORTED: ProblemKind = kind(
    "unsupported-media-type",
    "Unsupported media type",
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "The `Content-Type` of the request's body is not one that this path reads.",
);
pub(super) const UNREADABLE: ProblemKind = kind(
    "unreadable-body",
    "Body not readable",
    StatusCode::BAD_REQUEST,
    "The body does not hold rows of the form that `Content-Type` names: it is no JSON array, or the header of a \
     CSV names a column that no row has. Nothing of it was taken.",
);
pub(super) const BODY_TIMEOUT: ProblemKind = kind(
    "body-timeout",
    "Body too slow",
    StatusCode::REQUEST_TIMEOUT,
    "The body of the request did not come in time. Nothing of it was taken.",
);
pub(super) const CROSS_SITE: ProblemKind = kind(
    "cross-site",
    "Page of another site",
    StatusCode::FORBIDDEN,
    "A browser asks for a page of another site. Such pages cannot change, follow or read anything here in the name \
     of their visitors, unless `allowed_origins` in `[http]` names their origin. Links may lead to the page at `/`.",
);
pub(super) const UNAUTHORIZED: ProblemKind = kind(
    "unauthorized",
    "No good key",
    StatusCode::UNAUTHORIZED,
    "The path needs a key, and the request has none that is good: it is absent, unknown, revoked or expired, or its ticket \
     was used or is older than a minute. Send `Authorization: Bearer KEY`; `tickweave keys create` makes a key.",
);
pub(super) const FORBIDDEN: ProblemKind = kind(
    "forbidden",
    "The key does not allow this",
    StatusCode::FORBIDDEN,
    "The key is good, but lacks the scope that the path needs, or is limited to some views, symbols or portfolios where the \
     request is about others. `detail` says which. Use another key.",
);
pub(super) const THROTTLED: ProblemKind = kind(
    "throttled",
    "Too much at a time",
    StatusCode::TOO_MANY_REQUESTS,
    "The key or the address has asked for more than its share: requests, bytes, or what it follows at a time. Ask again \
     after `Retry-After` seconds; `RateLimit` says what is left.",
);
pub(super) const INGEST_DISABLED: ProblemKind = kind(
    "inlet-closed",
    "Takes no rows",
    StatusCode::FORBIDDEN,
    "The process is configured to take no rows from clients. `ingest = true` in `[http]` allows them.",
);
pub(super) const INVALID_TRANSITION: ProblemKind = kind(
    "invalid-transition",
    "Not possible in this state",
    StatusCode::CONFLICT,
    "The process or the source is not in a state in which this can be asked for. `errors` says why, and in `allowed` what \
     can be; `GET /streaming/control` shows the state.",
);
pub(super) const IN_PROGRESS: ProblemKind = kind(
    "in-progress",
    "Being answered",
    StatusCode::CONFLICT,
    "A request with the same `Idempotency-Key` is being answered. Ask again shortly for its answer.",
);
pub(super) const KEY_REUSED: ProblemKind = kind(
    "idempotency-key-reused",
    "Key of another request",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The `Idempotency-Key` came with another body before. Each request needs a key of its own; only the very same \
     request may come again with the same key.",
);
pub(super) const ROWS_REFUSED: ProblemKind = kind(
    "rows-refused",
    "Rows refused",
    StatusCode::UNPROCESSABLE_ENTITY,
    "No row was taken: each is wrong, or with `atomic=true`, where all rows are taken or none, some are. `errors` names \
     them. Without `atomic` they are dead letters. Correct them and send all again.",
);
pub(super) const INVALID_RULE: ProblemKind = kind(
    "invalid-rule",
    "Rule refused",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The body is not a rule that this job can have: a part of it is wrong, or refers to a timeframe or an \
     indicator that the job does not compute, or there are too many rules. `detail` says what is possible.",
);
pub(super) const CONFIGURED_RULE: ProblemKind = kind(
    "configured-rule",
    "Rule of the configuration",
    StatusCode::CONFLICT,
    "The rule is one of the configuration, and only rules that were put at run time can be changed at run time. Change \
     the configuration and start the process again, or give your rule another name.",
);
pub(super) const UNKNOWN_ALERT: ProblemKind = kind(
    "unknown-alert",
    "Unknown alert",
    StatusCode::NOT_FOUND,
    "No rule of this name has raised an alert at that bar. `suggestions` names alerts of the same instrument and \
     timeframe, the newest first.",
);
pub(super) const ALERT_WITHDRAWN: ProblemKind = kind(
    "alert-withdrawn",
    "Alert withdrawn",
    StatusCode::CONFLICT,
    "The alert is withdrawn: a restatement has ended its cause, or its rule does not count any more. Only an alert \
     that is raised can be acknowledged.",
);
pub(super) const NOT_REACHED: ProblemKind = kind(
    "frontier-not-reached",
    "Not yet as new as that",
    StatusCode::TOO_EARLY,
    "The answer must be at least as new as `min_frontier`, and the views were not within `wait_ms`; or `as_of` names \
     what is still to come. Ask again, or wait longer.",
);
pub(super) const STALE: ProblemKind = kind(
    "stale",
    "Views are too old",
    StatusCode::SERVICE_UNAVAILABLE,
    "The newest commit that views show is older than `max_staleness` allows, and no newer one came within `wait_ms`: the \
     job stands still, recovers, or replays what is old. Ask again later, wait longer, or take older views.",
);
pub(super) const CURSOR_EXPIRED: ProblemKind = kind(
    "cursor-expired",
    "Cursor no longer kept",
    StatusCode::GONE,
    "What views were when the first page was read is kept for a minute after each page, and of few reads at a time. It is \
     not kept any more, so the pages that are left cannot be read. `restart` is the link of the first page of a new read.",
);
pub(super) const BUSY: ProblemKind = kind(
    "busy",
    "No room now",
    StatusCode::TOO_MANY_REQUESTS,
    "There is no room for these rows at the moment, and nothing of them was taken. Send them again after \
     `Retry-After` seconds.",
);
pub(super) const OVERLOADED: ProblemKind = kind(
    "overloaded",
    "Too many reads",
    StatusCode::SERVICE_UNAVAILABLE,
    "Others read so much that this read was not begun: as many wait as `limits.reads_waiting` allows, or none of \
     the `limits.reader_threads` was free for some seconds. Ask again after `Retry-After` seconds, for less if you can.",
);
pub(super) const MISDIRECTED: ProblemKind = kind(
    "misdirected",
    "Not this host",
    StatusCode::MISDIRECTED_REQUEST,
    "The header `Host` names a host that this process is not. Ask it under its address or `localhost`, or add the \
     name to `allowed_hosts` in `[http]`. A page of another site cannot ask it in the name of its visitor.",
);
pub(super) const INTERNAL: ProblemKind = kind(
    "internal",
    "Internal error",
    StatusCode::INTERNAL_SERVER_ERROR,
    "The process could not answer through a fault of its own. Its log says why; asking again hardly helps.",
);
pub(super) const UNAVAILABLE: ProblemKind = kind(
    "unavailable",
    "Not available now",
    StatusCode::SERVICE_UNAVAILABLE,
    "The process cannot answer at the moment: it is stopping, or its state is being restored. Ask again after \
     `Retry-After` seconds.",
);

/// All kinds of errors.
pub const KINDS: &[ProblemKind] = &[
    VALIDATION,
    AMBIGUOUS,
    TOO_MANY_BARS,
    UNKNOWN_SYMBOL,
    UNKNOWN_ROW,
    UNKNOWN_PATH,
    WRONG_METHOD,
    UPGRADE_REQUIRED,
    GONE,
    COMMIT_LOST,
    NOT_ACCEPTABLE,
    LENGTH_REQUIRED,
    TOO_LARGE,
    UNSUPPORTED,
    UNREADABLE,
    BODY_TIMEOUT,
    CROSS_SITE,
    UNAUTHORIZED,
    FORBIDDEN,
    THROTTLED,
    INGEST_DISABLED,
    INVALID_TRANSITION,
    IN_PROGRESS,
    KEY_REUSED,
    ROWS_REFUSED,
    INVALID_RULE,
    CONFIGURED_RULE,
    UNKNOWN_ALERT,
    ALERT_WITHDRAWN,
    NOT_REACHED,
    STALE,
    CURSOR_EXPIRED,
    BUSY,
    OVERLOADED,
    MISDIRECTED,
    INTERNAL,
    UNAVAILABLE,
];

/// The kinds of errors after which the same request may succeed later.
const RETRYABLE: &[ProblemKind] =
    &[IN_PROGRESS, NOT_REACHED, STALE, BUSY, THROTTLED, OVERLOADED, UNAVAILABLE];

/// An error of one part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FieldError {
    /// The place: `#/query/<parameter>`, `#/header/<name>`, or `#/body/<row>/<field>`.
    pub(super) pointer: String,
    /// The kind: `unknown`, `repeated`, `enum`, `range`, `format`, `order`; of rows, the reason of a dead letter.
    pub(super) code: &'static str,
    /// The description.
    pub(super) detail: String,
    /// The possible values, if they can be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) allowed: Vec<String>,
}

/// An error answer. Boxed, because it travels in results that are nearly always fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem(Box<Details>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    kind: ProblemKind,
    code: String,
    detail: String,
    errors: Vec<FieldError>,
    suggestions: Vec<String>,
    routes: Vec<String>,
    allow: Option<String>,
    retry_after_s: u64,
    restart: Option<String>,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Problem {
        Problem(Box::new(Details {
            kind,
            code: kind.name.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            suggestions: Vec::new(),
            routes: Vec::new(),
            allow: None,
            retry_after_s: 1,
            restart: None,
        }))
    }

    /// All errors of parameters; the code names the first.
    pub(super) fn invalid(errors: Vec<FieldError>) -> Problem {
        let texts: Vec<_> = errors.iter().map(|error| error.detail.as_str()).collect();
        let mut problem = Problem::new(VALIDATION, texts.join("; "));
        let first = errors.first().and_then(|f| f.pointer.strip_prefix("#/query/"));
        if let Some(first) = first {
            problem.0.code = format!("validation.{first}");
        }
        problem.0.errors = errors;
        problem
    }

    /// An error whose cause is only in the log.
    pub(super) fn internal() -> Problem {
        Problem::new(INTERNAL, "the request could not be answered; the log of the process says why")
    }

    /// Says of which of several views it is.
    pub(super) fn of_view(mut self, view: &str) -> Problem {
        self.0.detail = format!("of view `{view}`: {}", self.0.detail);
        self
    }

    /// Adds a part to what has happened.
    pub(super) fn and(mut self, more: &str) -> Problem {
        self.0.detail = format!("{}; {more}", self.0.detail);
        self
    }

    pub(super) fn errors(mut self, errors: Vec<FieldError>) -> Problem {
        self.0.errors = errors;
        self
    }

    pub(super) fn suggestions(mut self, suggestions: Vec<String>) -> Problem {
        self.0.suggestions = suggestions;
        self
    }

    pub(super) fn routes(mut self, routes: Vec<String>) -> Problem {
        self.0.routes = routes;
        self
    }

    /// The methods of the path, as in `GET, HEAD`.
    pub(super) fn allow(mut self, methods: String) -> Problem {
        self.0.allow = Some(methods);
        self
    }

    /// After how many seconds the same may be asked again, if it may.
    pub(super) fn retry_after(mut self, seconds: u64) -> Problem {
        self.0.retry_after_s = seconds;
        self
    }

    /// The link with which to begin anew.
    pub(super) fn restart(mut self, link: String) -> Problem {
        self.0.restart = Some(link);
        self
    }

    /// The HTTP answer to a request for the path `instance`.
    pub(super) fn response(&self, instance: Option<&str>) -> Response {
        let Problem(details) = self;
        let body = self.body(instance);
        let retryable = body.retryable;
        // Strings and numbers always become JSON.
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = Response::new(text.into());
        *response.status_mut() = details.kind.status;
        response.extensions_mut().insert(details.kind); // for the audit
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        if retryable {
            headers.insert(RETRY_AFTER, HeaderValue::from(details.retry_after_s));
        }
        if let Some(Ok(allow)) = details.allow.as_deref().map(HeaderValue::from_str) {
            headers.insert(ALLOW, allow);
        }
        response
    }

    /// The same object, for clients that do not use HTTP answers.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::to_value(self.body(None)).unwrap_or_default()
    }

    fn body<'a>(&'a self, instance: Option<&'a str>) -> Body<'a> {
        let Problem(details) = self;
        Body {
            kind: format!("/docs/problems/{}", details.kind.name),
            title: details.kind.title,
            status: details.kind.status.as_u16(),
            detail: &details.detail,
            instance,
            code: &details.code,
            retryable: RETRYABLE.contains(&details.kind),
            errors: &details.errors,
            suggestions: &details.suggestions,
            routes: &details.routes,
            restart: details.restart.as_deref(),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        match error {
            ReadError::Closed | ReadError::Restoring => {
                Problem::new(UNAVAILABLE, error.to_string())
            }
            ReadError::Full { .. } | ReadError::Waited { .. } => {
                Problem::new(OVERLOADED, error.to_string())
            }
            ReadError::Gone { .. } | ReadError::Compacted { .. } => {
                Problem::new(GONE, error.to_string())
            }
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    code: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    suggestions: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    routes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    restart: Option<&'a str>,
}
