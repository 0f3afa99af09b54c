//! `/v1/rules`: the rules of the job. `PUT` and `DELETE` change those that the configuration does not have.

use node_api::ingest::Keeping;
use node_api::{ListedRule, PutOutcome, PutRule, RuleError, RuleOrigin, Scope};
use serde_json::{Value, json};
use warp::Filter;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use crate::client::Access;
use crate::parameter::{ParameterType, RouteParameter};
use crate::problem::{
    BUSY, CONFIGURED_RULE, FieldError, INVALID_RULE, Problem, UNAUTHORIZED, UNAVAILABLE,
    UNKNOWN_PATH,
};
use crate::query::{Query, shown};
use crate::symbol::percent_decoded;
use crate::{Context, body};
use rows::suggestions::closest;

use super::{
    Endpoint, READ, RequestParts, Route, RouteEntry, json as answer_json, reads, request_parts,
    respond,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[
        Endpoint {
            methods: READ,
            path: "/v1/rules",
            access: Access::Process(Scope::Read),
            doc: "all rules, and where each comes from",
            parameters: &[],
        },
        Endpoint {
            methods: READ,
            path: "/v1/rules/{name}",
            access: Access::Process(Scope::Read),
            doc: "a rule, and where it comes from",
            parameters: &[NAME],
        },
        Endpoint {
            methods: &[Method::PUT],
            path: "/v1/rules/{name}",
            access: Access::Process(Scope::Control),
            doc: "puts a rule, or replaces one that was put: 201 or 200 with the commit from which on it counts",
            parameters: PUT,
        },
        Endpoint {
            methods: &[Method::DELETE],
            path: "/v1/rules/{name}",
            access: Access::Process(Scope::Control),
            doc: "deletes a rule that was put: its alerts are withdrawn",
            parameters: &[NAME],
        },
    ],
    route,
};

const NAME: RouteParameter =
    RouteParameter::path("name", ParameterType::Text, "the name of a rule, percent-encoded");
const PUT: &[RouteParameter] = &[
    NAME,
    body::JSON_CONTENT,
    RouteParameter::body(
        "rule",
        ParameterType::JsonObject,
        "the rule as a `[[rule]]` of the configuration has it, as JSON: at most 16,384 bytes",
    ),
];
/// The most bytes of a rule.
const RULE_BYTES: usize = 16_384;

fn route(context: &Context) -> Route {
    let (all, one) = (context.clone(), context.clone());
    let (put, deleted) = (context.clone(), context.clone());
    let list = warp::path!("v1" / "rules").and(reads()).then(move |request: RequestParts| {
        let answer = list(&all, &request);
        respond(request.path, async { answer })
    });
    let show = warp::path!("v1" / "rules" / String).and(reads()).then(
        move |name: String, request: RequestParts| {
            let answer = show(&one, &name, &request);
            respond(request.path, async { answer })
        },
    );
    let put = warp::path!("v1" / "rules" / String)
        .and(warp::put())
        .and(request_parts())
        .and(warp::body::stream())
        .then(move |name: String, request: RequestParts, body| {
            let context = put.clone();
            async move {
                let path = request.path.clone();
                respond(path, replace(context, name, request, body)).await
            }
        });
    let delete = warp::path!("v1" / "rules" / String)
        .and(warp::delete())
        .and(request_parts())
        .then(move |name: String, request: RequestParts| {
            let context = deleted.clone();
            async move {
                let path = request.path.clone();
                respond(path, delete(context, name, request)).await
            }
        });
    list.or(show).unify().or(put).unify().or(delete).unify().boxed()
}

fn list(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    let rules = context.rules.rules();
    let rules = rules.iter().map(|rule| rule_json(context, rule));
    let body = json!({ "rules": rules.collect::<Result<Vec<_>, _>>()? });
    answer_json(StatusCode::OK, "application/json", &body)
}

fn show(context: &Context, name: &str, request: &RequestParts) -> Result<Response, Problem> {
    Query::new(&request.query, &[NAME]).finish()?;
    let name = decoded(name)?;
    let rules = context.rules.rules();
    match rules.iter().find(|rule| rule.name == name) {
        Some(rule) => answer_json(StatusCode::OK, "application/json", &rule_json(context, rule)?),
        None => {
            let known = rules.into_iter().map(|rule| rule.name).collect();
            Err(problem(RuleError::Unknown { name, known }))
        }
    }
}

