//! `GET /stream`: subscriptions as server-sent events.
//!
//! An event's name is the type of the message, and its data the message as one line of JSON. Its id is the token of the
//! message, so that a browser that reconnects goes on by itself; of several views it is their tokens, joined by dots.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until};
use warp::Filter;
use warp::Reply;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use crate::filter::FilterQuery;
use crate::parameter::{ParameterType, RouteParameter, WordParameter, Words, joined, total};
use crate::problem::{FieldError, Problem, VALIDATION};
use crate::query::shown;
use crate::resume::restored;
use crate::subscribe::{
    ClientSink, Message, RESUME, SUBSCRIPTION, SendOutcome, Subscriber, SubscriptionRequest, VIEW,
    WaitFuture,
};
use crate::{Context, closed};
use rows::View;

use super::{
    Endpoint, ROWS, RequestParts, Route, RouteEntry, X_ACCEL_BUFFERING, deprecate, reads, respond,
    set,
};

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
const LISTS: &[&[RouteParameter]] = &[SUBSCRIPTION, &[EVENT_NAMES.declared, LAST_EVENT_ID]];
const EVENT_NAMES: WordParameter<EventNames> = WordParameter::new(
    "event_names",
    Words::new(&["typed", "message"], &[EventNames::Typed, EventNames::Message]),
    "typed",
    "`message` is for `EventSource` of browsers: all events have the default name, so `onmessage` gets them, and `type` in \
     their data says what they are. A request that is refused is answered with 200 and one event `error` with the problem; \
     when the browser reconnects after that it is answered with 204, so that it stops",
);
const LAST_EVENT_ID: RouteParameter = RouteParameter::header(
    "Last-Event-ID",
    ParameterType::ResumeToken,
    "what `resume` is; it outranks that, since browsers send it by themselves",
);

/// How events are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EventNames {
    /// By the type of the message.
    Typed,
    /// Not at all, which is `message` to a browser.
    Message,
}

/// How long a client should wait before it reconnects.
const RETRY_MS: u64 = 2_000;

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("stream")
        .and(reads())
        .then(move |request: RequestParts| {
            let context = context.clone();
            async move {
                let path = request.path.clone();
                let told = request.headers.get(LAST_EVENT_ID.name);
                if told.is_some_and(|id| id.as_bytes() == REFUSED_ID.as_bytes()) {
                    return StatusCode::NO_CONTENT.into_response();
                }
                match answer(&context, &request).await {
                    Err(problem) if names_no_events(&request) => refusal(&problem),
                    answer => respond(path, ready(answer)).await,
                }
            }
        })
        .boxed()
}

/// The id of the only event of a request that is refused.
const REFUSED_ID: &str = "refused";

/// Whether a request asks for events without names, also if it is refused for something else.
fn names_no_events(request: &RequestParts) -> bool {
    let given = request.query.iter().find(|(name, _)| EVENT_NAMES.declared.is_named(name));
    given.is_some_and(|(_, word)| EVENT_NAMES.words.meaning(word) == Some(EventNames::Message))
}

/// A refusal that `EventSource` shows: it hides what came with another status than 200.
fn refusal(problem: &Problem) -> Response {
    let data = json!({ "type": "error", "problem": problem.json(), "reconnect": false });
    let text = format!("retry:{RETRY_MS}\nid:{REFUSED_ID}\ndata:{data}\n\n");
    let mut response = Response::new(text.into());
    set(&mut response, CONTENT_TYPE, "text/event-stream");
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// What a query with these parameters asks to follow: each view with the name by which it was requested.
pub(super) fn requested<'a>(
    context: &Context,
    request: &'a RequestParts,
    declared: &'static [RouteParameter],
) -> Result<Vec<(&'a str, SubscriptionRequest)>, Problem> {
    let views = views(context, request)?;
    let requests = views.iter().map(|(name, view)| {
        let filters = FilterQuery::new(&request.query, declared, view);
        match SubscriptionRequest::read_of(context, view, filters, |query| query.word(&EVENT_NAMES))
        {
            Ok((own, _)) => Ok((*name, own)),
            Err(problem) if views.len() > 1 => Err(problem.of_view(name)),
            Err(problem) => Err(problem),
        }
    });
    requests.collect()
}

