//! Identical subscriptions at different cursors: each receives exactly the changes it lacks, by broadcast or by its own
//! reads.

use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use market::{BarState, Commit, EventTime};
use serde_json::{Value, json};
use tokio::sync::watch;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message as Frame, WebSocket};

use super::sockets::Running;
use super::views::view;
use super::{Server, cells};
use crate::Limits;
use crate::subscribe::{
    ClientSink, Message, SendOutcome, Subscriber, SubscriptionRequest, WaitFuture,
};
use rows::{
    AsOf, CandlePage, Cell, Change, Changes, Cut, Frontier, Page, ReadError, ReadFuture, RowFilter,
    Scan, Snapshot, SnapshotPart, View, ViewReader,
};

/// One bar that every commit restates.
pub(super) struct Steps {
    server: Server,
    /// The row after each commit.
    rows: Mutex<Vec<Vec<Cell>>>,
    moved: watch::Sender<u64>,
}

impl Steps {
    pub(super) fn new() -> Arc<Steps> {
        let server = Server::new();
        server.context.catalog.resolve("a:B").unwrap();
        let steps = Steps { server, rows: Mutex::default(), moved: watch::Sender::new(0) };
        steps.step();
        Arc::new(steps)
    }

    /// A server of these rows.
    pub(super) fn served(self: &Arc<Steps>) -> Server {
        let mut server = Server::new();
        server.context = self.server.context.clone();
        server.context.reader = Arc::<Steps>::clone(self);
        server
    }

    /// A commit.
    pub(super) fn step(&self) {
        let mut rows = self.rows.lock().unwrap();
        let number = rows.len() as i64 + 1;
        self.server.bar("a:B", "1m", "2024-08-09T12:00:00Z", number, BarState::Open);
        let bars = self.server.rows.candles.lock().unwrap();
        rows.extend(bars.iter().map(|(key, candle)| cells(key, candle)));
        self.moved.send_replace(number as u64 - 1);
    }

    /// Starts a subscriber; the fields are those of [`Client`].
    fn follow(self: &Arc<Steps>, encoding: &str, rejections: &[usize]) -> Arc<Client> {
        let client = Arc::new(Client {
            steps: Arc::clone(self),
            outcome: AtomicUsize::new(0),
            rejections: rejections.to_vec(),
            received: Mutex::default(),
        });
        let mut context = self.server.context.clone();
        context.reader = Arc::<Steps>::clone(self);
        let pairs = [("encoding".to_owned(), encoding.to_owned())];
        let request = SubscriptionRequest::read(&context, view("candles"), &pairs).unwrap();
        let sink = Arc::clone(&client) as Arc<dyn ClientSink>;
        tokio::spawn(Subscriber::new(context, request, "s", sink).run());
        client
    }
}

impl ViewReader for Steps {
    fn frontier(&self) -> Frontier {
        let commit = self.rows.lock().unwrap().len() as u64 - 1;
        Frontier { commit: Some(Commit(commit)), at: EventTime(commit as i64) }
    }

    fn scan(&self, _: Scan) -> ReadFuture<'_, Page> {
        Box::pin(ready(Err(ReadError::Closed)))
    }

    fn cut(&self, _: &[&'static View], _: Option<AsOf>) -> Result<Arc<dyn Cut>, ReadError> {
        Err(ReadError::Closed)
    }

    fn candles(&self, _: Scan) -> ReadFuture<'_, CandlePage> {
        Box::pin(ready(Err(ReadError::Closed)))
    }

    fn snapshot(
        &self,
        _: &'static View,
        _: Arc<RowFilter>,
        _: usize,
    ) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        let rows = self.rows.lock().unwrap().last().cloned();
        let whole: Arc<dyn Snapshot> = Arc::new(Whole(self.frontier(), rows));
        Box::pin(ready(Ok(whole)))
    }

    fn changes(
        &self,
        _: &'static View,
        _: Arc<RowFilter>,
        after: Option<Commit>,
        through: Frontier,
    ) -> ReadFuture<'_, Changes> {
        let rows = self.rows.lock().unwrap();
        let of = |commit: Option<Commit>, diff| Change {
            cells: rows[commit.unwrap().0 as usize].clone(),
            diff,
        };
        let changes = vec![of(after, -1), of(through.commit, 1)];
        Box::pin(ready(Ok(Changes { frontier: through, changes })))
    }

    fn moved(&self, _: &'static View) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    fn count(&self, _: &'static View) -> u64 {
        1
    }
}

struct Whole(Frontier, Option<Vec<Cell>>);

impl Snapshot for Whole {
    fn frontier(&self) -> Frontier {
        self.0
    }

    fn next(&self, _: usize) -> SnapshotPart {
        (self.1.clone().into_iter().collect(), None)
    }
}

/// Has no room for some of what it is outcome, counted from 0. Just then, before anybody can do anything about
/// it, the view goes on.
struct Client {
    steps: Arc<Steps>,
    outcome: AtomicUsize,
    rejections: Vec<usize>,
    received: Mutex<Vec<Value>>,
}

