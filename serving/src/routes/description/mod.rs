//! `GET /openapi.json`, `GET /asyncapi.json`, and `GET /docs`: the interface for programs, and for people who try it.
//!
//! The documents follow from what requests are checked by (`ROUTES` and their parameters) and from what rows are written
//! by (the columns of views), so they cannot say anything else. A library that derives such documents from types would
//! have every parameter declared a second time.

mod messages;
mod operations;
mod schemas;

use serde_json::Value;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::problem::Problem;
use crate::query::Query;

use super::page::docs_page;
use super::{Endpoint, READ, ROUTES, RequestParts, Route, RouteEntry, json, reads, respond};
use messages::asyncapi;
use operations::openapi;

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[
        Endpoint {
            methods: READ,
            path: "/openapi.json",
            access: Access::Key,
            doc: "all paths with their parameters and answers, as OpenAPI 3.1",
            parameters: &[],
        },
        Endpoint {
            methods: READ,
            path: "/asyncapi.json",
            access: Access::Key,
            doc: "the messages of subscriptions, as AsyncAPI 3.0",
            parameters: &[],
        },
        Endpoint {
            methods: READ,
            path: "/docs",
            access: Access::Key,
            doc: "the same for people: every path, to read and to try",
            parameters: &[],
        },
    ],
    route,
};

#[derive(Clone, Copy)]
enum Document {
    OpenApi,
    AsyncApi,
    Page,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    let document = warp::path!("openapi.json").map(|| Document::OpenApi);
    let document = document.or(warp::path!("asyncapi.json").map(|| Document::AsyncApi)).unify();
    let document = document.or(warp::path!("docs").map(|| Document::Page)).unify();
    document
        .and(reads())
        .then(move |document: Document, request: RequestParts| {
            let answer = answer(&context, document, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(
    context: &Context,
    document: Document,
    request: &RequestParts,
) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    let json = |document: &Value| json(StatusCode::OK, "application/json", document);
    match document {
        Document::OpenApi => {
            json(&openapi(context, ROUTES.iter().flat_map(|entry| entry.endpoints)))
        }
        Document::AsyncApi => json(&asyncapi(context)),
        Document::Page => Ok(docs_page(request)),
    }
}
