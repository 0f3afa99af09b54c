//! `GET /metrics`: metrics of the process for a scraper.

use node_api::Scope;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::format::{accept, preferred};
use crate::parameter::RouteParameter;
use crate::problem::Problem;
use crate::prometheus_text;
use crate::query::Query;

use super::{Endpoint, READ, RequestParts, Route, RouteEntry, reads, respond, text};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/metrics",
        access: Access::Process(Scope::Read),
        doc: "the numbers of the process: OpenMetrics text, or the older text of Prometheus if `Accept` prefers that",
        parameters: &[ACCEPT],
    }],
    route,
};

const OPEN_METRICS: &str = "application/openmetrics-text";
const PLAIN: &str = "text/plain";
const ACCEPT: RouteParameter = accept(&[OPEN_METRICS, PLAIN]);

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("metrics")
        .and(reads())
        .then(move |request: RequestParts| {
            let answer = answer(&context, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    // Scrapers may be configured with parameters of their own; here they are an error.
    Query::new(&request.query, &[]).finish()?;
    let is_plain = preferred(&request.headers, &[(false, OPEN_METRICS), (true, PLAIN)])?;
    let open_metrics = rendered(context);
    Ok(match is_plain {
        false => text(StatusCode::OK, context.metrics.content_type(), open_metrics),
        true => text(
            StatusCode::OK,
            prometheus_text::CONTENT_TYPE,
            prometheus_text::of_open_metrics(&open_metrics),
        ),
    })
}

/// All metrics as OpenMetrics text, with the present number of rows of each view.
pub(super) fn rendered(context: &Context) -> String {
    for view in context.views.views {
        let rows = context.reader.count(view);
        context.metrics.set_view_rows(view.name, rows);
    }
    context.metrics.render()
}
