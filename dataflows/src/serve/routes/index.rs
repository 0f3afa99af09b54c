//! `GET /`: what there is.

use serde::Serialize;
use warp::Filter;
use warp::http::{Method, StatusCode};

use crate::serve::Context;
use crate::serve::problem::Problem;
use crate::serve::query::Query;

use super::{Asked, Endpoint, Entry, READ, ROUTES, Route, answered, json, reads};

pub(super) const ENTRY: Entry = Entry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/",
        doc: "this index: version, uptime and links",
    }],
    route,
};

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
        .then(move |asked: Asked| {
            let index = index(&context, &asked);
            answered(asked.path, async { json(StatusCode::OK, "application/json", &index?) })
        })
        .boxed()
}

fn index(context: &Context, asked: &Asked) -> Result<Index, Problem> {
    Query::new(&asked.query, &[]).finish()?;
    let endpoints = ROUTES.iter().flat_map(|entry| entry.endpoints);
    Ok(Index {
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
    })
}