async fn answer(context: &Context, request: &RequestParts) -> Result<Response, Problem> {
    restored(context).await?;
    let requests = requested(context, request, PARAMETERS)?;
    let renamed = requests.iter().find_map(|(name, _)| context.views.renamed(name));
    let tokens = tokens(request, requests.len());
    let names = match names_no_events(request) {
        true => EventNames::Message,
        false => EventNames::Typed,
    };
    let followed = context.client.follow()?;
    let (out, receiver) = mpsc::channel(1);
    let out = Arc::new(Events::new(out, requests.len(), names));
    for (place, ((name, mut request), token)) in requests.into_iter().zip(tokens).enumerate() {
        request.resume = token;
        let sink = Arc::new(ViewEvents { events: Arc::clone(&out), place });
        let subscriber = Subscriber::new(context.clone(), request, name, sink);
        tokio::spawn(subscriber.run());
    }
    drop(out);
    let events = events(receiver, context.clone(), names).map(move |bytes| {
        let _held = &followed; // until the client is gone
        Ok::<Bytes, Infallible>(bytes)
    });
    let mut response = warp::reply::stream(events).into_response();
    set(&mut response, CONTENT_TYPE, "text/event-stream");
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, X_ACCEL_BUFFERING, "no");
    if let Some(present) = renamed {
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

/// The token of each of so many views: from the header, else from the query.
fn tokens(request: &RequestParts, views: usize) -> Vec<Option<String>> {
    let header = request.headers.get(LAST_EVENT_ID.name);
    let header = header.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let query = request.query.iter().find(|(name, _)| RESUME.is_named(name));
    let id = header.filter(|id| !id.is_empty()).or_else(|| query.map(|(_, id)| id.clone()));
    let Some(id) = id else { return vec![None; views] };
    let parts: Vec<&str> = id.split(TOKEN_SEPARATOR).collect();
    match parts.len() == views {
        true => parts.iter().map(|part| (*part != NO_TOKEN).then(|| (*part).to_owned())).collect(),
        false => vec![Some(id); views], // of another request: no view knows it
    }
}

/// Stands between the tokens of several views, …
const TOKEN_SEPARATOR: char = '.';
/// … and this for one that has none yet.
const NO_TOKEN: &str = "-";

/// Sends messages of all views of a request as the text of events.
struct Events {
    out: mpsc::Sender<Event>,
    /// The newest token of each view. Who sends holds the lock, so that ids are in the order of events.
    tokens: Mutex<Vec<Option<String>>>,
    names: EventNames,
}

/// Sends those of one view.
struct ViewEvents {
    events: Arc<Events>,
    place: usize,
}

impl Events {
    fn new(out: mpsc::Sender<Event>, views: usize, names: EventNames) -> Events {
        Events { out, tokens: Mutex::new(vec![None; views]), names }
    }
}

/// The text of an event in pieces; the long piece is shared by all subscribers with the same key.
type Event = [Bytes; 3];

/// Bodies with more bytes are not copied.
const COPIED_MAX: usize = 4_096;

struct SharedJson(Arc<str>);

impl AsRef<[u8]> for SharedJson {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl ClientSink for ViewEvents {
    fn try_send(&self, message: Message<'_>) -> SendOutcome {
        let mut tokens = self.events.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match self.events.out.try_reserve() {
            Ok(room) => {
                let id = id(&mut tokens, self.place, &message);
                room.send(event(message, id.as_deref(), self.events.names));
                SendOutcome::Taken
            }
            Err(TrySendError::Full(())) => SendOutcome::Full,
            Err(TrySendError::Closed(())) => SendOutcome::Gone,
        }
    }

    fn writable(&self) -> WaitFuture<'_> {
        Box::pin(async {
            let _ = self.events.out.reserve().await;
        })
    }

    fn closed(&self) -> WaitFuture<'_> {
        Box::pin(self.events.out.closed())
    }
}

/// The id of the event of a message; none if the one before still holds.
///
/// A message without a token begins anew, or is a part of that: then nobody could go on with that view.
fn id(tokens: &mut [Option<String>], place: usize, message: &Message<'_>) -> Option<String> {
    let token = message.body.token().map(str::to_owned);
    let own = tokens.get_mut(place)?;
    if *own == token {
        return None;
    }
    *own = token;
    let all: Vec<&str> = tokens.iter().map(|token| token.as_deref().unwrap_or(NO_TOKEN)).collect();
    Some(all.join("."))
}

/// A message as an event. Its JSON is one line.
fn event(message: Message<'_>, id: Option<&str>, names: EventNames) -> Event {
    let mut head = names.head(message.kind.name()).into_bytes();
    let id = id.map_or_else(String::new, |id| format!("\nid:{id}"));
    let json = message.body.json();
    if json.len() <= COPIED_MAX {
        message.json(&mut head);
        head.extend_from_slice(format!("{id}\n\n").as_bytes());
        return [head.into(), Bytes::new(), Bytes::new()];
    }
    message.before(&mut head);
    let tail = [Message::AFTER, id.as_bytes(), b"\n\n"].concat();
    [head.into(), Bytes::from_owner(SharedJson(Arc::clone(json))), tail.into()]
}

impl EventNames {
    /// The text of an event before its data.
    fn head(self, kind: &str) -> String {
        match self {
            EventNames::Typed => format!("event:{kind}\ndata:"),
            EventNames::Message => "data:".to_owned(),
        }
    }
}

/// When the server closes, subscribers tell what is left within this time.
const CLOSING_TIME: Duration = Duration::from_secs(2);

/// All events, until the client has disconnected or the process closes; then a last event says so.
fn events(
    receiver: mpsc::Receiver<Event>,
    context: Context,
    names: EventNames,
) -> impl Stream<Item = Bytes> + Send {
    let first = Bytes::from(format!(":\nretry:{RETRY_MS}\n\n"));
    let rest = stream::unfold(Some((receiver, context)), move |state| async move {
        let (mut receiver, context) = state?;
        let mut closing = context.closing.clone();
        let too_late = async {
            closed(&mut closing).await;
            if !context.client.has_ended() {
                sleep_until(Instant::now() + CLOSING_TIME).await;
            }
        };
        let event = tokio::select! {
            event = receiver.recv() => event,
            () = too_late => None,
        };
        let Some(event) = event else {
            let reason = if context.client.has_ended() { "key" } else { "drain" };
            let data = json!({
                "type": "closing", "reason": reason, "reconnect": true, "reconnect_after_ms": RETRY_MS
            });
            let last = Bytes::from(format!("{}{data}\n\n", names.head("closing")));
            return Some((vec![last], None));
        };
        let pieces = event.into_iter().filter(|piece| !piece.is_empty());
        Some((pieces.collect::<Vec<_>>(), Some((receiver, context))))
    });
    stream::once(async { first }).chain(rest.flat_map(stream::iter))
}