impl ClientSink for Client {
    fn try_send(&self, message: Message<'_>) -> SendOutcome {
        let outcome = self.outcome.fetch_add(1, Ordering::SeqCst);
        if self.rejections.contains(&outcome) {
            self.steps.step();
            return SendOutcome::Full;
        }
        let mut json = Vec::new();
        message.json(&mut json);
        self.received.lock().unwrap().push(serde_json::from_slice(&json).unwrap());
        SendOutcome::Taken
    }

    fn writable(&self) -> WaitFuture<'_> {
        Box::pin(ready(()))
    }

    fn closed(&self) -> WaitFuture<'_> {
        Box::pin(pending())
    }
}

impl Client {
    /// Waits until it has received everything.
    async fn caught_up(&self) {
        let all = || self.steps.frontier().commit.map(|commit| commit.0);
        let received = || {
            let received = self.received.lock().unwrap();
            received.last().and_then(|last| last["frontier"]["commit"].as_u64())
        };
        let caught_up = async {
            while received() != all() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let limit = Duration::from_secs(20);
        assert!(
            tokio::time::timeout(limit, caught_up).await.is_ok(),
            "received up to {:?}",
            received()
        );
    }

    /// The rows that its messages add up to, and how often each is there; each message must follow on the one
    /// before.
    fn added_up(&self) -> BTreeMap<String, i64> {
        let mut rows = BTreeMap::new();
        let mut through = None;
        for (seq, message) in self.received.lock().unwrap().iter().enumerate() {
            assert_eq!(message["seq"], seq, "{message}");
            match message["type"].as_str().unwrap() {
                "snapshot" => {
                    let received = message["rows"].as_array().unwrap();
                    rows = received.iter().map(|row| (row.to_string(), 1)).collect();
                }
                "update" => {
                    assert_eq!(message["after"].as_u64(), through, "every commit changes it");
                    for diff in message["diffs"].as_array().unwrap() {
                        *rows.entry(diff[0].to_string()).or_default() += diff[1].as_i64().unwrap();
                    }
                    rows.retain(|_, copies| *copies != 0);
                }
                other => assert_eq!(other, "progress"),
            }
            through = message["frontier"]["commit"].as_u64();
        }
        rows
    }
}

/// On one thread, so that the order of events is fixed: after a refused message the next change comes before the
/// subscriber's own read.
#[tokio::test]
async fn equal_subscriptions_at_different_cursors_add_up_to_the_same() {
    let steps = Steps::new();
    let steady = steps.follow("diff", &[]);
    let slow = steps.follow("diff", &[3, 5, 6, 9]);
    steady.caught_up().await;
    slow.caught_up().await;
    for _ in 0..4 {
        steps.step();
        steady.caught_up().await;
    }
    let late = steps.follow("diff", &[]);
    let late_and_slow = steps.follow("diff", &[1, 2]);
    late.caught_up().await;
    for _ in 0..20 {
        steps.step();
        tokio::task::yield_now().await;
    }
    let clients = [&steady, &slow, &late, &late_and_slow];
    for client in clients {
        client.caught_up().await;
    }
    // After a refusal some subscribers were served alone; the last change is broadcast to all.
    steps.step();
    for client in clients {
        client.caught_up().await;
    }
    let rows = steady.added_up();
    assert_eq!(rows.len(), 1);
    for (number, client) in clients.into_iter().enumerate() {
        assert_eq!(client.added_up(), rows, "client {number}");
    }
    let updates = |client: &Client| client.received.lock().unwrap().len();
    assert!(updates(&slow) < updates(&steady), "what was refused is made good by fewer updates");
}

/// Several broadcasters serve the subscribers.
#[tokio::test]
async fn many_subscribers_are_served_by_several_broadcasters() {
    let steps = Steps::new();
    let clients: Vec<_> = (0..600).map(|_| steps.follow("diff", &[])).collect();
    for _ in 0..3 {
        for client in &clients {
            client.caught_up().await;
        }
        steps.step();
    }
    for client in &clients {
        client.caught_up().await;
        assert_eq!(client.added_up(), clients[0].added_up());
    }
}

/// One message of each type that came over sockets, with the names of its fields.
static CAME: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());

/// The next message of a type; none of `unwanted` may come before it.
fn next(socket: &mut WebSocket<TcpStream>, kind: &str, unwanted: &str) -> Value {
    loop {
        if let Frame::Text(text) = socket.read().unwrap() {
            let message: Value = serde_json::from_str(&text).unwrap();
            let kind_of = message["type"].as_str().unwrap().to_owned();
            CAME.lock().unwrap().insert(kind_of, message.clone());
            if message["type"] == kind {
                return message;
            }
            assert!(message["type"] != unwanted, "{message} before {kind}");
        }
    }
}

