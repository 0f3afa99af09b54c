//! `GET /page/{file}`: the files of the page at `/`.

use warp::Filter;
use warp::http::StatusCode;
use warp::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::page::{DOCS, FILES, PAGE};
use crate::parameter::{ParameterType, RouteParameter};
use crate::problem::{Problem, UNKNOWN_PATH};
use crate::query::{Query, shown};
use rows::suggestions::closest;

use super::{Endpoint, READ, RequestParts, Route, RouteEntry, reads, respond, set, text};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/page/{file}",
        access: Access::Key,
        doc: "style and scripts of the pages for browsers",
        parameters: &[RouteParameter::path(
            "file",
            ParameterType::Name("a file of the page"),
            "the name of the file",
        )],
    }],
    route,
};

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

fn route(_context: &Context) -> Route {
    warp::path!("page" / String)
        .and(reads())
        .then(|name: String, request: RequestParts| {
            let answer = file(&name, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn file(name: &str, request: &RequestParts) -> Result<Response, Problem> {
    Query::new(&request.query, &[]).finish()?;
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        let detail = format!("the page has no file `{}`", shown(name));
        let near = closest(FILES.iter().map(|file| file.name), name);
        return Err(Problem::new(UNKNOWN_PATH, detail).suggestions(near));
    };
    Ok(guarded(text(StatusCode::OK, file.content_type, file.text.to_owned()), request))
}

/// The page itself.
pub(super) fn page(request: &RequestParts) -> Response {
    guarded(text(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned()), request)
}

/// The page of the interface.
pub(super) fn docs_page(request: &RequestParts) -> Response {
    guarded(text(StatusCode::OK, "text/html; charset=utf-8", DOCS.to_owned()), request)
}

/// Forbids the browser to load from, send to or be framed by other sites, and to run inline scripts.
fn guarded(mut response: Response, request: &RequestParts) -> Response {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'{}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        socket_of(request).unwrap_or_default()
    );
    set(&mut response, CONTENT_SECURITY_POLICY, &policy);
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut response, REFERRER_POLICY, "no-referrer");
    set(&mut response, CROSS_ORIGIN_RESOURCE_POLICY, "same-origin");
    response
}

/// The address of this page's WebSocket: not all browsers include it in `'self'`.
fn socket_of(request: &RequestParts) -> Option<String> {
    let host = request.headers.get(HOST)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    host.bytes().all(plain).then(|| format!(" ws://{host} wss://{host}"))
}