async fn replace(
    context: Context,
    name: String,
    request: RequestParts,
    body: impl body::Chunks,
) -> Result<Response, Problem> {
    Query::new(&request.query, PUT).finish()?;
    let name = decoded(&name)?;
    let rule = body::read_json(&request.headers, body, RULE_BYTES, &context).await?;
    let by = holder(&context)?;
    // A task of its own: what a client has asked for is done, also if it does not wait.
    let asking = tokio::spawn(async move {
        let put = context.rules.put(name, rule, by).await.map_err(problem)?;
        let PutRule { outcome, rule } = put;
        let mut body = rule_json(&context, &rule)?;
        body["has_changed"] = (outcome != PutOutcome::Unchanged).into();
        let status = match outcome {
            PutOutcome::Created => StatusCode::CREATED,
            PutOutcome::Replaced | PutOutcome::Unchanged => StatusCode::OK,
        };
        answer_json(status, "application/json", &body)
    });
    asking.await.map_err(|_| Problem::internal())?
}

async fn delete(
    context: Context,
    name: String,
    request: RequestParts,
) -> Result<Response, Problem> {
    Query::new(&request.query, &[NAME]).finish()?;
    let name = decoded(&name)?;
    let by = holder(&context)?;
    let asking = tokio::spawn(async move {
        let commit = context.rules.delete(name.clone(), by).await.map_err(problem)?;
        let body = json!({ "name": name, "deleted_commit": commit.0 });
        answer_json(StatusCode::OK, "application/json", &body)
    });
    asking.await.map_err(|_| Problem::internal())?
}

/// The name of the key of a client; empty where there are no keys.
pub(super) fn holder(context: &Context) -> Result<String, Problem> {
    if context.client.has_ended() {
        return Err(Problem::new(UNAUTHORIZED, "the key has ended while the body was read"));
    }
    Ok(context.client.key().map(|key| key.name.clone()).unwrap_or_default())
}

fn decoded(segment: &str) -> Result<String, Problem> {
    percent_decoded(segment).ok_or_else(|| {
        let detail = format!("`{}` is not percent-encoded UTF-8", shown(segment));
        Problem::new(UNKNOWN_PATH, detail)
    })
}

/// A rule as it is shown.
fn rule_json(context: &Context, rule: &ListedRule) -> Result<Value, Problem> {
    let ListedRule { name, rule, origin, problem } = rule;
    let written: Value = serde_json::from_str(rule).map_err(|error| {
        tracing::error!(%error, "the rule `{name}` could not be shown");
        Problem::internal()
    })?;
    let mut shown = json!({ "name": name, "rule": written });
    match origin {
        RuleOrigin::Configuration => shown["origin"] = "configuration".into(),
        RuleOrigin::RunTime { since, at, by } => {
            shown["origin"] = "run time".into();
            shown["since_commit"] = since.0.into();
            shown["put_at"] = at.rfc3339().into();
            shown["put_by"] = if by.is_empty() { Value::Null } else { by.as_str().into() };
            shown["kept"] = (context.keeping != Keeping::Nothing).into();
        }
    }
    shown["counts"] = problem.is_none().into();
    if let Some(problem) = problem {
        shown["problem"] = problem.as_str().into();
    }
    Ok(shown)
}

/// Why a rule was not changed.
pub(super) fn problem(error: RuleError) -> Problem {
    let detail = error.to_string();
    match error {
        RuleError::Unknown { name, known } => {
            let near = closest(known.iter().map(String::as_str), &name);
            let detail = format!("{detail} (known: {})", known.join(", "));
            Problem::new(UNKNOWN_PATH, detail).suggestions(near)
        }
        RuleError::Configured(_) => Problem::new(CONFIGURED_RULE, detail),
        RuleError::Invalid(_) | RuleError::Full { .. } | RuleError::Refused(_) => {
            let (pointer, allowed) = ("#/body".to_owned(), Vec::new());
            let error = FieldError { pointer, code: "rule", detail: detail.clone(), allowed };
            Problem::new(INVALID_RULE, detail).errors(vec![error])
        }
        RuleError::NoBars => Problem::new(INVALID_RULE, detail),
        RuleError::Busy => Problem::new(BUSY, detail),
        RuleError::Closed | RuleError::Late { .. } => Problem::new(UNAVAILABLE, detail),
    }
}
