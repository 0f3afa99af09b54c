//! `GET /ws`: subscriptions over a WebSocket.

use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tungstenite::handshake::derive_accept_key;
use warp::Filter;
use warp::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;
use warp::ws::Ws;

use crate::Context;
use crate::problem::{Problem, UNAVAILABLE, UPGRADE_REQUIRED};
use crate::socket::{self, Transport};
use crate::write_timeout::WriteTimeout;

use super::{Endpoint, ROWS, RequestParts, Route, RouteEntry, reads, respond, set};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: &[Method::GET],
        path: "/ws",
        access: ROWS,
        doc: "follows views over a WebSocket; the first message says what can be requested",
        parameters: &[],
    }],
    route,
};

fn route(context: &Context) -> Route {
    let context = context.clone();
    let request = warp::path!("ws").and(reads());
    let plain = request.then(|request: RequestParts| {
        let detail = "this path speaks WebSocket only: ask it with `Upgrade: websocket`; `/stream` sends the \
                      same as server-sent events";
        let problem = Problem::new(UPGRADE_REQUIRED, detail);
        respond(request.path, async move { Err(problem) })
    });
    // `warp::ws` checks the request; the connection itself is taken over below.
    let upgrade = warp::path!("ws").and(warp::ext::optional::<OnUpgrade>());
    let upgrade = upgrade.and(warp::header::headers_cloned()).and(warp::ws());
    let upgrade =
        upgrade.map(move |upgrade: Option<OnUpgrade>, headers: HeaderMap, _: Ws| match upgrade {
            Some(upgrade) => upgraded(&context, upgrade, &headers),
            None => Problem::internal().response(Some("/ws")),
        });
    upgrade.or(plain).unify().boxed()
}

/// The connection below an upgraded request, and the bytes of it that were read already.
fn taken_over(upgraded: Upgraded) -> Option<(Transport, Bytes)> {
    let upgraded = match downcast::<TokioIo<WriteTimeout<TcpStream>>>(upgraded) {
        Ok(parts) => {
            let tcp = parts.io.into_inner().into_inner();
            return Some((Transport::Plain(tcp), parts.read_buf));
        }
        Err(upgraded) => upgraded,
    };
    let parts = downcast::<TokioIo<WriteTimeout<TlsStream<TcpStream>>>>(upgraded).ok()?;
    let (tcp, session) = parts.io.into_inner().into_inner().into_inner();
    Some((Transport::tls(tcp, session), parts.read_buf))
}

/// Continues as a WebSocket after the answer has been written.
fn upgraded(context: &Context, upgrade: OnUpgrade, headers: &HeaderMap) -> Response {
    let Ok(permit) = Arc::clone(&context.sockets).try_acquire_owned() else {
        let detail = "as many WebSockets are open as `limits.connections` allows";
        return Problem::new(UNAVAILABLE, detail).response(Some("/ws"));
    };
    let followed = match context.client.follow() {
        Ok(followed) => followed,
        Err(problem) => return problem.response(Some("/ws")),
    };
    let context = context.clone();
    tokio::spawn(async move {
        let _held = followed;
        let Ok(upgraded) = upgrade.await else { return };
        match taken_over(upgraded) {
            Some((transport, read)) => socket::run_session(context, transport, &read).await,
            None => tracing::error!("a WebSocket is not on a connection of this server"),
        }
        drop(permit);
    });
    let key = headers.get(SEC_WEBSOCKET_KEY).map_or(&b""[..], |key| key.as_bytes());
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    set(&mut response, CONNECTION, "upgrade");
    set(&mut response, UPGRADE, "websocket");
    set(&mut response, SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key));
    response
}
