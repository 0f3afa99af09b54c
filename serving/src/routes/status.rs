//! `GET /streaming/status` and `/api/streaming/status`: how the job is, in whole and in few fields.
//! `GET /api/streaming/metrics`: the numbers of `/metrics` as JSON.

use std::collections::BTreeMap;

use node_api::{Health, Readiness, Scope};
use serde::Serialize;
use serde_json::{Value, json};
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::format::{ACCEPT_JSON, Format};
use crate::metrics_json::{Families, Sample, families};
use crate::problem::Problem;
use crate::query::Query;
use crate::read_your_writes::age;

use super::health::{ComponentJson, components};
use super::metrics::rendered;
use super::{
    Endpoint, FrontierJson, READ, RequestParts, Route, RouteEntry, json, reads, respond, stamp,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[
        Endpoint {
            methods: READ,
            path: "/streaming/status",
            access: Access::Process(Scope::Read),
            doc: "the state of the job: frontier and its age, lag, latency, memory, views with their rows, sources, sinks, and \
                  counters of what was read, rejected, late, corrected and cancelled",
            parameters: &[ACCEPT_JSON],
        },
        Endpoint {
            methods: READ,
            path: "/api/streaming/status",
            access: Access::Process(Scope::Read),
            doc: "the state of the job in ten fields",
            parameters: &[ACCEPT_JSON],
        },
        Endpoint {
            methods: READ,
            path: "/api/streaming/metrics",
            access: Access::Process(Scope::Read),
            doc: "the numbers of `/metrics` as JSON, histograms as count, sum, p50, p90 and p99",
            parameters: &[ACCEPT_JSON],
        },
    ],
    route,
};

/// The counters of `/streaming/status`: their names there and in `/metrics`.
const COUNTERS: [(&str, &str); 9] = [
    ("records", "tickweave_records"),
    ("accepted", "tickweave_accepted"),
    ("corrections", "tickweave_corrections"),
    ("cancels", "tickweave_cancels"),
    ("duplicates", "tickweave_duplicates"),
    ("conflicts", "tickweave_conflicts"),
    ("too_late", "tickweave_late"),
    ("unmatched", "tickweave_unmatched"),
    ("dead_letters", "tickweave_dead_letters"),
];

#[derive(Clone, Copy)]
enum Question {
    Whole,
    Brief,
    Metrics,
}

#[derive(Serialize)]
struct StatusJson<'a> {
    state: &'static str,
    /// What it waits for, if it is not running.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    health: &'static str,
    version: &'static str,
    run: String,
    uptime_seconds: u64,
    frontier: FrontierJson,
    frontier_age_seconds: Option<f64>,
    /// How far the watermark of the slowest source is behind; none while unknown.
    watermark_lag_seconds: Option<f64>,
    /// From when a row came to when views show it.
    tick_to_view_seconds: BTreeMap<&'static str, f64>,
    /// What the process retains in memory, and its bound.
    retained_bytes: Option<u64>,
    retained_bytes_max: Option<u64>,
    /// What of the state the next start has.
    kept: &'static str,
    views: BTreeMap<&'static str, ViewStatus>,
    /// Of all sources together.
    counters: BTreeMap<&'static str, u64>,
    sources: Vec<ComponentJson<'a>>,
    sinks: Vec<ComponentJson<'a>>,
}

#[derive(Serialize)]
struct ViewStatus {
    kind: &'static str,
    rows: u64,
}

fn route(context: &Context) -> Route {
    let whole = warp::path!("streaming" / "status").map(|| Question::Whole);
    let brief = warp::path!("api" / "streaming" / "status").map(|| Question::Brief);
    let metrics = warp::path!("api" / "streaming" / "metrics").map(|| Question::Metrics);
    let context = context.clone();
    whole
        .or(brief)
        .unify()
        .or(metrics)
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
    Format::accepted(&request.headers, &[Format::Json])?;
    let frontier = context.reader.frontier();
    let text = rendered(context);
    let metrics = families(&text);
    let body = match question {
        Question::Metrics => json!({
            "run": context.run.to_string(),
            "frontier": FrontierJson::of(context.run, frontier),
            "uptime_seconds": context.started.elapsed().as_secs(),
            "metrics": metrics,
        }),
        Question::Whole | Question::Brief => {
            let health = (context.health)();
            let whole = whole(context, &health, &metrics);
            match question {
                Question::Brief => brief(&whole, &health),
                _ => serde_json::to_value(whole).map_err(|_| Problem::internal())?,
            }
        }
    };
    let mut response = json(StatusCode::OK, "application/json", &body)?;
    stamp(&mut response, frontier);
    Ok(response)
}

/// Whether nothing is taken of any source, since somebody has asked for that.
fn is_paused(context: &Context) -> bool {
    let sources = context.control.sources();
    !sources.is_empty() && sources.iter().all(|source| context.control.is_paused(source))
}

fn whole<'a>(context: &Context, health: &'a Health, metrics: &Families<'_>) -> StatusJson<'a> {
    let frontier = context.reader.frontier();
    let (state, detail) = match &health.readiness {
        _ if *context.closing.borrow() => ("stopping", None),
        Readiness::Ready if is_paused(context) => ("paused", None),
        Readiness::Ready => ("running", None),
        Readiness::NotYet(why) => ("not_ready", Some(why.as_str())),
    };
    let views = context.views.views.iter().map(|view| {
        let rows = context.reader.count(view);
        (view.name, ViewStatus { kind: view.kind.name(), rows })
    });
    let (sources, sinks) = components(health);
    let samples = |family: &str| metrics.get(family).map_or(&[][..], |family| &family.samples);
    let counters = COUNTERS.iter().map(|(name, family)| {
        (*name, samples(family).iter().filter_map(Sample::count).sum::<u64>())
    });
    let lags = samples("tickweave_watermark_lag_seconds").iter().filter_map(Sample::value);
    let latency =
        samples("tickweave_tick_to_view_seconds").iter().flat_map(Sample::quantile_values);
    let bytes = |family| samples(family).first().and_then(Sample::count);
    StatusJson {
        state,
        detail,
        health: health.status().name(),
        version: context.version,
        run: context.run.to_string(),
        uptime_seconds: context.started.elapsed().as_secs(),
        frontier: FrontierJson::of(context.run, frontier),
        frontier_age_seconds: age(frontier).map(|age| age.as_secs_f64()),
        watermark_lag_seconds: lags.max_by(f64::total_cmp),
        tick_to_view_seconds: latency.filter_map(|(name, at)| Some((name, at.as_f64()?))).collect(),
        retained_bytes: bytes("tickweave_state_bytes"),
        retained_bytes_max: bytes("tickweave_state_limit_bytes"),
        kept: context.keeping.name(),
        views: views.collect(),
        counters: counters.collect(),
        sources,
        sinks,
    }
}

/// The ten fields that a simple client asks for.
fn brief(whole: &StatusJson<'_>, health: &Health) -> Value {
    let sources = health.sources.iter();
    let disconnected = sources.filter(|source| source.state == "disconnected").count();
    json!({
        "state": whole.state,
        "health": whole.health,
        "version": whole.version,
        "run": whole.run,
        "uptime_seconds": whole.uptime_seconds,
        "commit": whole.frontier.commit,
        "frontier": whole.frontier.at,
        "frontier_age_seconds": whole.frontier_age_seconds,
        "sources": health.sources.len(),
        "sources_disconnected": disconnected,
    })
}
