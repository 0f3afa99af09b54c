//! `GET /v1/views`: all views, with the meaning of their columns.

use serde::Serialize;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::format::Format;
use crate::problem::Problem;
use crate::query::Query;

use super::{
    Endpoint, FrontierJson, READ, RequestParts, Route, RouteEntry, json, reads, respond, stamp,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/views",
        doc: "the views with their columns and number of rows",
        parameters: &[super::ACCEPT_JSON],
    }],
    route,
};

#[derive(Serialize)]
struct ViewsJson {
    frontier: FrontierJson,
    views: Vec<ViewJson>,
}

#[derive(Serialize)]
struct ViewJson {
    name: &'static str,
    kind: &'static str,
    doc: &'static str,
    rows: u64,
    key: Vec<&'static str>,
    columns: Vec<ColumnJson>,
}

#[derive(Serialize)]
struct ColumnJson {
    name: &'static str,
    doc: &'static str,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "views")
        .and(reads())
        .then(move |request: RequestParts| {
            let answer = answer(&context, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    Format::accepted(&request.headers, &[Format::Json])?;
    let frontier = context.reader.frontier();
    let views = context.views.views.iter().map(|view| {
        let columns = view.columns.iter();
        ViewJson {
            name: view.name,
            kind: view.kind.name(),
            doc: view.doc,
            rows: context.reader.count(view),
            key: columns.clone().filter(|c| c.key).map(|c| c.name).collect(),
            columns: columns
                .map(|column| ColumnJson { name: column.name, doc: column.doc })
                .collect(),
        }
    });
    let body = ViewsJson { frontier: frontier.into(), views: views.collect() };
    let mut response = json(StatusCode::OK, "application/json", &body)?;
    stamp(&mut response, frontier);
    Ok(response)
}
