//! `GET /stream`: views followed as server-sent events.
//!
//! Each event's name is the message's type, its data the message as one line of JSON, its id the commit up
//! to which all has been told. A client that comes back with such an id is told `resync` and gets a snapshot.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use warp::Filter;
use warp::Reply;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use warp::http::{HeaderMap, Method};
use warp::reply::Response;

use crate::serve::follow::{Follower, Message, Offered, Outlet, Waiting, Wish};
use crate::serve::problem::{Fault, Problem, VALIDATION};
use crate::serve::query::shown;
use crate::serve::{Context, closed};
use crate::views::{VIEWS, View, renamed};

use super::rows::named;
use super::{Asked, Endpoint, Entry, Route, answered, deprecate, reads, set};

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
    let wishes =
        views.iter().map(|(name, view)| Ok((*name, Wish::read(context, view, &asked.query)?)));
    let wishes = wishes.collect::<Result<Vec<_>, Problem>>()?;
    let resumes = has_been_here(&asked.headers);
    let (out, told) = mpsc::channel(1);
    let out: Arc<dyn Outlet> = Arc::new(Events(out));
    for (name, wish) in wishes {
        let follower = Follower::new(context.clone(), wish, name, Arc::clone(&out));
        tokio::spawn(follower.run(resumes));
    }
    let events = events(told, context.closing.clone()).map(Ok::<Bytes, Infallible>);
    let mut response = warp::reply::stream(events).into_response();
    set(&mut response, CONTENT_TYPE, "text/event-stream");
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, X_ACCEL_BUFFERING, "no");
    if let Some(present) = views.iter().find_map(|(name, _)| renamed(name)) {
        deprecate(&mut response, &format!("/stream?view={present}"));
    }
    Ok(response)
}

/// The views that `view` names, each with the name by which it was requested.
fn views(asked: &Asked) -> Result<Vec<(&str, &'static View)>, Problem> {
    let names = asked.query.iter().filter(|(name, _)| name == "view");
    let names: Vec<&str> = names.flat_map(|(_, names)| names.split(',').map(str::trim)).collect();
    if names.is_empty() {
        let detail = "`view` is absent: it names what is followed".to_owned();
        let allowed = VIEWS.iter().map(|view| view.name.to_owned()).collect();
        let pointer = "#/query/view".to_owned();
        return Err(Problem::invalid(vec![Fault { pointer, code: "absent", detail, allowed }]));
    }
    let mut views: Vec<(&str, &'static View)> = Vec::new();
    for name in names {
        let view = named(name)?;
        if views.iter().any(|(_, known)| *known == view) {
            let detail = format!("`{}` is followed once already", shown(name));
            return Err(Problem::new(VALIDATION, detail));
        }
        views.push((name, view));
    }
    Ok(views)
}

fn has_been_here(headers: &HeaderMap) -> bool {
    headers.get(LAST_EVENT_ID).is_some_and(|id| !id.is_empty())
}

/// What a client is told, as the text of events.
struct Events(mpsc::Sender<Event>);

/// The text of an event in pieces: the long one is shared by all who are told the same.
type Event = [Bytes; 3];

/// A body of more bytes is not copied.
const COPIED_MAX: usize = 4_096;

struct Body(Arc<str>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Outlet for Events {
    fn offer(&self, message: Message<'_>) -> Offered {
        match self.0.try_reserve() {
            Ok(room) => {
                room.send(event(message));
                Offered::Taken
            }
            Err(TrySendError::Full(())) => Offered::Full,
            Err(TrySendError::Closed(())) => Offered::Gone,
        }
    }

    fn room(&self) -> Waiting<'_> {
        Box::pin(async {
            let _ = self.0.reserve().await;
        })
    }

    fn gone(&self) -> Waiting<'_> {
        Box::pin(self.0.closed())
    }
}

/// A message as an event. Its JSON is one line.
fn event(message: Message<'_>) -> Event {
    let mut head = format!("event:{}\ndata:", message.told.name()).into_bytes();
    let id = message.commit.map_or_else(String::new, |commit| format!("\nid:{commit}"));
    if message.body.len() <= COPIED_MAX {
        message.json(&mut head);
        head.extend_from_slice(format!("{id}\n\n").as_bytes());
        return [head.into(), Bytes::new(), Bytes::new()];
    }
    message.before(&mut head);
    let tail = [Message::AFTER, id.as_bytes(), b"\n\n"].concat();
    [head.into(), Bytes::from_owner(Body(Arc::clone(message.body))), tail.into()]
}

/// All that is told; ends when the followers do or the process is closing.
fn events(
    told: mpsc::Receiver<Event>,
    closing: watch::Receiver<bool>,
) -> impl Stream<Item = Bytes> + Send {
    let first = Bytes::from(format!(":\nretry:{RETRY_MS}\n\n"));
    let rest = stream::unfold((told, closing, false), |(mut told, mut closing, done)| async move {
        if done {
            return None;
        }
        let event = tokio::select! {
            event = told.recv() => Some(event?),
            () = closed(&mut closing) => None,
        };
        let Some(event) = event else {
            let data = format!("{{\"reason\":\"drain\",\"reconnect_after_ms\":{RETRY_MS}}}");
            let last = Bytes::from(format!("event:closing\ndata:{data}\n\n"));
            return Some((vec![last], (told, closing, true)));
        };
        let pieces = event.into_iter().filter(|piece| !piece.is_empty());
        Some((pieces.collect::<Vec<_>>(), (told, closing, false)))
    });
    stream::once(async { first }).chain(rest.flat_map(stream::iter))
}
