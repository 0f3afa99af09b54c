//! The site of a request, and the rules for pages of other sites.

use warp::Filter;
use warp::http::header::{HOST, HeaderName, ORIGIN};
use warp::http::{HeaderMap, HeaderValue, Method};
use warp::path::FullPath;

use crate::problem::{CROSS_SITE, Problem};
use crate::query::shown;

use super::{READ, Route};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Rejects reads by pages of other sites; passes on everything else. `POST` and `/ws` check for themselves.
///
/// A browser lets any page send requests to this machine. Such a page cannot see an answer, but it can read without
/// end. It may ask for the health of the process. A link on it may be followed: then the browser shows the answer once.
pub(super) fn cross_site() -> Route {
    let request = warp::method().and(warp::path::full()).and(warp::header::headers_cloned());
    request
        .and_then(async |method: Method, path: FullPath, headers: HeaderMap| {
            let path = path.as_str();
            let exempt = ["/ws", "/metrics"].contains(&path) || is_below(path, "/health");
            let reads = READ.contains(&method) && !exempt;
            match foreign(&headers).filter(|_| reads && !is_followed(&headers)) {
                Some(site) => {
                    let detail = format!("{site} may not read from this server");
                    Ok(Problem::new(CROSS_SITE, detail).response(Some(path)))
                }
                None => Err(warp::reject()),
            }
        })
        .boxed()
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the request is a navigation of the browser's window.
fn is_followed(headers: &HeaderMap) -> bool {
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    header(SEC_FETCH_MODE) == Some(b"navigate")
        && header(SEC_FETCH_DEST).is_none_or(|dest| dest == b"document")
}

/// The page that sends the request, if it is one of another site. Browsers identify themselves; other clients send no
/// such header. Neither header is sufficient alone: old browsers do not send `Sec-Fetch-Site`, and some requests have
/// no `Origin`.
pub(super) fn foreign(headers: &HeaderMap) -> Option<String> {
    let header = |name: HeaderName| {
        headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let origin = header(ORIGIN);
    let own = origin.as_ref().is_none_or(|origin| {
        let site = origin.split_once("://").map_or(&**origin, |(_, site)| site);
        header(HOST).is_some_and(|host| host.eq_ignore_ascii_case(site))
    });
    let cross = header(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site");
    (cross || !own).then(|| match origin {
        Some(origin) => format!("a page of `{}`", shown(&origin)),
        None => "a page of another site".to_owned(),
    })
}
