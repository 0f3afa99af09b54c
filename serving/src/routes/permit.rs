//! Which clients may ask which paths: every request passes here before any route sees it.

use node_api::{KeyRefusal, Scopes};
use warp::Filter;
use warp::http::header::{HeaderValue, WWW_AUTHENTICATE};
use warp::http::{HeaderMap, Method};
use warp::path::FullPath;
use warp::reply::Response;

use crate::Context;
use crate::client::{Client, Denial};
use crate::format::preferred;
use crate::problem::{FORBIDDEN, Problem, UNAUTHORIZED};

use super::{Endpoint, Route, RouteSet, fits, not_routed};

/// What a request was authenticated as: part of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticated {
    /// What it may do: what the key allows, or what the ticket does.
    pub(crate) scopes: Scopes,
    /// Whether it presented a ticket.
    pub(crate) by_ticket: bool,
    /// Why what it presented is not good, if it is not.
    pub(crate) refusal: Option<KeyRefusal>,
}

/// Lets requests through that the client of `context` may send.
pub(super) fn permitted(routes: Route, context: &Context) -> Route {
    let (set, client) = (context.routes, context.client.clone());
    if !client.needs_key() {
        return routes;
    }
    let request = warp::method().and(warp::path::full()).and(warp::header::headers_cloned());
    let request = request.and(warp::ext::optional::<Authenticated>());
    let refused = request.and_then(
        move |method: Method, path: FullPath, headers: HeaderMap, authenticated| {
            let answer = refusal(set, &client, &method, path.as_str(), &headers, authenticated);
            std::future::ready(answer.ok_or_else(warp::reject))
        },
    );
    refused.or(routes).unify().boxed()
}

/// The answer to a request that the client may not send; none if it may.
fn refusal(
    set: RouteSet,
    client: &Client,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    authenticated: Option<Authenticated>,
) -> Option<Response> {
    let scopes = authenticated.map_or(client.scopes(), |of| of.scopes);
    let mut endpoints = endpoints(set, method, path).peekable();
    // What is in no list may be asked by nobody: a path could lead to a route that the list does not tell of.
    if endpoints.peek().is_none() && client.key().is_some() {
        return Some(not_routed(set, method, path).response(Some(path)));
    }
    let denial = match endpoints.peek() {
        None => Some(Denial::NoKey),
        Some(_) => endpoints.find_map(|endpoint| client.denial(endpoint.access, scopes)),
    };
    let problem = match denial? {
        Denial::NoKey => {
            let refusal = authenticated.and_then(|of| of.refusal);
            return Some(unauthorized(refusal, headers, path));
        }
        Denial::Scope(scope) => {
            let own = match scopes.is_empty() {
                true => "none".to_owned(),
                false => scopes.to_string(),
            };
            let detail = format!("`{method} {path}` needs the scope `{scope}`; the key has {own}");
            Problem::new(FORBIDDEN, detail)
        }
        Denial::Limited => {
            let detail = format!(
                "`{method} {path}` is about the whole process, and the key is limited to some views, symbols or portfolios"
            );
            Problem::new(FORBIDDEN, detail)
        }
    };
    Some(problem.response(Some(path)))
}

/// The endpoints that a request may mean.
fn endpoints<'a>(
    set: RouteSet,
    method: &'a Method,
    path: &'a str,
) -> impl Iterator<Item = &'static Endpoint> + 'a {
    set.endpoints()
        .filter(move |endpoint| endpoint.methods.contains(method) && fits(endpoint.path, path))
}

/// 401, with how to authenticate. A browser asks its user for a key where its window was to show the answer.
fn unauthorized(refusal: Option<KeyRefusal>, headers: &HeaderMap, path: &str) -> Response {
    let (detail, challenge) = match refusal {
        None => (
            "this server answers holders of keys only: send `Authorization: Bearer KEY`".to_owned(),
            "Bearer realm=\"tickweave\"",
        ),
        Some(refusal) => {
            (refusal.to_string(), "Bearer realm=\"tickweave\", error=\"invalid_token\"")
        }
    };
    let mut response = Problem::new(UNAUTHORIZED, detail).response(Some(path));
    let challenges = response.headers_mut();
    challenges.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    if preferred(headers, &[(false, "application/json"), (true, "text/html")]).unwrap_or(false) {
        let basic = "Basic realm=\"tickweave: any user, a key as password\"";
        challenges.append(WWW_AUTHENTICATE, HeaderValue::from_static(basic));
    }
    response
}
