//! Answers requests: finds out who asks, hands each to the routes of its client, and notes what an audit needs.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use hyper::body::Incoming;
use tower::Service;
use warp::http::header::HOST;
use warp::http::{HeaderName, HeaderValue, Request, Version};
use warp::reply::Response;

use node_api::{HttpAccess, Throttle, is_address};

use super::audit::{Audit, AuditedRequest, RefusalReason};
use super::clients::{Clients, KnownClient};
use super::credentials::Credentials;
use super::problem::{FieldError, MISDIRECTED, Problem, THROTTLED};
use super::query::shown;
use super::rates::Remaining;
use super::routes::{Route, controls};

/// What answers requests.
#[derive(Clone)]
pub(super) struct Answering {
    clients: Clients,
    audit: Audit,
    access: Arc<HttpAccess>,
    /// A client may ask again and again for what panics.
    panics: Arc<Mutex<Throttle>>,
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Answering {
    pub(super) fn new(clients: Clients, audit: Audit, access: Arc<HttpAccess>) -> Answering {
        Answering { clients, audit, access, panics: Arc::default() }
    }

    /// Notes that a connection was refused.
    pub(super) fn not_connected(&self, address: IpAddr) {
        self.audit.not_connected(address);
    }

    /// Answers one request of a client at `address`, also if a handler panics.
    pub(super) async fn respond(
        self,
        mut request: Request<Incoming>,
        address: IpAddr,
    ) -> Result<Response, Infallible> {
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        // What comes of it says nothing of how many requests others send.
        static SCATTER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let id = SCATTER.hash_one(REQUESTS.fetch_add(1, Ordering::Relaxed));
        let begun = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let mut key = None;
        let mut response = match wrong_host(&request, &self.access, self.clients.need_keys()) {
            Some(problem) => problem.response(Some(&path)),
            None => {
                let client = self.clients.authenticate(take_credentials(&mut request));
                key = client.key.as_ref().map(|(key, _)| key.id.clone());
                self.answer(client, request, (id, address)).await
            }
        };
        let status = response.status();
        let key = key.as_deref();
        let audited = AuditedRequest { key, address, method: &method, path: &path };
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
        (id, address): (u64, IpAddr),
    ) -> Response {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let remaining = match self.clients.take_request(&client, address) {
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
