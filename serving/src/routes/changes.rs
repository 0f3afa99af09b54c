//! `GET /v1/views/{view}/changes`: the changes of a view by requests of their own, so by long polling.
//!
//! An answer holds the messages of `/stream`. It ends with the first one with which the client has everything up to a
//! commit; the next request shows its token. With `follow=true` the answer does not end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use warp::http::Method;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::filter::{FILTERS, FilterQuery};
use crate::format::{Format, accept};
use crate::parameter::{
    CountParameter, CountRange, RouteParameter, WordParameter, Words, joined, total,
};
use crate::problem::Problem;
use crate::resume::restored;
use crate::subscribe::{
    ClientSink, Message, MessageKind, OPTIONS, SendOutcome, Subscriber, SubscriptionRequest,
    WaitFuture,
};
use crate::{Context, closed};

use super::view::VIEW;
use super::{
    Endpoint, ROWS, RequestParts, Route, RouteEntry, X_ACCEL_BUFFERING, reads, respond, set,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: &[Method::GET],
        path: "/v1/views/{view}/changes",
        access: ROWS,
        doc: "the changes of a view since a token, or a snapshot with the first token; waits for the next change",
        parameters: PARAMETERS,
    }],
    route,
};

const WAIT_MS: CountParameter = CountParameter::milliseconds(
    "wait_ms",
    CountRange { least: 0, most: 60_000, default: 20_000 },
    "how long to wait for a change",
);
const FOLLOW: WordParameter<bool> = WordParameter::new(
    "follow",
    Words::new(&["true", "false"], &[true, false]),
    "false",
    "whether the answer goes on with every change, and never ends",
);
const FORMAT: WordParameter<Option<Format>> = WordParameter::optional(
    "format",
    Words::new(&["json", "ndjson"], &[Some(Format::Json), Some(Format::Ndjson)]),
    "one object with all messages, or a line for each; without it `Accept` decides",
);
const FORMATS: &[Format] = &[Format::Json, Format::Ndjson];
const ACCEPT: RouteParameter = accept(&["application/json", "application/x-ndjson"]);

const PARAMETERS: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] =
    &[&[VIEW], FILTERS, OPTIONS, &[WAIT_MS.declared, FOLLOW.declared, FORMAT.declared, ACCEPT]];

fn route(context: &Context) -> Route {
    let context = context.clone();
    warp::path!("v1" / "views" / String / "changes")
        .and(reads())
        .then(move |name: String, request: RequestParts| {
            let context = context.clone();
            async move {
                let answer = answer(&context, &name, &request);
                respond(request.path.clone(), answer).await
            }
        })
        .boxed()
}

async fn answer(
    context: &Context,
    name: &str,
    request: &RequestParts,
) -> Result<Response, Problem> {
    restored(context).await?;
    let view = context.view(name)?;
    let filters = FilterQuery::new(&request.query, PARAMETERS, view);
    let (subscription, (wait, follows, format)) =
        SubscriptionRequest::read_of(context, view, filters, |query| {
            let wait = Duration::from_millis(query.count(&WAIT_MS) as u64);
            (wait, query.word(&FOLLOW), query.word(&FORMAT))
        })?;
    let format = match format {
        Some(format) => format,
        None => Format::accepted(&request.headers, FORMATS)?,
    };
    let followed = context.client.follow()?;
    let (out, receiver) = mpsc::channel(1);
    let sink = Arc::new(Messages(out));
    tokio::spawn(Subscriber::new(context.clone(), subscription, view.name, sink).run());
    let polled = Polled {
        receiver,
        closing: context.closing.clone(),
        until: (!follows).then(|| Instant::now() + wait),
    };
    let body = body(polled, format).map(move |bytes| {
        let _held = &followed; // until the answer has ended
        Ok::<Bytes, Infallible>(bytes)
    });
    let mut response = warp::reply::stream(body).into_response();
    set(&mut response, CONTENT_TYPE, format.content_type());
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, X_ACCEL_BUFFERING, "no");
    Ok(response)
}

/// Takes messages as JSON.
struct Messages(mpsc::Sender<Taken>);

struct Taken {
    kind: MessageKind,
    json: Vec<u8>,
    token: Option<String>,
}

impl ClientSink for Messages {
    fn try_send(&self, message: Message<'_>) -> SendOutcome {
        match self.0.try_reserve() {
            Ok(room) => {
                let (kind, token) = (message.kind, message.body.token().map(str::to_owned));
                let mut json = Vec::new();
                message.json(&mut json);
                room.send(Taken { kind, json, token });
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

/// The messages of an answer.
struct Polled {
    receiver: mpsc::Receiver<Taken>,
    closing: watch::Receiver<bool>,
    /// Until when it waits for a change; none: it never ends.
    until: Option<Instant>,
}

impl Polled {
    /// The next message; none when the time is over, or when the subscription has ended. That nothing has changed is said
    /// when the time is over.
    async fn next(&mut self, has_token: bool) -> Option<Taken> {
        let Some(until) = self.until else { return self.receiver.recv().await };
        let over = async {
            tokio::select! {
                () = sleep_until(until) => {}
                () = closed(&mut self.closing) => {}
            }
        };
        let mut over = pin!(over);
        let mut unchanged = None;
        loop {
            let message = tokio::select! {
                biased;
                message = self.receiver.recv() => message,
                // Without a token the client could not go on: it comes with the snapshot.
                () = &mut over, if has_token => None,
            };
            match message {
                Some(message) if has_token && message.kind == MessageKind::Progress => {
                    unchanged = Some(message);
                }
                Some(message) => return Some(message),
                None => return unchanged,
            }
        }
    }

    /// Whether the answer ends with this message.
    fn ends_with(&self, message: &Taken) -> bool {
        self.until.is_some() && message.token.is_some() && message.kind != MessageKind::Resumed
    }
}

/// Where a body is: what is left to read, and the newest token.
struct Progress {
    polled: Option<Polled>,
    token: Option<String>,
    is_first: bool,
}

/// The text of an answer, message by message, so that no snapshot is held as a whole.
fn body(polled: Polled, format: Format) -> impl Stream<Item = Bytes> + Send {
    let is_json = format == Format::Json;
    let head = Bytes::from_static(if is_json { b"{\"messages\":[" } else { b"" });
    let begun = Progress { polled: Some(polled), token: None, is_first: true };
    let rest = stream::unfold(Some(begun), move |progress| async move {
        let Progress { polled, token, is_first } = progress?;
        let next = match polled {
            Some(mut polled) => polled.next(token.is_some()).await.map(|next| (next, polled)),
            None => None,
        };
        let Some((message, polled)) = next else {
            let token = serde_json::Value::from(token);
            let tail = if is_json { format!("],\"resume\":{token}}}\n") } else { String::new() };
            return Some((Bytes::from(tail), None));
        };
        let polled = (!polled.ends_with(&message)).then_some(polled);
        let mut piece = Vec::with_capacity(message.json.len() + 1);
        if is_json && !is_first {
            piece.push(b',');
        }
        piece.extend_from_slice(&message.json);
        if !is_json {
            piece.push(b'\n');
        }
        let token = message.token.or(token);
        Some((piece.into(), Some(Progress { polled, token, is_first: false })))
    });
    stream::once(async { head }).chain(rest).filter(|piece| {
        let has_text = !piece.is_empty();
        async move { has_text }
    })
}
