//! `POST /v1/tickets`: a ticket, which a page presents where it cannot set a header.

use std::time::Instant;

use node_api::{Scope, Scopes};
use serde::Serialize;
use warp::Filter;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use crate::Context;
use crate::client::Access;
use crate::parameter::{ParameterType, RouteParameter};
use crate::problem::{FORBIDDEN, Problem, THROTTLED};
use crate::query::Query;
use crate::tickets::{NoTicket, TICKET_TTL, TICKETS_MAX};

use super::permit::Authenticated;
use super::{Endpoint, RequestParts, Route, RouteEntry, json, request_parts, respond};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: &[Method::POST],
        path: "/v1/tickets",
        access: Access::Key,
        doc: "a ticket: `?ticket=` authenticates one request of any path within 60 s, as of a WebSocket",
        parameters: &[SCOPES],
    }],
    route,
};

const SCOPES: RouteParameter = RouteParameter::query(
    "scopes",
    ParameterType::Name("a scope of the key"),
    "what the ticket allows; without, `read`, or all of a key that may not read",
)
.several();

#[derive(Serialize)]
struct TicketJson {
    ticket: String,
    expires_in_s: u64,
    scopes: Vec<&'static str>,
}

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "tickets")
        .and(warp::post())
        .and(request_parts())
        .and(warp::ext::optional::<Authenticated>())
        .then(move |request: RequestParts, authenticated: Option<Authenticated>| {
            let answer = answer(&context, &request, authenticated);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(
    context: &Context,
    request: &RequestParts,
    authenticated: Option<Authenticated>,
) -> Result<Response, Problem> {
    let own = authenticated.map_or(context.client.scopes(), |of| of.scopes);
    let mut query = Query::new(&request.query, &[SCOPES]);
    let scopes = query.parsed(&SCOPES, |text| {
        let possible = || own.names().into_iter().map(str::to_owned).collect();
        text.parse::<Scopes>().map_err(|unknown| (unknown.to_string(), possible()))
    });
    query.finish()?;
    let scopes = scopes.unwrap_or(match own.allow(Scope::Read) {
        true => Scopes::of(&[Scope::Read]),
        false => own,
    });
    if authenticated.is_some_and(|of| of.by_ticket) {
        // Else one that was seen in a URL would be good for as long as its key.
        return Err(Problem::new(
            FORBIDDEN,
            "a ticket is made with a key, and not with another ticket",
        ));
    }
    if !own.include(scopes) {
        let detail =
            format!("a ticket for `{scopes}` needs a key with these scopes; this has {own}");
        return Err(Problem::new(FORBIDDEN, detail));
    }
    let ticket = context.tickets.issue(context.client.key().cloned(), scopes, Instant::now());
    let ticket = ticket.map_err(|error| match error {
        NoTicket::TooMany => {
            let detail = format!("{TICKETS_MAX} tickets of this key wait to be used already");
            Problem::new(THROTTLED, detail)
        }
        NoTicket::NoRandom => Problem::internal(),
    })?;
    let body = TicketJson { ticket, expires_in_s: TICKET_TTL.as_secs(), scopes: scopes.names() };
    json(StatusCode::CREATED, "application/json", &body)
}
