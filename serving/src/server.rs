//! Sockets: one accept loop with bounds on the use by clients.
//!
//! A client can hold a connection only by sending requests. The connection is closed if a request head is not complete
//! in time, also between requests, or if the client does not read its answer. Beyond the bound on connections, clients
//! wait in the backlog of the listening socket; they are not refused.
//!
//! On `stop` no connection is accepted any more, connections without a request are closed, and the others have until
//! the drain deadline to be answered.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::Service;
use warp::http::header::HOST;
use warp::http::{HeaderName, HeaderValue, Request, Version};
use warp::reply::Response;

use node_api::{ClientLimits, HttpAccess, NeedsKeys, Throttle, is_address, may_listen};

use super::Context;
use super::audit::{Audit, AuditedRequest, RefusalReason};
use super::clients::{Clients, KnownClient};
use super::credentials::Credentials;
use super::problem::{FieldError, MISDIRECTED, Problem, THROTTLED};
use super::query::shown;
use super::rates::Remaining;
use super::routes::{Route, controls};
use super::tls::Certificates;
use super::write_timeout::{WRITE_TIMEOUT, WriteTimeout};

/// Bounds on the use by clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections, at least one. Further clients wait. WebSockets are counted separately, up to as many.
    pub connections: usize,
    /// The time for a complete request head, also for the first of a connection.
    pub head: Duration,
    /// The most bytes of a request head, and of read-ahead; at least 8 KiB.
    pub head_bytes: usize,
    /// The most concurrent HTTP/2 requests of a connection.
    pub streams: u32,
    /// The time to answer open requests after `stop`.
    pub drain: Duration,
    /// The share of each client, where there are keys.
    pub clients: ClientLimits,
}

impl Limits {
    /// The most WebSockets: as many as connections.
    pub fn sockets(&self) -> u32 {
        u32::try_from(self.connections.max(1)).unwrap_or(u32::MAX)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            head: Duration::from_secs(10),
            head_bytes: 64 * 1024,
            streams: 64,
            drain: Duration::from_secs(5),
            clients: ClientLimits::default(),
        }
    }
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address can be reached from other machines, and there are no keys.
    #[error(transparent)]
    NeedsKeys(#[from] NeedsKeys),
    /// Another socket listens on it.
    #[error("{addr} is in use: another process (perhaps another tickweave) listens on it")]
    InUse {
        /// The address.
        addr: SocketAddr,
    },
    /// Another error of the system.
    #[error("{addr} could not be bound")]
    Io {
        /// The address.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
}

/// The result of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The number of connections that were closed at the drain deadline while busy.
    pub cut: usize,
}

/// Listens on an address, beyond the loopback only if the server will have keys; port 0 picks a free one.
pub async fn bind(addr: SocketAddr, has_keys: bool) -> Result<TcpListener, BindError> {
    may_listen(addr, has_keys)?;
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { addr },
        _ => BindError::Io { addr, source },
    })
}

