//! One WebSocket: what a client asks, and what it is told.
//!
//! Every text message is a JSON object. A client's has an `op` and an `id`, which the answer repeats; the
//! server's has a `type`. The conversation ends when the client leaves, is silent for too long, does not
//! take what it is told, or the process closes.

mod ask;
mod wire;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tungstenite::Message;

use super::follow::{Follower, Leave, Outlet, Wish};
use super::problem::Problem;
use super::routes::frontier_json;
use super::{Context, closed};
use crate::views::VIEWS;
use ask::Ask;
use wire::{Ear, Frame, Gone, Wire};

/// A client's message is at most this long.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// A client follows at most so many views (or parts of views) at a time.
const SUBS_MAX: usize = 64;
/// This often a client is pinged.
const PING: Duration = Duration::from_secs(15);
/// A client that says nothing for this long, not even an answer to a ping, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Why a conversation ends; the codes of RFC 6455's private range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// Messages that are no text.
    Protocol = 4400,
    /// The process stops; come back later.
    Drain = 4408,
    /// Nothing was heard.
    Silent = 4410,
}

/// Talks with a client to the end; `read` is what it has said already.
pub(super) async fn converse(context: Context, stream: TcpStream, read: &Bytes) {
    let wire = Arc::new(Wire::new(stream));
    let ear = Ear::new(Arc::clone(&wire), read);
    let mut talk = Talk { context, wire, subs: HashMap::new() };
    let close = talk.run(ear).await;
    talk.subs.values().for_each(Sub::end);
    if let Ok(Some(close)) = close {
        talk.close(close).await;
    }
    talk.wire.close();
}

struct Talk {
    context: Context,
    wire: Arc<Wire>,
    /// What is followed, by the client's names.
    subs: HashMap<Arc<str>, Sub>,
}

/// Something that is followed.
struct Sub {
    leave: Leave,
    follower: AbortHandle,
}

impl Sub {
    /// Once it returns, nothing more is told.
    fn end(&self) {
        self.leave.leave();
        self.follower.abort();
    }
}

impl Talk {
    async fn run(&mut self, mut ear: Ear) -> Result<Option<Close>, Gone> {
        self.say(&self.welcome()).await?;
        let mut closing = self.context.closing.clone();
        let wire = Arc::clone(&self.wire);
        let mut tended = pin!(wire.tend());
        let mut heard_at = Instant::now();
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.tick().await; // the first comes at once
        loop {
            tokio::select! {
                message = ear.next() => {
                    heard_at = Instant::now();
                    match message? {
                        Message::Close(_) => {
                            ear.part();
                            return Ok(None);
                        }
                        Message::Text(text) => self.answer(&text).await?,
                        Message::Binary(_) => return Ok(Some(Close::Protocol)),
                        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                    }
                }
                gone = &mut tended => return Err(gone),
                _ = ping.tick() => {
                    if heard_at.elapsed() > SILENCE_MAX {
                        return Ok(Some(Close::Silent));
                    }
                    self.wire.send(Frame::Ping, b"").await?;
                }
                () = closed(&mut closing) => return Ok(Some(Close::Drain)),
            }
        }
    }

    /// Answers one message of the client.
    async fn answer(&mut self, text: &str) -> Result<(), Gone> {
        let (id, asked) = ask::read(text);
        let answer = match asked.and_then(|ask| self.obey(ask)) {
            Ok(Done { mut answer, begin }) => {
                answer["id"] = id;
                self.say(&answer).await?;
                if let Some((sub, wish)) = begin {
                    self.begin(sub, wish);
                }
                return Ok(());
            }
            Err(problem) => json!({ "type": "error", "id": id, "problem": problem.json() }),
        };
        self.say(&answer).await
    }

    fn obey(&mut self, ask: Ask) -> Result<Done, Problem> {
        let done = |answer| Ok(Done { answer, begin: None });
        match ask {
            Ask::Subscribe { sub, view, pairs } => {
                if self.subs.contains_key(&*sub) {
                    return Err(ask::wrong("sub", format!("`{sub}` is followed already")));
                }
                if self.subs.len() >= SUBS_MAX {
                    let detail = format!("no more than {SUBS_MAX} views can be followed at a time");
                    return Err(ask::wrong("sub", detail));
                }
                let wish = Wish::read(&self.context, view, &pairs)?;
                let key = view.columns.iter().filter(|column| column.key);
                let key: Vec<&str> = key.map(|column| column.name).collect();
                let answer = json!({
                    "type": "subscribed", "sub": &*sub, "view": view.name, "resumed": false, "key": key
                });
                Ok(Done { answer, begin: Some((sub, wish)) })
            }
            Ask::Unsubscribe { sub } => match self.subs.remove(&*sub) {
                Some(followed) => {
                    followed.end();
                    done(json!({ "type": "unsubscribed", "sub": &*sub }))
                }
                None => Err(ask::wrong("sub", format!("`{sub}` is not followed"))),
            },
            Ask::List => {
                let mut subs: Vec<&str> = self.subs.keys().map(|sub| &**sub).collect();
                subs.sort_unstable();
                let views: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
                done(json!({ "type": "list", "subs": subs, "views": views }))
            }
            Ask::Ping => done(json!({
                "type": "pong", "frontier": frontier_json(self.context.reader.frontier())
            })),
        }
    }

    fn begin(&mut self, sub: Arc<str>, wish: Wish) {
        let outlet = Arc::clone(&self.wire) as Arc<dyn Outlet>;
        let follower = Follower::new(self.context.clone(), wish, &sub, outlet);
        let leave = follower.leave();
        let follower = tokio::spawn(follower.run(false)).abort_handle();
        self.subs.insert(sub, Sub { leave, follower });
    }

    fn welcome(&self) -> Value {
        json!({
            "type": "welcome",
            "version": self.context.version,
            "frontier": frontier_json(self.context.reader.frontier()),
            "ops": ask::OPS,
            "limits": { "subs": SUBS_MAX, "message_bytes": MESSAGE_BYTES_MAX },
        })
    }

    async fn say(&self, message: &Value) -> Result<(), Gone> {
        self.wire.send(Frame::Text, message.to_string().as_bytes()).await
    }

    async fn close(&self, close: Close) {
        let reason = match close {
            Close::Protocol => "messages are text",
            Close::Drain => "drain",
            Close::Silent => "silent",
        };
        let told = json!({
            "type": "closing",
            "code": close as u16,
            "reason": reason,
            "reconnect_after_ms": (close != Close::Protocol).then_some(2_000),
        });
        let closed = async {
            self.say(&told).await?;
            let payload = [&(close as u16).to_be_bytes()[..], reason.as_bytes()].concat();
            self.wire.send(Frame::Close, &payload).await
        };
        let _ = timeout(Duration::from_secs(1), closed).await;
    }
}

/// What became of something that was asked.
struct Done {
    answer: Value,
    /// What is followed from now on.
    begin: Option<(Arc<str>, Wish)>,
}
