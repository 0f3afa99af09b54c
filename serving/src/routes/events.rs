//! `GET /streaming/events`: what happens, of all kinds in one log: the rows of the view `events`.

use warp::Filter;

use crate::Context;
use crate::filter::{EVENT_FILTERS, FIELDS};
use crate::paging::SORT;
use crate::parameter::{RouteParameter, joined, total};

use super::frame::FRAME;
use super::view::{CURSOR, Paging, SINCE, answer};
use super::{Endpoint, LIMIT, READ, ROWS, RequestParts, Route, RouteEntry, reads, respond};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/streaming/events",
        access: ROWS,
        doc: "what happens, of all kinds in one log: trades, corrections, cancels, late ones, alerts, gaps, incidents, dead \
              letters, revisions, controls; `type` selects kinds",
        parameters: PARAMETERS,
    }],
    route,
};

/// The view that it reads.
const EVENTS: &str = "events";

const PARAMETERS: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] =
    &[EVENT_FILTERS, &[SINCE, FIELDS, SORT, LIMIT.declared, CURSOR], FRAME];

fn route(context: &Context) -> Route {
    let (context, paging) = (context.clone(), Paging::new());
    warp::path!("streaming" / "events")
        .and(reads())
        .then(move |request: RequestParts| {
            let (context, paging) = (context.clone(), paging.clone());
            async move {
                let answer = async {
                    let view = context.view(EVENTS)?;
                    answer(&context, &paging, (view, PARAMETERS), &request).await
                };
                respond(request.path.clone(), answer).await
            }
        })
        .boxed()
}