/// Answers requests on `listener` until `stop` completes.
///
/// An error of a connection ends this connection only.
pub async fn serve(
    listener: TcpListener,
    context: Context,
    stop: impl Future<Output = ()>,
) -> Stopped {
    let limits = context.limits;
    let (close, closing) = watch::channel(false);
    let sockets = Arc::clone(&context.sockets);
    let access = Arc::clone(&context.access);
    let (audit, tls) = (Audit::new(Arc::clone(&context.metrics)), context.tls.clone());
    let clients = Clients::new(Context { closing, ..context });
    let mut followed = JoinSet::new(); // ends with this call
    followed.spawn(clients.clone().follow_keys());
    if let Some(tls) = tls.clone() {
        followed.spawn(tls.follow_files());
    }
    let builder = builder(&limits);
    let panics = Arc::new(Mutex::new(Throttle::default()));
    let slots = Arc::new(Semaphore::new(limits.connections.max(1)));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut failures = Throttle::default();
    let mut stop = pin!(stop);
    loop {
        let slot = tokio::select! {
            () = &mut stop => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                if let Some(over) = failures.over(Instant::now()) {
                    tracing::info!("connections are accepted again {over}");
                }
                let address = peer.ip().to_canonical();
                let Ok(counted) = clients.connect(address) else {
                    audit.not_connected(address);
                    continue;
                };
                let answering = Answering {
                    clients: clients.clone(),
                    address,
                    audit: audit.clone(),
                    access: Arc::clone(&access),
                    panics: Arc::clone(&panics),
                };
                let acceptor = tls.as_ref().map(Certificates::acceptor);
                let connection = Connection {
                    answering,
                    builder: builder.clone(),
                    limits,
                    watcher: graceful.watcher(),
                };
                connections.spawn(async move {
                    if let Err(error) = connection.run(stream, acceptor).await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    drop((slot, counted));
                });
            }
            Err(error) => {
                // The client is gone already, or file descriptors have run out; both pass.
                if let Some(told) = failures.happened(Instant::now()) {
                    tracing::warn!(%error, "no connection could be accepted{told}");
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    close.send_replace(true);
    let all_done = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
        // WebSockets are no longer HTTP connections: each holds a permit until it is closed.
        let _ = sockets.acquire_many(limits.sockets()).await;
    };
    if timeout(limits.drain, all_done).await.is_ok() {
        return Stopped { cut: 0 };
    }
    while connections.try_join_next().is_some() {}
    let cut = connections.len();
    tracing::warn!(cut, "connections cut at the drain deadline");
    connections.shutdown().await;
    Stopped { cut }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams);
    builder
}

/// What answers requests.
#[derive(Clone)]
struct Answering {
    clients: Clients,
    /// Of the client.
    address: IpAddr,
    audit: Audit,
    access: Arc<HttpAccess>,
    /// A client may ask again and again for what panics.
    panics: Arc<Mutex<Throttle>>,
}

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// One connection, and what serves it.
struct Connection {
    answering: Answering,
    builder: Builder<TokioExecutor>,
    limits: Limits,
    watcher: Watcher,
}

impl Connection {
    /// Serves it to its end.
    async fn run(
        self,
        stream: TcpStream,
        acceptor: Option<TlsAcceptor>,
    ) -> Result<(), ConnectionError> {
        // Answers are small and complete, so waiting for more data would gain nothing.
        let _ = stream.set_nodelay(true);
        match acceptor {
            None => self.serve(stream).await,
            Some(acceptor) => {
                let handshake = timeout(self.limits.head, acceptor.accept(stream)).await;
                self.serve(handshake.map_err(|_| "no handshake came in time")??).await
            }
        }
    }

    async fn serve<S>(self, stream: S) -> Result<(), ConnectionError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Connection { answering, builder, limits, watcher } = self;
        let got_request = Arc::new(AtomicBool::new(false));
        let set_got_request = Arc::clone(&got_request);
        let service = service_fn(move |request| {
            set_got_request.store(true, Ordering::Relaxed);
            let answering = answering.clone();
            async move { answering.respond(request).await }
        });
        let stream = TokioIo::new(WriteTimeout::new(stream, WRITE_TIMEOUT));
        let serving = builder.serve_connection_with_upgrades(stream, service);
        let serving = Box::pin(watcher.watch(serving.into_owned()));
        // The timeout of HTTP/1 heads begins only when the protocol is known, which takes bytes.
        let no_request = async {
            sleep(limits.head).await;
            if got_request.load(Ordering::Relaxed) {
                pending::<()>().await;
            }
        };
        tokio::select! {
            served = serving => served,
            () = no_request => Err("no request came in time".into()),
        }
    }
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Answering {
    /// Answers one request, also if a handler panics.
    async fn respond(self, mut request: Request<Incoming>) -> Result<Response, Infallible> {
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let mut key = None;
        let mut response = match wrong_host(&request, &self.access, self.clients.need_keys()) {
            Some(problem) => problem.response(Some(&path)),
            None => {
                let client = self.clients.authenticate(take_credentials(&mut request));
                key = client.key.as_ref().map(|(key, _)| key.id.clone());
                self.answer(client, request, id).await
            }
        };
        let status = response.status();
        let (address, key, by) = (self.address, key.as_deref(), &method);
        let audited = AuditedRequest { key, address, method: by, path: &path };
        match response.extensions().get().and_then(RefusalReason::of) {
            Some(reason) => self.audit.refused(reason, audited),
            None if controls(&method, &path) => self.audit.controlled(status, audited),
            None => {}
        }
        let (status, elapsed) = (status.as_u16(), begun.elapsed());
        tracing::debug!(id, %method, path, status, ?elapsed, "answered");
        response.headers_mut().insert(X_REQUEST_ID, HeaderValue::from(id));
        Ok(response)
    }

    /// The answer of the client's routes, unless it asks for more than its share.
    async fn answer(
        &self,
        client: KnownClient,
        mut request: Request<Incoming>,
        id: u64,
    ) -> Response {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let remaining = match self.clients.take_request(&client, self.address) {
            Ok(remaining) => remaining,
            Err(wait) => {
                let whose = if client.key.is_some() { "this key" } else { "this address" };
                let problem = Problem::new(THROTTLED, format!("{whose} sends too many requests"));
                let mut response = problem.retry_after(wait.retry_after_s()).response(Some(&path));
                tell_rates(&mut response, &client, Remaining::NONE);
                return response;
            }
        };
        request.extensions_mut().insert(client.authenticated);
        let answered = handled(client.route.clone(), request).await;
        let mut response = answered.unwrap_or_else(|| {
            let mut panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(told) = panics.happened(Instant::now()) {
                tracing::error!(id, %method, path, "a handler panicked{told}");
            }
            drop(panics);
            Problem::internal().response(Some(&path))
        });
        if let Some(remaining) = remaining {
            tell_rates(&mut response, &client, remaining);
        }
        response
    }
}

/// Tells the holder of a key how much it may ask.
fn tell_rates(response: &mut Response, client: &KnownClient, remaining: Remaining) {
    let Some((_, rates)) = &client.key else { return };
    for (name, value) in [(RATE_LIMIT_POLICY, rates.policy()), (RATE_LIMIT, remaining.header())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// What a request presents.
fn take_credentials(request: &mut Request<Incoming>) -> Credentials {
    let mut uri = request.uri().clone();
    let credentials = Credentials::take(request.headers(), &mut uri);
    *request.uri_mut() = uri;
    credentials
}

/// The answer of the routes; none if a handler panicked.
async fn handled(app: Route, request: Request<Incoming>) -> Option<Response> {
    let mut answer = Box::pin(async move { warp::service(app).call(request).await });
    poll_fn(move |context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(Some(response)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

/// Why a request is not answered under the host that it names; none if it is.
///
/// A page in a browser on this machine may have its own name resolve to 127.0.0.1 and then read answers as its own; it
/// cannot make the browser send another `Host`. An address is no such name; where keys are needed, any is answered,
/// since behind a router a process does not know its own. RFC 9112 §3.2 asks for exactly one.
fn wrong_host<B>(request: &Request<B>, access: &HttpAccess, needs_keys: bool) -> Option<Problem> {
    let mut headers = request.headers().get_all(HOST).iter();
    let (first, second) = (headers.next(), headers.next());
    let host = match (request.uri().authority(), first) {
        _ if second.is_some() => {
            return Some(bad_host("a request has one header `Host`, and this has several"));
        }
        (Some(authority), _) => authority.as_str().to_owned(),
        (None, Some(header)) => String::from_utf8_lossy(header.as_bytes()).into_owned(),
        (None, None) if request.version() <= Version::HTTP_10 => return None, // no browser speaks it
        (None, None) => return Some(bad_host("a request has a header `Host`, and this has none")),
    };
    let detail = format!(
        "`{}` is no name of this server: localhost, addresses of the loopback and `http.allowed_hosts` are",
        shown(&host)
    );
    let is_own = access.is_own_host(&host) || needs_keys && is_address(&host);
    (!is_own).then(|| Problem::new(MISDIRECTED, detail))
}

fn bad_host(detail: &str) -> Problem {
    let pointer = "#/header/Host".to_owned();
    let allowed = Vec::new();
    Problem::invalid(vec![FieldError {
        pointer,
        code: "format",
        detail: detail.to_owned(),
        allowed,
    }])
}
