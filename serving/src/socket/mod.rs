//! One WebSocket: the requests of a client, and its messages.
//!
//! Every text message is a JSON object. A client's message has an `op` and an `id`, which the answer repeats; the
//! server's message has a `type`. The session ends when the client leaves, is idle for too long or does not read its
//! messages, or when the process closes.

mod connection;
mod deflate;
mod frame;
mod inflate;
mod message_reader;
mod request;
mod transport;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tungstenite::Message;

use super::frontier_json::frontier_json;
use super::problem::Problem;
use super::resume::restored;
use super::subscribe::{
    ClientSink, GroupMember, GroupSubscriber, Subscriber, SubscriptionHandle, SubscriptionRequest,
};
use super::{Context, closed};
use connection::{Disconnected, SocketConnection};
use frame::Frame;
use message_reader::{MessageReader, Unreadable};
use request::{ClientRequest, Member};
use rows::View;

pub(super) use deflate::agreed_deflate;
pub(super) use transport::Transport;

/// The most bytes of a client's message.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The most subscriptions of a client.
const SUBS_MAX: usize = 64;
/// The interval of pings.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A client that sends nothing for this long, not even a pong, is disconnected.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// When the server closes, subscriptions tell what is left within this time.
const FINISH_TIME: Duration = Duration::from_secs(2);

/// Why a session ends; the codes are of RFC 6455's private range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// What came was no text in frames of RFC 6455.
    Protocol = 4400,
    /// The process stops; the client may reconnect later.
    Drain = 4408,
    /// The key of the client is good no more, or allows something else now.
    Key = 4401,
    /// The client sent nothing for too long.
    Silent = 4410,
    /// A message was longer than [`MESSAGE_BYTES_MAX`].
    TooLarge = 4413,
}

impl Close {
    fn reason(self) -> &'static str {
        match self {
            Close::Protocol => "messages are text in frames of RFC 6455",
            Close::Drain => "drain",
            Close::Key => "key",
            Close::Silent => "silent",
            Close::TooLarge => "the message is too long",
        }
    }

    /// Whether the same client may come back and do as it did.
    fn is_worth_coming_back(self) -> bool {
        matches!(self, Close::Drain | Close::Key | Close::Silent)
    }
}

/// A connection that has become a WebSocket.
pub(super) struct Upgraded {
    pub(super) transport: Transport,
    /// Bytes of the client that were read already.
    pub(super) read: Bytes,
    /// Whether messages may be compressed: that was agreed on.
    pub(super) deflates: bool,
}

