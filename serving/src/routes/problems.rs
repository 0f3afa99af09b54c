//! `GET /docs/problems` and `/docs/problems/{name}`: the meaning of each kind of error. The `type` of every error leads
//! here.

use warp::Filter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::parameter::{ParameterType, RouteParameter};
use crate::problem::{KINDS, Problem, ProblemKind, UNKNOWN_PATH};
use crate::query::{Query, shown};
use rows::suggestions::closest;

use super::{Endpoint, READ, RequestParts, Route, RouteEntry, reads, respond, text};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[
        Endpoint {
            methods: READ,
            path: "/docs/problems",
            access: Access::Key,
            doc: "every kind of error: what happened, and what can be done about it",
            parameters: &[],
        },
        Endpoint {
            methods: READ,
            path: "/docs/problems/{problem}",
            access: Access::Key,
            doc: "one kind of error; the `type` of every error leads here",
            parameters: &[RouteParameter::path(
                "problem",
                ParameterType::Name("a kind of error"),
                "the `type` of an error without the path before it",
            )],
        },
    ],
    route,
};

const PLAIN: &str = "text/plain; charset=utf-8";

fn route(_context: &Context) -> Route {
    let all = warp::path!("docs" / "problems").map(|| None);
    let one = warp::path!("docs" / "problems" / String).map(Some);
    all.or(one)
        .unify()
        .and(reads())
        .then(|name: Option<String>, request: RequestParts| {
            let answer = answer(name.as_deref(), &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(name: Option<&str>, request: &RequestParts) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    let texts: Vec<String> = match name {
        None => KINDS.iter().map(describe).collect(),
        Some(name) => vec![describe(find(name)?)],
    };
    Ok(text(StatusCode::OK, PLAIN, texts.join("\n")))
}

fn find(name: &str) -> Result<&'static ProblemKind, Problem> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let known = || KINDS.iter().map(|kind| kind.name);
        let all: Vec<_> = known().collect();
        let detail =
            format!("no kind of error is named `{}` (known: {})", shown(name), all.join(", "));
        Problem::new(UNKNOWN_PATH, detail).suggestions(closest(known(), name))
    })
}

fn describe(ProblemKind { name, title, status, doc }: &ProblemKind) -> String {
    format!("{title} ({name}, status {})\n\n{doc}\n", status.as_u16())
}
