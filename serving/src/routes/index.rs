//! `GET /`: the index; for browsers the page.

use serde::Serialize;
use warp::Filter;
use warp::http::header::VARY;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use crate::Context;
use crate::format::preferred;
use crate::problem::Problem;
use crate::query::{Known, Query};

use super::page::page;
use super::{Endpoint, READ, ROUTES, RequestParts, Route, RouteEntry, json, reads, respond, set};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/",
        doc: "this index: version, uptime and links; the page for browsers; ?format=html|json",
    }],
    route,
};

const PARAMETERS: Known = &[&["format"]];

/// The format of the answer. Clients that accept anything, as `curl` does, get the first.
#[derive(Clone, Copy)]
enum Form {
    Index,
    Page,
}

#[derive(Serialize)]
struct Index {
    name: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    methods: Vec<&'static str>,
    path: &'static str,
    doc: &'static str,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path::end()
        .and(reads())
        .then(move |request: RequestParts| {
            let answer = answer(&context, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    let mut query = Query::new(&request.query, PARAMETERS);
    let form = query.word("format", &[("json", Form::Index), ("html", Form::Page)]);
    query.finish()?;
    let forms = [(Form::Index, "application/json"), (Form::Page, "text/html")];
    let mut response = match form.map_or_else(|| preferred(&request.headers, &forms), Ok)? {
        Form::Index => json(StatusCode::OK, "application/json", &index(context))?,
        Form::Page => page(request),
    };
    set(&mut response, VARY, "accept");
    Ok(response)
}

fn index(context: &Context) -> Index {
    let endpoints = ROUTES.iter().flat_map(|entry| entry.endpoints);
    Index {
        name: "tickweave",
        version: context.version,
        uptime_seconds: context.started.elapsed().as_secs(),
        links: endpoints
            .map(|endpoint| Link {
                methods: endpoint.methods.iter().map(Method::as_str).collect(),
                path: endpoint.path,
                doc: endpoint.doc,
            })
            .collect(),
    }
}