/// Runs the session of a client to its end. `follows` are subscriptions that it begins with.
pub(super) async fn run_session(
    context: Context,
    upgraded: Upgraded,
    follows: Vec<(String, SubscriptionRequest)>,
) {
    let Upgraded { transport, read, deflates } = upgraded;
    let connection = Arc::new(SocketConnection::new(transport, deflates));
    let reader = MessageReader::new(Arc::clone(&connection), &read);
    drop(read); // a piece of the buffer of the request, which is 8 KiB
    let mut session = Session { context, connection, subs: HashMap::new() };
    let close = session.run(reader, follows).await;
    if matches!(close, Ok(Some(Close::Drain))) {
        session.finish().await;
    }
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

/// A subscription, or a group.
struct Sub {
    handle: SubscriptionHandle,
    task: JoinHandle<()>,
    /// How many views it follows.
    views: usize,
}

impl Sub {
    /// Ends it. After the return nothing more is sent.
    fn end(&self) {
        self.handle.cancel();
        self.task.abort();
    }
}

impl Session {
    async fn run(
        &mut self,
        mut reader: MessageReader,
        follows: Vec<(String, SubscriptionRequest)>,
    ) -> Result<Option<Close>, Disconnected> {
        self.send(&self.welcome()).await?;
        for (name, request) in follows {
            let done = self.subscribed(name.into(), request);
            self.reply(Value::Null, done).await?;
        }
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
                    let message = match message {
                        Ok(message) => message,
                        Err(Unreadable::Gone) => return Err(Disconnected),
                        Err(Unreadable::TooLarge) => return Ok(Some(Close::TooLarge)),
                        Err(Unreadable::Malformed) => return Ok(Some(Close::Protocol)),
                    };
                    match message {
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
                () = closed(&mut closing) => {
                    let has_key = !self.context.client.has_ended();
                    return Ok(Some(if has_key { Close::Drain } else { Close::Key }));
                }
            }
        }
    }

    /// Answers one message of the client.
    async fn answer(&mut self, text: &str) -> Result<(), Disconnected> {
        let (id, request) = request::read(text, &|name| self.context.view(name));
        if matches!(request, Ok(ClientRequest::Subscribe(_) | ClientRequest::SubscribeGroup { .. }))
            && let Err(problem) = restored(&self.context).await
        {
            return self.send(&error(&id, &problem)).await;
        }
        let answer = match request.and_then(|request| self.execute(request)) {
            Ok(done) => return self.reply(id, done).await,
            Err(problem) => error(&id, &problem),
        };
        self.send(&answer).await
    }

    /// Sends an answer; what it is about begins after it.
    async fn reply(&mut self, id: Value, done: Done) -> Result<(), Disconnected> {
        let Done { mut answer, begin } = done;
        answer["id"] = id;
        self.send(&answer).await?;
        if let Some((name, views, begin)) = begin {
            self.begin(name, views, begin);
        }
        Ok(())
    }

    fn execute(&mut self, request: ClientRequest) -> Result<Done, Problem> {
        let done = |answer| Ok(Done { answer, begin: None });
        match request {
            ClientRequest::Subscribe(member) => self.subscribe(member),
            ClientRequest::SubscribeGroup { group, members, resume } => {
                self.subscribe_group(group, members, resume)
            }
            ClientRequest::Credit { sub, messages } => match self.subs.get(&*sub) {
                Some(subscribed) if subscribed.handle.add_credit(messages) => {
                    done(json!({ "type": "credited", "sub": &*sub, "n": messages }))
                }
                Some(_) => {
                    let detail =
                        format!("`{sub}` was subscribed to without `credit`, so it is not counted");
                    Err(request::wrong("sub", detail))
                }
                None => Err(not_followed(&sub)),
            },
            ClientRequest::Unsubscribe { sub } => match self.subs.remove(&*sub) {
                Some(subscribed) => {
                    subscribed.end();
                    done(json!({ "type": "unsubscribed", "sub": &*sub, "subs": self.names() }))
                }
                None => Err(not_followed(&sub)),
            },
            ClientRequest::List => {
                let views: Vec<&str> = self.context.view_names().collect();
                done(json!({ "type": "list", "subs": self.names(), "views": views }))
            }
            ClientRequest::Ping => done(json!({
                "type": "pong", "frontier": frontier_json(self.context.run, self.context.reader.frontier())
            })),
        }
    }

    fn subscribe(&mut self, member: Member) -> Result<Done, Problem> {
        let Member { sub, view, pairs, credit } = member;
        self.check_new("sub", &sub, 1)?;
        let request = SubscriptionRequest::read(&self.context, view, &pairs)?;
        Ok(self.subscribed(sub, SubscriptionRequest { credit, ..request }))
    }

    /// A subscription that is fine, with its answer.
    fn subscribed(&self, sub: Arc<str>, request: SubscriptionRequest) -> Done {
        let view = request.key.view;
        let mut subs = self.names();
        subs.push(&sub);
        let answer = json!({
            "type": "subscribed", "sub": &*sub, "view": view.name, "key": key_names(view), "subs": subs
        });
        let sink = Arc::clone(&self.connection) as Arc<dyn ClientSink>;
        let subscriber = Subscriber::new(self.context.clone(), request, &sub, sink);
        Done { answer, begin: Some((sub, 1, Begin::One(subscriber))) }
    }

    fn subscribe_group(
        &mut self,
        group: Arc<str>,
        members: Vec<Member>,
        resume: Option<String>,
    ) -> Result<Done, Problem> {
        self.check_new("group", &group, members.len())?;
        let mut followed = Vec::with_capacity(members.len());
        let mut requests = Vec::with_capacity(members.len());
        for Member { sub, view, pairs, .. } in &members {
            let request = SubscriptionRequest::read(&self.context, view, pairs);
            let request = request.map_err(|problem| problem.of_view(view.name))?;
            requests.push(GroupMember::new(sub, request));
            followed.push(json!({ "sub": &**sub, "view": view.name, "key": key_names(view) }));
        }
        let mut subs = self.names();
        subs.push(&group);
        let answer = json!({
            "type": "subscribed", "group": &*group, "members": followed, "subs": subs
        });
        let sink = Arc::clone(&self.connection) as Arc<dyn ClientSink>;
        let subscriber = GroupSubscriber::new(self.context.clone(), &group, requests, resume, sink);
        Ok(Done { answer, begin: Some((group, members.len(), Begin::Group(subscriber))) })
    }

    /// Checks that a name is free, and that so many more views may be followed.
    fn check_new(&self, field: &str, name: &str, views: usize) -> Result<(), Problem> {
        if self.subs.contains_key(name) {
            return Err(request::wrong(field, format!("`{name}` is followed already")));
        }
        let followed: usize = self.subs.values().map(|sub| sub.views).sum();
        if followed + views > SUBS_MAX {
            let detail = format!("no more than {SUBS_MAX} views can be followed at a time");
            return Err(request::wrong(field, detail));
        }
        Ok(())
    }

    fn begin(&mut self, name: Arc<str>, views: usize, begin: Begin) {
        let (handle, task) = match begin {
            Begin::One(subscriber) => (subscriber.handle(), tokio::spawn(subscriber.run())),
            Begin::Group(group) => {
                (SubscriptionHandle::Group(group.cursor()), tokio::spawn(group.run()))
            }
        };
        self.subs.insert(name, Sub { handle, task, views });
    }

    /// The names of all subscriptions, sorted.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.subs.keys().map(|sub| &**sub).collect();
        names.sort_unstable();
        names
    }

    /// Waits until every client of a subscription has been told of all that was committed.
    async fn finish(&mut self) {
        let tasks = self.subs.values_mut().map(|sub| &mut sub.task);
        let connection = Arc::clone(&self.connection);
        let told = timeout(FINISH_TIME, join_all(tasks));
        tokio::select! {
            _ = told => {}
            _ = connection.run_flush() => {}
        }
    }

    fn welcome(&self) -> Value {
        json!({
            "type": "welcome",
            "version": self.context.version,
            "run": self.context.run.to_string(),
            "frontier": frontier_json(self.context.run, self.context.reader.frontier()),
            "ops": request::OPS,
            "limits": {
                "subs": SUBS_MAX, "group": request::MEMBERS_MAX, "message_bytes": MESSAGE_BYTES_MAX
            },
        })
    }

    async fn send(&self, message: &Value) -> Result<(), Disconnected> {
        self.connection.send(Frame::Text, message.to_string().as_bytes()).await
    }

    async fn close(&self, close: Close) {
        let (reason, reconnect) = (close.reason(), close.is_worth_coming_back());
        let closing = json!({
            "type": "closing",
            "code": close as u16,
            "reason": reason,
            "reconnect": reconnect,
            "reconnect_after_ms": reconnect.then_some(2_000),
        });
        let closed = async {
            self.send(&closing).await?;
            let payload = [&(close as u16).to_be_bytes()[..], reason.as_bytes()].concat();
            self.connection.send(Frame::Close, &payload).await
        };
        let _ = timeout(Duration::from_secs(1), closed).await;
    }
}

/// The answer to a request that was refused.
fn error(id: &Value, problem: &Problem) -> Value {
    json!({ "type": "error", "id": id, "problem": problem.json() })
}

/// The result of a request.
struct Done {
    answer: Value,
    /// What begins after the answer: its name, how many views it follows, and the subscriber.
    begin: Option<(Arc<str>, usize, Begin)>,
}

/// What begins.
enum Begin {
    One(Subscriber),
    Group(GroupSubscriber),
}

/// The names of the columns that make the key of a view.
fn key_names(view: &View) -> Vec<&'static str> {
    view.columns.iter().filter(|column| column.is_key).map(|column| column.name).collect()
}

fn not_followed(sub: &str) -> Problem {
    request::wrong("sub", format!("`{sub}` is not followed"))
}