/// The messages of a client over a WebSocket while the view keeps changing.
fn conversation(mut socket: WebSocket<TcpStream>) {
    let say = |socket: &mut WebSocket<TcpStream>, text: &str| socket.send(text.into()).unwrap();
    next(&mut socket, "welcome", "");
    for _ in 0..20 {
        say(&mut socket, r#"{"op":"subscribe","id":1,"sub":"a","view":"candles"}"#);
        next(&mut socket, "subscribed", "snapshot");
        next(&mut socket, "snapshot", "update");
        next(&mut socket, "update", "");
        say(&mut socket, r#"{"op":"unsubscribe","id":2,"sub":"a"}"#);
        next(&mut socket, "unsubscribed", "");
        say(&mut socket, r#"{"op":"ping","id":3}"#);
        next(&mut socket, "pong", "update");
    }
    // As many messages with rows as the client allows.
    say(&mut socket, r#"{"op":"subscribe","id":5,"sub":"c","view":"candles","credit":1}"#);
    next(&mut socket, "snapshot", "update");
    say(&mut socket, r#"{"op":"ping","id":6}"#);
    next(&mut socket, "pong", "update");
    for _ in 0..5 {
        say(&mut socket, r#"{"op":"credit","id":7,"sub":"c","n":1}"#);
        next(&mut socket, "update", "");
        say(&mut socket, r#"{"op":"ping","id":8}"#);
        next(&mut socket, "pong", "update");
    }
    say(&mut socket, r#"{"op":"unsubscribe","id":9,"sub":"c"}"#);
    next(&mut socket, "unsubscribed", "update");
    say(&mut socket, r#"{"op":"list","id":11}"#);
    next(&mut socket, "list", "");
    say(&mut socket, r#"{"op":"subscribe","id":12,"group":"g","subs":[{"view":"candles"}]}"#);
    let cut = next(&mut socket, "cut", "");
    say(&mut socket, r#"{"op":"unsubscribe","id":13,"sub":"g"}"#);
    next(&mut socket, "unsubscribed", "");
    let again = json!({
        "op": "subscribe", "id": 14, "group": "h", "subs": [{ "view": "candles" }], "resume": cut["resume"]
    });
    say(&mut socket, &again.to_string());
    next(&mut socket, "resumed", "resync");
    say(&mut socket, r#"{"op":"subscribe","id":15,"sub":"r","view":"candles","resume":"x"}"#);
    next(&mut socket, "resync", "");
    say(&mut socket, r#"{"op":"subscribe","id":16,"sub":"n","view":"candles","snapshot":false}"#);
    next(&mut socket, "progress", "");
    say(&mut socket, r#"{"op":"subscribe","id":4,"view":"candles"}"#);
    next(&mut socket, "update", "");
    say(&mut socket, r#"{"op":"credit","id":10,"sub":"candles","n":1}"#);
    let error = next(&mut socket, "error", "");
    assert!(error["problem"]["detail"].as_str().unwrap().contains("without `credit`"), "{error}");
    socket.send(Frame::Ping(b"are you there"[..].into())).unwrap();
    while socket.read().unwrap() != Frame::Pong(b"are you there"[..].into()) {}
    socket.send(Frame::Binary(b"no text"[..].into())).unwrap();
    assert_eq!(next(&mut socket, "closing", "")["code"], 4400);
    let Ok(Frame::Close(Some(close))) = socket.read() else { panic!("it is not closed") };
    assert_eq!(close.code, CloseCode::Library(4400));
}

#[tokio::test]
async fn a_conversation_over_a_socket() {
    let steps = Steps::new();
    let server = steps.served();
    // As many WebSockets as the server's context has permits for.
    let limits = Limits { connections: 8, ..Limits::default() };
    let running = Running::new(&server, limits).await;
    let url = format!("ws://{}/ws", running.addr);
    let addr = running.addr;
    let mut talking = tokio::task::spawn_blocking(move || {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        conversation(tungstenite::client(url, stream).unwrap().0);
    });
    loop {
        tokio::select! {
            talked = &mut talking => break talked.unwrap(),
            () = tokio::task::yield_now() => steps.step(),
        }
    }
    assert_eq!(running.stopped().await.cut, 0);
    let came = std::mem::take(&mut *CAME.lock().unwrap());
    are_described(&server, &came).await;
}

/// Each of these messages has the fields that the AsyncAPI document says it has.
async fn are_described(server: &Server, came: &BTreeMap<String, Value>) {
    assert!(came.len() >= 13, "{:?}", came.keys());
    let document = server.ask("/asyncapi.json").await.json();
    let described = document["components"]["messages"].as_object().unwrap();
    for (kind, message) in came {
        let payload = described.values().map(|described| &described["payload"]);
        let mut payload =
            payload.filter(|payload| payload["properties"]["type"]["const"] == kind.as_str());
        let payload = payload.next().unwrap_or_else(|| panic!("{kind} is not described"));
        for required in payload["required"].as_array().unwrap() {
            assert!(message.get(required.as_str().unwrap()).is_some(), "{required} of {message}");
        }
        for name in message.as_object().unwrap().keys() {
            assert!(payload["properties"][name].is_object(), "`{name}` of {kind} is not described");
        }
    }
}
