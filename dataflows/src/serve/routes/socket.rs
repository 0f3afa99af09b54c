//! `GET /ws`: views followed over a WebSocket.

use std::sync::Arc;

use warp::Filter;
use warp::Reply;
use warp::http::{HeaderMap, Method};
use warp::reply::Response;
use warp::ws::Ws;

use crate::serve::Context;
use crate::serve::problem::{CROSS_SITE, Problem, UNAVAILABLE, UPGRADE_REQUIRED};
use crate::serve::socket::{self, MESSAGE_BYTES_MAX};

use super::{Asked, Endpoint, Entry, Route, answered, foreign, reads};

pub(super) const ENTRY: Entry = Entry {
    endpoints: &[Endpoint {
        methods: &[Method::GET],
        path: "/ws",
        doc: "follows views over a WebSocket; the first message says what can be asked",
    }],
    route,
};

fn route(context: &Context) -> Route {
    let context = context.clone();
    let asked = warp::path!("ws").and(reads());
    let plain = asked.then(|asked: Asked| {
        let detail = "this path speaks WebSocket only: ask it with `Upgrade: websocket`; `/stream` tells the \
                      same as server-sent events";
        let problem = refused(&asked.headers).unwrap_or(Problem::new(UPGRADE_REQUIRED, detail));
        answered(asked.path, async move { Err(problem) })
    });
    let upgrade = warp::path!("ws").and(warp::header::headers_cloned()).and(warp::ws());
    let upgrade = upgrade.map(move |headers: HeaderMap, ws: Ws| match refused(&headers) {
        Some(problem) => problem.response(Some("/ws")),
        None => upgraded(&context, ws),
    });
    upgrade.or(plain).unify().boxed()
}

fn upgraded(context: &Context, ws: Ws) -> Response {
    let Ok(permit) = Arc::clone(&context.sockets).try_acquire_owned() else {
        let detail = "as many WebSockets are open as `limits.connections` allows";
        return Problem::new(UNAVAILABLE, detail).response(Some("/ws"));
    };
    let context = context.clone();
    let ws = ws.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    ws.on_upgrade(move |socket| async move {
        socket::converse(context, socket).await;
        drop(permit);
    })
    .into_response()
}

/// What is wrong if a page of another site asks: browsers let any page open a WebSocket to anywhere and read what
/// comes.
fn refused(headers: &HeaderMap) -> Option<Problem> {
    let site = foreign(headers)?;
    let detail = format!("{site} may not follow the views of this server");
    Some(Problem::new(CROSS_SITE, detail))
}
