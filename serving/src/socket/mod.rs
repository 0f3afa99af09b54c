//! One WebSocket: the requests of a client, and its messages.
//!
//! Every text message is a JSON object. A client's message has an `op` and an `id`, which the answer repeats; the
//! server's message has a `type`. The session ends when the client leaves, is idle for too long or does not read its
//! messages, or when the process closes.

mod connection;
mod request;
mod transport;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tungstenite::Message;

use super::frontier_json::frontier_json;
use super::problem::Problem;
use super::subscribe::{CancelHandle, ClientSink, Subscriber, SubscriptionRequest};
use super::{Context, closed};
use connection::{Disconnected, Frame, MessageReader, SocketConnection};
use request::ClientRequest;

pub(super) use transport::Transport;

/// The most bytes of a client's message.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The most subscriptions of a client.
const SUBS_MAX: usize = 64;
/// The interval of pings.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A client that sends nothing for this long, not even a pong, is disconnected.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Why a session ends; the codes are of RFC 6455's private range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// A message was not text.
    Protocol = 4400,
    /// The process stops; the client may reconnect later.
    Drain = 4408,
    /// The client sent nothing for too long.
    Silent = 4410,
}

/// Runs the session of a client to its end; `read` are bytes that were read already.
pub(super) async fn run_session(context: Context, transport: Transport, read: &Bytes) {
    let connection = Arc::new(SocketConnection::new(transport));
    let reader = MessageReader::new(Arc::clone(&connection), read);
    let mut session = Session { context, connection, subs: HashMap::new() };
    let close = session.run(reader).await;
    session.subs.values().for_each(Sub::end);
    if let Ok(Some(close)) = close {
        session.close(close).await;
    }
    session.connection.close();
}

struct Session {
    context: Context,
    connection: Arc<SocketConnection>,
    /// The subscriptions, by the client's names.
    subs: HashMap<Arc<str>, Sub>,
}

/// A subscription.
struct Sub {
    cancel: CancelHandle,
    task: AbortHandle,
}

impl Sub {
    /// Ends it. After the return nothing more is sent.
    fn end(&self) {
        self.cancel.cancel();
        self.task.abort();
    }
}

impl Session {
    async fn run(&mut self, mut reader: MessageReader) -> Result<Option<Close>, Disconnected> {
        self.send(&self.welcome()).await?;
        let mut closing = self.context.closing.clone();
        let connection = Arc::clone(&self.connection);
        let mut flushed = pin!(connection.run_flush());
        let mut last_message = Instant::now();
        let mut ping = interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.tick().await; // the first tick completes at once
        loop {
            tokio::select! {
                message = reader.next() => {
                    last_message = Instant::now();
                    match message? {
                        Message::Close(_) => {
                            reader.answer_close();
                            return Ok(None);
                        }
                        Message::Text(text) => self.answer(&text).await?,
                        Message::Binary(_) => return Ok(Some(Close::Protocol)),
                        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                    }
                }
                gone = &mut flushed => return Err(gone),
                _ = ping.tick() => {
                    if last_message.elapsed() > IDLE_TIMEOUT {
                        return Ok(Some(Close::Silent));
                    }
                    self.connection.send(Frame::Ping, b"").await?;
                }
                () = closed(&mut closing) => return Ok(Some(Close::Drain)),
            }
        }
    }

    /// Answers one message of the client.
    async fn answer(&mut self, text: &str) -> Result<(), Disconnected> {
        let (id, request) = request::read(text, &|name| self.context.view(name));
        let answer = match request.and_then(|request| self.execute(request)) {
            Ok(Done { mut answer, begin }) => {
                answer["id"] = id;
                self.send(&answer).await?;
                if let Some((sub, subscription)) = begin {
                    self.begin(sub, subscription);
                }
                return Ok(());
            }
            Err(problem) => json!({ "type": "error", "id": id, "problem": problem.json() }),
        };
        self.send(&answer).await
    }

    fn execute(&mut self, request: ClientRequest) -> Result<Done, Problem> {
        let done = |answer| Ok(Done { answer, begin: None });
        match request {
            ClientRequest::Subscribe { sub, view, pairs } => {
                if self.subs.contains_key(&*sub) {
                    return Err(request::wrong("sub", format!("`{sub}` is followed already")));
                }
                if self.subs.len() >= SUBS_MAX {
                    let detail = format!("no more than {SUBS_MAX} views can be followed at a time");
                    return Err(request::wrong("sub", detail));
                }
                let subscription = SubscriptionRequest::read(&self.context, view, &pairs)?;
                let key = view.columns.iter().filter(|column| column.is_key);
                let key: Vec<&str> = key.map(|column| column.name).collect();
                let answer = json!({
                    "type": "subscribed", "sub": &*sub, "view": view.name, "resumed": false, "key": key
                });
                Ok(Done { answer, begin: Some((sub, subscription)) })
            }
            ClientRequest::Unsubscribe { sub } => match self.subs.remove(&*sub) {
                Some(subscribed) => {
                    subscribed.end();
                    done(json!({ "type": "unsubscribed", "sub": &*sub }))
                }
                None => Err(request::wrong("sub", format!("`{sub}` is not followed"))),
            },
            ClientRequest::List => {
                let mut subs: Vec<&str> = self.subs.keys().map(|sub| &**sub).collect();
                subs.sort_unstable();
                let views: Vec<&str> = self.context.view_names().collect();
                done(json!({ "type": "list", "subs": subs, "views": views }))
            }
            ClientRequest::Ping => done(json!({
                "type": "pong", "frontier": frontier_json(self.context.run, self.context.reader.frontier())
            })),
        }
    }

    fn begin(&mut self, sub: Arc<str>, subscription: SubscriptionRequest) {
        let sink = Arc::clone(&self.connection) as Arc<dyn ClientSink>;
        let subscriber = Subscriber::new(self.context.clone(), subscription, &sub, sink);
        let cancel = subscriber.cancel_handle();
        let task = tokio::spawn(subscriber.run(false)).abort_handle();
        self.subs.insert(sub, Sub { cancel, task });
    }

    fn welcome(&self) -> Value {
        json!({
            "type": "welcome",
            "version": self.context.version,
            "run": self.context.run.to_string(),
            "frontier": frontier_json(self.context.run, self.context.reader.frontier()),
            "ops": request::OPS,
            "limits": { "subs": SUBS_MAX, "message_bytes": MESSAGE_BYTES_MAX },
        })
    }

    async fn send(&self, message: &Value) -> Result<(), Disconnected> {
        self.connection.send(Frame::Text, message.to_string().as_bytes()).await
    }

    async fn close(&self, close: Close) {
        let reason = match close {
            Close::Protocol => "messages are text",
            Close::Drain => "drain",
            Close::Silent => "silent",
        };
        let closing = json!({
            "type": "closing",
            "code": close as u16,
            "reason": reason,
            "reconnect_after_ms": (close != Close::Protocol).then_some(2_000),
        });
        let closed = async {
            self.send(&closing).await?;
            let payload = [&(close as u16).to_be_bytes()[..], reason.as_bytes()].concat();
            self.connection.send(Frame::Close, &payload).await
        };
        let _ = timeout(Duration::from_secs(1), closed).await;
    }
}

/// The result of a request.
struct Done {
    answer: Value,
    /// The subscription that begins after the answer.
    begin: Option<(Arc<str>, SubscriptionRequest)>,
}
