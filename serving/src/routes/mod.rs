//! The routes: one file each, and the list of them.
//!
//! To add a route: a file with a [`RouteEntry`], and a line in [`ROUTES`]. Its endpoints declare their parameters. The
//! index, the answers to unknown paths and wrong methods, and the tables of `docs/http.md` follow from the list.

mod acknowledge;
mod candles;
mod changes;
mod control;
mod data;
mod description;
mod drain;
mod events;
mod explain;
mod frame;
mod health;
mod index;
mod indicators;
mod latest;
mod metrics;
mod page;
mod permit;
mod problems;
mod process;
mod rules;
mod site;
mod socket;
mod status;
mod stream;
mod symbols;
mod tickets;
mod view;
mod views;

use std::future::Future;

use market::Timeframe;
use serde::Serialize;
use warp::filters::BoxedFilter;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LINK};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::reject::{LengthRequired, PayloadTooLarge, UnsupportedMediaType};
use warp::reply::Response;
use warp::{Filter, Rejection};

use rows::Frontier;

use super::Context;
use super::client::Access;
use super::format::ACCEPT_JSON;
use super::frontier_json::FrontierJson;
use super::parameter::{CountParameter, CountRange, ParameterType, RouteParameter};
use super::problem::{
    LENGTH_REQUIRED, Problem, TOO_LARGE, UNKNOWN_PATH, UNSUPPORTED, WRONG_METHOD,
};
use super::query::shown;
use node_api::Scope;
use rows::suggestions::closest;

pub(super) use permit::Authenticated;

/// A route: answers requests of its path and method, and rejects all others.
pub type Route = BoxedFilter<(Response,)>;

/// A path with its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its methods.
    pub methods: &'static [Method],
    /// Its path, in which `{name}` stands for one segment.
    pub path: &'static str,
    /// What it asks of a client, where there are keys.
    pub access: Access,
    /// A description of the answer.
    pub doc: &'static str,
    /// All parameters. A request with any other parameter in the query is refused, except by `/ws`.
    pub parameters: &'static [RouteParameter],
}

/// One file of routes.
#[derive(Clone, Copy, Debug)]
pub struct RouteEntry {
    /// The endpoints that [`RouteEntry::route`] answers.
    pub endpoints: &'static [Endpoint],
    /// Makes the route.
    pub route: fn(&Context) -> Route,
}

/// All routes.
pub const ROUTES: &[RouteEntry] = &[
    index::ENTRY,
    page::ENTRY,
    health::ENTRY,
    metrics::ENTRY,
    views::ENTRY,
    symbols::ENTRY,
    view::ENTRY,
    changes::ENTRY,
    latest::ENTRY,
    candles::ENTRY,
    indicators::ENTRY,
    data::ENTRY,
    events::ENTRY,
    explain::ENTRY,
    status::ENTRY,
    description::ENTRY,
    problems::ENTRY,
    stream::ENTRY,
    socket::ENTRY,
    process::ENTRY,
    control::ENTRY,
    drain::ENTRY,
    rules::ENTRY,
    acknowledge::ENTRY,
    tickets::ENTRY,
];

/// What paths with rows ask of a client.
const ROWS: Access = Access::Rows(Scope::Read);
/// Which routes a listener has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteSet {
    /// All.
    #[default]
    All,
    /// What supervisors and scrapers ask: health and metrics.
    Management,
}

impl RouteSet {
    /// Its routes.
    fn entries(self) -> &'static [RouteEntry] {
        match self {
            RouteSet::All => ROUTES,
            RouteSet::Management => MANAGEMENT,
        }
    }

    fn endpoints(self) -> impl Iterator<Item = &'static Endpoint> {
        self.entries().iter().flat_map(|entry| entry.endpoints)
    }
}

const MANAGEMENT: &[RouteEntry] = &[health::ENTRY, metrics::ENTRY];

/// The methods of a read-only path.
const READ: &[Method] = &[Method::GET, Method::HEAD];

/// The most rows of an answer.
const LIMIT: CountParameter = CountParameter::count(
    "limit",
    CountRange { least: 1, most: 10_000, default: 500 },
    "the most rows: of all that are asked for the newest by `open_time`, or of a log by commit; with `from` the earliest \
     after it; of a view without either the last in the order of its key",
);
/// The instrument of a path.
const SYMBOL: RouteParameter = RouteParameter::path(
    "symbol",
    ParameterType::Symbol,
    "`venue:SYMBOL`, or the symbol alone if one venue has it",
);
/// The timeframe of bars.
const TIMEFRAME: RouteParameter =
    RouteParameter::query("timeframe", ParameterType::Timeframe, "the timeframe of the bars")
        .or(&["tf"]);

/// The default timeframe of an answer.
fn smallest(context: &Context) -> Timeframe {
    context.timeframes.iter().min().copied().unwrap_or(Timeframe::MINUTE)
}

/// All routes together; answers every request.
pub(super) fn app(context: &Context) -> Route {
    let set = context.routes;
    let unknown = warp::method()
        .and(warp::path::full())
        .map(move |method: Method, path: warp::path::FullPath| {
            not_routed(set, &method, path.as_str()).response(Some(path.as_str()))
        })
        .boxed();
    let routes = set.entries().iter().map(|entry| (entry.route)(context));
    let all = match routes.reduce(|all, route| all.or(route).unify().boxed()) {
        Some(all) => all.recover(reject_body).unify().or(unknown).unify().boxed(),
        None => unknown,
    };
    site::guarded(permit::permitted(all, context), &context.access)
}

