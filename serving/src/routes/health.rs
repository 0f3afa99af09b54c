//! `GET /health` and `/streaming/health`, `/health/live`, `/health/ready`: for people, for supervisors, for load balancers.

use node_api::{Check, Component, Health, Readiness, Scope, Status};
use serde::Serialize;
use std::collections::BTreeMap;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::problem::Problem;
use crate::query::Query;

use super::{Endpoint, READ, RequestParts, Route, RouteEntry, json, reads, respond};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[
        Endpoint {
            methods: READ,
            path: "/health",
            access: Access::Process(Scope::Read),
            doc: "pass, warn or fail, with every check; `sources` and `sinks` have an entry each: name, kind, state, since when, last error; 503 if any check fails",
            parameters: &[],
        },
        Endpoint {
            methods: READ,
            path: "/streaming/health",
            access: Access::Process(Scope::Read),
            doc: "the same as `/health`",
            parameters: &[],
        },
        Endpoint {
            methods: READ,
            path: "/health/live",
            access: Access::Open,
            doc: "200 as long as the process answers",
            parameters: &[],
        },
        Endpoint {
            methods: READ,
            path: "/health/ready",
            access: Access::Open,
            doc: "200 when answers are worth asking for; 503 while recovering or failed",
            parameters: &[],
        },
    ],
    route,
};

#[derive(Serialize)]
struct HealthJson<'a> {
    status: &'static str,
    version: &'a str,
    run: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<&'a str, [CheckJson<'a>; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<ComponentJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sinks: Vec<ComponentJson<'a>>,
}

/// What clients are told that may not know more.
#[derive(Serialize)]
struct StatusJson {
    status: &'static str,
}

/// A source, or a view that is delivered to a sink.
#[derive(Serialize)]
pub(super) struct ComponentJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'a str>,
    kind: &'a str,
    state: &'a str,
    since: String,
    last_error: Option<&'a str>,
}

/// An element of `checks`; the media type has lists, for components with several instances.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckJson<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    output: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'a str>,
}

#[derive(Clone, Copy)]
enum Question {
    Whole,
    Live,
    Ready,
}

fn route(context: &Context) -> Route {
    let whole = warp::path!("health").or(warp::path!("streaming" / "health")).unify();
    let whole = whole.map(|| Question::Whole);
    let live = warp::path!("health" / "live").map(|| Question::Live);
    let ready = warp::path!("health" / "ready").map(|| Question::Ready);
    let context = context.clone();
    whole
        .or(live)
        .unify()
        .or(ready)
        .unify()
        .and(reads())
        .then(move |question, request: RequestParts| {
            let answer = answer(&context, question, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(
    context: &Context,
    question: Question,
    request: &RequestParts,
) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    if let Question::Live = question {
        return health_response(context, &Health::default(), Status::Pass, None);
    }
    let health = (context.health)();
    let waiting = match (question, &health.readiness) {
        (Question::Ready, Readiness::NotYet(why)) => Some(why.as_str()),
        _ => None,
    };
    // Whether to ask is another question than whether all is well: a sink that failed harms no answer.
    let status = match (question, waiting) {
        (_, Some(_)) => Status::Fail,
        (Question::Ready, None) => health.status().min(Status::Warn),
        _ => health.status(),
    };
    health_response(context, &health, status, waiting)
}

fn health_response(
    context: &Context,
    health: &Health,
    status: Status,
    output: Option<&str>,
) -> Result<Response, Problem> {
    let code = match status {
        Status::Pass | Status::Warn => StatusCode::OK,
        Status::Fail => StatusCode::SERVICE_UNAVAILABLE,
    };
    if !context.client.sees_process() {
        return json(code, "application/health+json", &StatusJson { status: status.name() });
    }
    let checks = health.checks.iter().map(|(name, check)| (name.as_str(), [check_json(check)]));
    let (sources, sinks) = components(health);
    let body = HealthJson {
        status: status.name(),
        version: context.version,
        run: context.run.to_string(),
        output,
        checks: checks.collect(),
        sources,
        sinks,
    };
    json(code, "application/health+json", &body)
}

/// Each source, and each view that is delivered to a sink.
pub(super) fn components(health: &Health) -> (Vec<ComponentJson<'_>>, Vec<ComponentJson<'_>>) {
    let sources = health.sources.iter().map(component_json).collect();
    (sources, health.sinks.iter().map(component_json).collect())
}

fn component_json(component: &Component) -> ComponentJson<'_> {
    let Component { name, view, kind, state, since, last_error } = component;
    ComponentJson {
        name,
        view: *view,
        kind,
        state,
        since: since.rfc3339(),
        last_error: last_error.as_deref(),
    }
}

fn check_json(check: &Check) -> CheckJson<'_> {
    let observed = check.observed.filter(|(value, _)| value.is_finite());
    CheckJson {
        status: check.status.name(),
        output: &check.output,
        observed_value: observed.map(|(value, _)| value),
        observed_unit: observed.map(|(_, unit)| unit),
    }
}
