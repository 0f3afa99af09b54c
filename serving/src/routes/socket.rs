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
use warp::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, UPGRADE,
};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;
use warp::ws::Ws;

use crate::Context;
use crate::problem::{Problem, UNAVAILABLE, UPGRADE_REQUIRED};
use crate::resume::restored;
use crate::socket::{self, Transport, agreed_deflate};
use crate::subscribe::{SUBSCRIPTION, SubscriptionRequest};
use crate::write_timeout::WriteTimeout;

use super::stream::requested;
use super::{Endpoint, ROWS, RequestParts, Route, RouteEntry, reads, respond, set};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[
        Endpoint {
            methods: &[Method::GET],
            path: "/ws",
            access: ROWS,
            doc: "follows views over a WebSocket; the first message says what can be requested",
            parameters: &[],
        },
        Endpoint {
            methods: &[Method::GET],
            path: "/ws/streaming",
            access: ROWS,
            doc: "the same for clients that cannot send: it begins with what its query asks to follow",
            parameters: SUBSCRIPTION,
        },
    ],
    route,
};

fn route(context: &Context) -> Route {
    let context = context.clone();
    let ws = warp::path!("ws").map(|| false).or(warp::path!("ws" / "streaming").map(|| true));
    let ws = ws.unify();
    let plain = ws.and(reads()).then(|_, request: RequestParts| {
        let detail = "this path speaks WebSocket only: ask it with `Upgrade: websocket`; `/stream` sends the \
                      same as server-sent events";
        let problem = Problem::new(UPGRADE_REQUIRED, detail);
        respond(request.path, async move { Err(problem) })
    });
    // `warp::ws` checks the request; the connection itself is taken over below.
    let upgrade = ws.and(warp::ext::optional::<OnUpgrade>()).and(reads()).and(warp::ws());
    let upgrade = upgrade.then(
        move |has_query: bool, upgrade: Option<OnUpgrade>, request: RequestParts, _: Ws| {
            let context = context.clone();
            async move {
                let path = request.path.clone();
                respond(path, answer(&context, has_query, upgrade, &request)).await
            }
        },
    );
    upgrade.or(plain).unify().boxed()
}

async fn answer(
    context: &Context,
    has_query: bool,
    upgrade: Option<OnUpgrade>,
    request: &RequestParts,
) -> Result<Response, Problem> {
    let follows = match has_query {
        true => {
            restored(context).await?;
            requested(context, request, SUBSCRIPTION)?
        }
        false => Vec::new(),
    };
    let follows = follows.into_iter().map(|(name, request)| (name.to_owned(), request)).collect();
    let upgrade = upgrade.ok_or_else(Problem::internal)?;
    upgraded(context, upgrade, &request.headers, follows)
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
fn upgraded(
    context: &Context,
    upgrade: OnUpgrade,
    headers: &HeaderMap,
    follows: Vec<(String, SubscriptionRequest)>,
) -> Result<Response, Problem> {
    let Ok(permit) = Arc::clone(&context.sockets).try_acquire_owned() else {
        let detail = "as many WebSockets are open as `limits.connections` allows";
        return Err(Problem::new(UNAVAILABLE, detail));
    };
    let followed = context.client.follow()?;
    let (context, agreed) = (context.clone(), agreed_deflate(headers));
    let deflates = agreed.is_some();
    tokio::spawn(async move {
        let _held = followed;
        let Ok(upgraded) = upgrade.await else { return };
        match taken_over(upgraded) {
            Some((transport, read)) => {
                let upgraded = socket::Upgraded { transport, read, deflates };
                socket::run_session(context, upgraded, follows).await;
            }
            None => tracing::error!("a WebSocket is not on a connection of this server"),
        }
        drop(permit);
    });
    let key = headers.get(SEC_WEBSOCKET_KEY).map_or(&b""[..], |key| key.as_bytes());
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    set(&mut response, CONNECTION, "upgrade");
    set(&mut response, UPGRADE, "websocket");
    if let Some(agreed) = agreed {
        set(&mut response, SEC_WEBSOCKET_EXTENSIONS, &agreed);
    }
    set(&mut response, SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key));
    Ok(response)
}