/// Why no route has answered a request: its path is unknown, or its method.
fn not_routed(set: RouteSet, method: &Method, path: &str) -> Problem {
    let endpoints = || set.endpoints();
    let mut methods: Vec<&str> = endpoints()
        .filter(|endpoint| fits(endpoint.path, path))
        .flat_map(|endpoint| endpoint.methods.iter().map(Method::as_str))
        .collect();
    methods.sort_unstable();
    methods.dedup();
    if methods.is_empty() {
        let detail = format!("nothing is at `{}`", shown(path));
        let routes = endpoints().map(|endpoint| {
            let methods: Vec<_> = endpoint.methods.iter().map(Method::as_str).collect();
            format!("{} {}", methods.join("|"), endpoint.path)
        });
        let paths = endpoints().map(|endpoint| endpoint.path);
        return Problem::new(UNKNOWN_PATH, detail)
            .suggestions(closest(paths.filter(|path| *path != "/"), path))
            .routes(routes.collect());
    }
    let allow = methods.join(", ");
    let detail = format!("`{}` has no method {method} (possible: {allow})", shown(path));
    Problem::new(WRONG_METHOD, detail).allow(allow)
}

/// Whether a request changes how the process runs, or is to.
pub(super) fn controls(method: &Method, path: &str) -> bool {
    RouteSet::All.endpoints().any(|endpoint| {
        let is_control = matches!(
            endpoint.access,
            Access::Process(Scope::Control | Scope::Admin) | Access::Rows(Scope::Control)
        );
        is_control
            && !READ.contains(method)
            && endpoint.methods.contains(method)
            && fits(endpoint.path, path)
    })
}

/// Whether a path matches a template.
fn fits(template: &str, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let template = template.strip_suffix('/').unwrap_or(template);
    let mut segments = path.split('/');
    template.split('/').all(|part| match segments.next() {
        Some(segment) if part.starts_with('{') => !segment.is_empty(),
        segment => segment == Some(part),
    }) && segments.next().is_none()
}

/// Answers rejections of a body by filters; passes on all other rejections.
async fn reject_body(rejection: Rejection) -> Result<Response, Rejection> {
    let problem = if rejection.find::<PayloadTooLarge>().is_some() {
        Problem::new(TOO_LARGE, "the body is larger than this path takes")
    } else if rejection.find::<LengthRequired>().is_some() {
        Problem::new(LENGTH_REQUIRED, "the body's length must be given in `Content-Length`")
    } else if rejection.find::<UnsupportedMediaType>().is_some() {
        Problem::new(UNSUPPORTED, "the body's `Content-Type` is not one that this path reads")
    } else {
        return Err(rejection);
    };
    Ok(problem.response(None))
}

/// The parts of a request that handlers use.
struct RequestParts {
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
}

/// Accepts `GET` and `HEAD`, and extracts the parts of the request. (The server leaves out the body of an answer to
/// `HEAD`.)
fn reads() -> impl Filter<Extract = (RequestParts,), Error = Rejection> + Clone {
    warp::get().or(warp::head()).unify().and(request_parts())
}

/// Extracts the parts of a request.
fn request_parts() -> impl Filter<Extract = (RequestParts,), Error = Rejection> + Clone {
    let query = warp::query::<Vec<(String, String)>>();
    warp::path::full().and(query).and(warp::header::headers_cloned()).map(
        |path: warp::path::FullPath, query, headers| RequestParts {
            path: path.as_str().to_owned(),
            query,
            headers,
        },
    )
}

/// The answer of a handler, or its problem as an answer.
async fn respond(
    path: String,
    answer: impl Future<Output = Result<Response, Problem>>,
) -> Response {
    match answer.await {
        Ok(response) => response,
        Err(problem) => problem.response(Some(&path)),
    }
}

/// An answer that no cache keeps.
fn text(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

fn json(
    status: StatusCode,
    content_type: &'static str,
    body: &impl Serialize,
) -> Result<Response, Problem> {
    match serde_json::to_string(body) {
        Ok(body) => Ok(text(status, content_type, body)),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            Err(Problem::internal())
        }
    }
}

/// Sets a header; invalid values are left out.
fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Tells proxies to pass on what comes at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const X_COMMIT: HeaderName = HeaderName::from_static("x-commit");
const X_FRONTIER: HeaderName = HeaderName::from_static("x-frontier");

/// Stamps an answer with its frontier: `X-Commit` and `X-Frontier`, which are absent before the first commit.
fn stamp(response: &mut Response, frontier: Frontier) {
    if let Some(commit) = frontier.commit {
        set(response, X_COMMIT, &commit.0.to_string());
        set(response, X_FRONTIER, &frontier.at.rfc3339());
    }
}

/// The date of the deprecation, 2026-11-29, as RFC 9745 writes it.
const DEPRECATED_SINCE: &str = "@1795910400";
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");

/// Watermarks the answer to a request by a former name: `Deprecation` (RFC 9745), and a `Link` to the present name.
fn deprecate(response: &mut Response, successor: &str) {
    set(response, DEPRECATION, DEPRECATED_SINCE);
    set(response, LINK, &format!("<{successor}>; rel=\"successor-version\""));
}
