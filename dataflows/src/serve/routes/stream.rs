//! `GET /stream`: views followed as server-sent events.
//!
//! Each event's name is the message's type, its data the message as one line of JSON, its id the commit up
//! to which all has been told. A client that comes back with such an id is told `resync` and gets a snapshot.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use warp::Filter;
use warp::Reply;
use warp::http::header::{CACHE_CONTROL, HeaderName};
use warp::http::{HeaderMap, Method};
use warp::reply::Response;
use warp::sse::Event;

use crate::serve::follow::{Follower, Message, Wish};
use crate::serve::problem::{Fault, Problem, VALIDATION};
use crate::serve::query::shown;
use crate::serve::{Context, closed};
use crate::views::{VIEWS, View};

use super::rows::named;
use super::{Asked, Endpoint, Entry, Route, answered, reads, set};

pub(super) const ENTRY: Entry = Entry {
    endpoints: &[Endpoint {
        methods: &[Method::GET],
        path: "/stream",
        doc: "follows views as server-sent events; ?view= (several by commas) &symbol= &timeframe= &portfolio= \
              &COLUMN= &snapshot= &encoding=upsert|diff &conflate_ms= &fields= &limit= &numbers=",
    }],
    route,
};

/// How long a client should wait before it comes back.
const RETRY_MS: u64 = 2_000;
const LAST_EVENT_ID: &str = "last-event-id";
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("stream")
        .and(reads())
        .then(move |asked: Asked| {
            let answer = answer(&context, &asked);
            answered(asked.path, async { answer })
        })
        .boxed()
}

fn answer(context: &Context, asked: &Asked) -> Result<Response, Problem> {
    let views = views(asked)?;
    let wishes = views.into_iter().map(|view| Wish::read(context, view, &asked.query));
    let wishes = wishes.collect::<Result<Vec<_>, _>>()?;
    let resumes = has_been_here(&asked.headers);
    let (out, told) = mpsc::channel(1);
    for wish in wishes {
        let sub = Arc::from(wish.told.view.name);
        tokio::spawn(Follower::new(context.clone(), wish, sub, out.clone()).run(resumes));
    }
    let events = events(told, context.closing.clone()).map(Ok::<Event, Infallible>);
    let mut response = warp::sse::reply(events).into_response();
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, X_ACCEL_BUFFERING, "no");
    Ok(response)
}

/// The views that `view` names.
fn views(asked: &Asked) -> Result<Vec<&'static View>, Problem> {
    let names = asked.query.iter().filter(|(name, _)| name == "view");
    let names: Vec<&str> = names.flat_map(|(_, names)| names.split(',').map(str::trim)).collect();
    if names.is_empty() {
        let detail = "`view` is absent: it names what is followed".to_owned();
        let allowed = VIEWS.iter().map(|view| view.name.to_owned()).collect();
        let pointer = "#/query/view".to_owned();
        return Err(Problem::invalid(vec![Fault { pointer, code: "absent", detail, allowed }]));
    }
    let mut views: Vec<&'static View> = Vec::new();
    for name in names {
        let view = named(name)?;
        if views.contains(&view) {
            let detail = format!("`{}` is followed once already", shown(name));
            return Err(Problem::new(VALIDATION, detail));
        }
        views.push(view);
    }
    Ok(views)
}

fn has_been_here(headers: &HeaderMap) -> bool {
    headers.get(LAST_EVENT_ID).is_some_and(|id| !id.is_empty())
}

/// The messages as events; ends when the followers do or the process is closing.
fn events(
    told: mpsc::Receiver<Message>,
    closing: watch::Receiver<bool>,
) -> impl Stream<Item = Event> + Send {
    let first = Event::default().retry(std::time::Duration::from_millis(RETRY_MS)).comment("");
    let rest = stream::unfold((told, closing, false), |(mut told, mut closing, done)| async move {
        if done {
            return None;
        }
        let message = tokio::select! {
            message = told.recv() => Some(message?),
            () = closed(&mut closing) => None,
        };
        let Some(message) = message else {
            let data = format!("{{\"reason\":\"drain\",\"reconnect_after_ms\":{RETRY_MS}}}");
            let last = Event::default().event("closing").data(data);
            return Some((last, (told, closing, true)));
        };
        let event = Event::default().event(message.told.name()).data(message.json());
        let event = match message.commit {
            Some(commit) => event.id(commit.to_string()),
            None => event,
        };
        Some((event, (told, closing, false)))
    });
    stream::once(async { first }).chain(rest)
}
