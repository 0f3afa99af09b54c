//! `GET /metrics`: metrics of the process for a scraper.

use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::problem::Problem;
use crate::query::Query;

use super::{Endpoint, READ, RequestParts, Route, RouteEntry, reads, respond, text};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/metrics",
        doc: "the numbers of the process in OpenMetrics text",
        parameters: &[],
    }],
    route,
};

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
    for view in context.views.views {
        let rows = context.reader.count(view);
        context.metrics.set_view_rows(view.name, rows);
    }
    Ok(text(StatusCode::OK, context.metrics.content_type(), context.metrics.render()))
}
