//! The site of a request: what pages of other sites may do, and the headers that browsers ask for (CORS).

use std::sync::Arc;

use warp::Filter;
use warp::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST,
    HeaderName, ORIGIN, VARY,
};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::path::FullPath;
use warp::reply::Response;

use node_api::HttpAccess;

use crate::problem::{CROSS_SITE, Problem};
use crate::query::shown;

use super::{READ, Route, set};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// Asked for, and granted, before a page of a public site may reach this machine (Private Network Access).
const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// The headers of requests that routes read and a browser asks for.
const ALLOWED_HEADERS: &str =
    "accept, authorization, content-type, idempotency-key, if-none-match, last-event-id";
/// The headers of answers that scripts may read.
const EXPOSED_HEADERS: &str = "deprecation, etag, idempotency-replayed, link, retry-after, x-commit, x-frontier, x-more, x-request-id";
/// For how many seconds a browser need not ask again.
const MAX_AGE_SECS: &str = "600";

/// Who sends a request.
enum Sender {
    /// A client that is no page, or a page of this server.
    Own,
    /// A page of an origin that is allowed.
    Allowed,
    /// A page of another site, as errors call it.
    Foreign(String),
}

/// Lets pages of other sites through only if their origin is allowed; answers their preflights, and sets the headers
/// that let them read the answers.
///
/// A browser lets any page send requests to this machine. Such a page cannot see an answer, but it can post, and read
/// without end. A link on it may be followed to the page and its documents: then the browser shows the answer once.
pub(super) fn guarded(routes: Route, access: &Arc<HttpAccess>) -> Route {
    let (access, named) = (Arc::clone(access), access.allows_any());
    let request = warp::method().and(warp::path::full()).and(warp::header::headers_cloned());
    let refused = request.and_then(move |method: Method, path: FullPath, headers: HeaderMap| {
        let answer = first_answer(&access, &method, path.as_str(), &headers);
        std::future::ready(answer.ok_or_else(warp::reject))
    });
    let all = refused.or(routes).unify();
    if !named {
        return all.boxed();
    }
    // Only senders that are let through, or preflights of allowed origins, have an origin that is not refused above.
    let with_headers = warp::header::headers_cloned().and(all);
    with_headers.map(|headers: HeaderMap, response| readable(&headers, response)).boxed()
}

/// The answer before any route: a refusal, or that of a preflight.
fn first_answer(
    access: &HttpAccess,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<Response> {
    match sender(access, headers) {
        Sender::Own => None,
        Sender::Allowed => is_preflight(method, headers).then(|| preflight(headers)),
        Sender::Foreign(_) if READ.contains(method) && is_followed(path, headers) => None,
        Sender::Foreign(site) => {
            let detail = format!(
                "{site} may not use this server: its origin is not among `http.allowed_origins`"
            );
            Some(Problem::new(CROSS_SITE, detail).response(Some(path)))
        }
    }
}

fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(headers: &HeaderMap) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, DELETE");
    set(&mut response, ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    set(&mut response, ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECS);
    if headers.contains_key(REQUEST_PRIVATE_NETWORK) {
        set(&mut response, ALLOW_PRIVATE_NETWORK, "true");
    }
    response
}

/// Sets what lets the page that asks read the answer. Caches keep the answers to different pages apart.
fn readable(headers: &HeaderMap, mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    let refused = response.status() == StatusCode::FORBIDDEN;
    if let Some(origin) = headers.get(ORIGIN).filter(|_| !refused) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        set(&mut response, ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
    response
}

/// Whether the request is a navigation of the browser's window to the page, or to a document that errors name.
fn is_followed(path: &str, headers: &HeaderMap) -> bool {
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    (path == "/" || path.starts_with("/docs/"))
        && header(SEC_FETCH_MODE) == Some(b"navigate")
        && header(SEC_FETCH_DEST).is_none_or(|dest| dest == b"document")
}

/// Who sends the request. Browsers identify pages; other clients send no such header. Neither header is sufficient
/// alone: old browsers do not send `Sec-Fetch-Site`, and some requests have no `Origin`.
fn sender(access: &HttpAccess, headers: &HeaderMap) -> Sender {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let Some(value) = headers.get(ORIGIN) else {
        let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        return match site {
            None | Some(b"same-origin" | b"none") => Sender::Own,
            // Without an origin, as of images and scripts, no origin can be allowed.
            Some(_) => Sender::Foreign("a page of another site".to_owned()),
        };
    };
    let origin = text(value);
    let site = origin.split_once("://").map_or(&*origin, |(_, site)| site);
    let host = headers.get(HOST).map(text);
    if access.allows_origin(&origin) {
        Sender::Allowed
    } else if host.is_some_and(|host| host.eq_ignore_ascii_case(site)) {
        Sender::Own
    } else {
        Sender::Foreign(format!("a page of `{}`", shown(&origin)))
    }
}
