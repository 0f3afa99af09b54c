//! `GET /stream`: subscriptions as server-sent events.
//!
//! An event's name is the type of the message, its data the message as one line of JSON, and its id the commit that the
//! message completes. A client that reconnects with such an id gets `resync` and a snapshot.

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

use crate::parameter::{ParameterType, RouteParameter, joined, total};
use crate::problem::{FieldError, Problem, VALIDATION};
use crate::query::shown;
use crate::subscribe::{
    ClientSink, Message, SUBSCRIPTION, SendOutcome, Subscriber, SubscriptionRequest, VIEW,
    WaitFuture,
};
use crate::{Context, closed};
use rows::View;

use super::{Endpoint, ROWS, RequestParts, Route, RouteEntry, deprecate, reads, respond, set};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: &[Method::GET],
        path: "/stream",
        access: ROWS,
        doc: "follows views as server-sent events",
        parameters: PARAMETERS,
    }],
    route,
};

const PARAMETERS: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] = &[SUBSCRIPTION, &[LAST_EVENT_ID]];
const LAST_EVENT_ID: RouteParameter = RouteParameter::header(
    "Last-Event-ID",
    ParameterType::Text,
    "the newest message of the client, which comes back: it gets `resync` and a snapshot",
);

/// How long a client should wait before it reconnects.
const RETRY_MS: u64 = 2_000;
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("stream")
        .and(reads())
        .then(move |request: RequestParts| {
            let answer = answer(&context, &request);
            respond(request.path, async { answer })
        })
        .boxed()
}

fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    let views = views(context, request)?;
    let requests = views.iter().map(|(name, view)| {
        match SubscriptionRequest::read(context, view, &request.query) {
            Ok(own) => Ok((*name, own)),
            Err(problem) if views.len() > 1 => Err(problem.of_view(name)),
            Err(problem) => Err(problem),
        }
    });
    let requests = requests.collect::<Result<Vec<_>, Problem>>()?;
    let is_reconnect = has_last_event_id(&request.headers);
    let followed = context.client.follow()?;
    let (out, receiver) = mpsc::channel(1);
    let out: Arc<dyn ClientSink> = Arc::new(Events(out));
    for (name, request) in requests {
        let subscriber = Subscriber::new(context.clone(), request, name, Arc::clone(&out));
        tokio::spawn(subscriber.run(is_reconnect));
    }
    let events = events(receiver, context.closing.clone()).map(move |bytes| {
        let _held = &followed; // until the client is gone
        Ok::<Bytes, Infallible>(bytes)
    });
    let mut response = warp::reply::stream(events).into_response();
    set(&mut response, CONTENT_TYPE, "text/event-stream");
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, X_ACCEL_BUFFERING, "no");
    if let Some(present) = views.iter().find_map(|(name, _)| context.views.renamed(name)) {
        deprecate(&mut response, &format!("/stream?view={present}"));
    }
    Ok(response)
}

/// The views that `view` names, each with the name by which it was requested.
fn views<'a>(
    context: &Context,
    request: &'a RequestParts,
) -> Result<Vec<(&'a str, &'static View)>, Problem> {
    let names = request.query.iter().filter(|(name, _)| VIEW.is_named(name));
    let names: Vec<&str> = names.flat_map(|(_, names)| names.split(',').map(str::trim)).collect();
    if names.is_empty() {
        let detail = format!("`{}` is absent: it names what is followed", VIEW.name);
        let allowed = context.view_names().map(str::to_owned).collect();
        let pointer = format!("#/query/{}", VIEW.name);
        return Err(Problem::invalid(vec![FieldError {
            pointer,
            code: "absent",
            detail,
            allowed,
        }]));
    }
    let mut views: Vec<(&'a str, &'static View)> = Vec::new();
    for name in names {
        let view = context.view(name)?;
        if views.iter().any(|(_, known)| *known == view) {
            let detail = format!("`{}` is followed once already", shown(name));
            return Err(Problem::new(VALIDATION, detail));
        }
        views.push((name, view));
    }
    Ok(views)
}

fn has_last_event_id(headers: &HeaderMap) -> bool {
    headers.get(LAST_EVENT_ID.name).is_some_and(|id| !id.is_empty())
}

/// Sends messages as the text of events.
struct Events(mpsc::Sender<Event>);

/// The text of an event in pieces; the long piece is shared by all subscribers with the same key.
type Event = [Bytes; 3];

/// Bodies with more bytes are not copied.
const COPIED_MAX: usize = 4_096;

struct Body(Arc<str>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl ClientSink for Events {
    fn try_send(&self, message: Message<'_>) -> SendOutcome {
        match self.0.try_reserve() {
            Ok(room) => {
                room.send(event(message));
                SendOutcome::Taken
            }
            Err(TrySendError::Full(())) => SendOutcome::Full,
            Err(TrySendError::Closed(())) => SendOutcome::Gone,
        }
    }

    fn writable(&self) -> WaitFuture<'_> {
        Box::pin(async {
            let _ = self.0.reserve().await;
        })
    }

    fn closed(&self) -> WaitFuture<'_> {
        Box::pin(self.0.closed())
    }
}

/// A message as an event. Its JSON is one line.
fn event(message: Message<'_>) -> Event {
    let mut head = format!("event:{}\ndata:", message.kind.name()).into_bytes();
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

/// All events. Ends when the subscribers end or the process is closing.
fn events(
    receiver: mpsc::Receiver<Event>,
    closing: watch::Receiver<bool>,
) -> impl Stream<Item = Bytes> + Send {
    let first = Bytes::from(format!(":\nretry:{RETRY_MS}\n\n"));
    let rest = stream::unfold(
        (receiver, closing, false),
        |(mut receiver, mut closing, done)| async move {
            if done {
                return None;
            }
            let event = tokio::select! {
                event = receiver.recv() => Some(event?),
                () = closed(&mut closing) => None,
            };
            let Some(event) = event else {
                let data = format!("{{\"reason\":\"drain\",\"reconnect_after_ms\":{RETRY_MS}}}");
                let last = Bytes::from(format!("event:closing\ndata:{data}\n\n"));
                return Some((vec![last], (receiver, closing, true)));
            };
            let pieces = event.into_iter().filter(|piece| !piece.is_empty());
            Some((pieces.collect::<Vec<_>>(), (receiver, closing, false)))
        },
    );
    stream::once(async { first }).chain(rest.flat_map(stream::iter))
}
