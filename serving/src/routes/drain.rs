//! `POST /streaming/drain`: ends the process in order, as SIGTERM does.

use node_api::Scope;
use serde::Serialize;
use warp::Filter;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::problem::Problem;
use crate::query::Query;
use node_api::ingest::Keeping;

use super::{Endpoint, RequestParts, Route, RouteEntry, json, request_parts, respond};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: &[Method::POST],
        path: "/streaming/drain",
        access: Access::Process(Scope::Control),
        doc: "ends the process in order, as SIGTERM does: no more is read or taken, what was taken is finished and saved",
        parameters: &[],
    }],
    route,
};

/// What happens now.
#[derive(Serialize)]
struct Draining {
    /// The run that ends.
    run: String,
    status: &'static str,
    /// What the next start has: `nothing`, `process` or `disk`.
    kept: &'static str,
    detail: &'static str,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("streaming" / "drain")
        .and(warp::post())
        .and(request_parts())
        .then(move |request: RequestParts| {
            let answer = answer(&context, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

/// The same however often it is asked for.
fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    context.control.drain();
    let detail = match context.keeping {
        Keeping::Disk => {
            "nothing more is read or taken; what was taken is bound and made durable, a last checkpoint is taken, and the \
             process ends with exit code 0. The next start goes on from that checkpoint"
        }
        Keeping::Process => {
            "nothing more is read or taken; what was taken is bound, a last checkpoint is taken, and the process ends with \
             exit code 0. The next start goes on from that checkpoint"
        }
        Keeping::Nothing => {
            "nothing more is read or taken; what was taken is bound and delivered to sinks, and the process ends with exit \
             code 0. This job keeps no state (`dir` in `[state]`), so the next start begins anew"
        }
    };
    let kept = context.keeping.name();
    let run = context.run.to_string();
    let draining = Draining { run, status: "draining", kept, detail };
    json(StatusCode::ACCEPTED, "application/json", &draining)
}
