//! The accept loop over real loopback sockets, with small bounds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use market::BarState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::Server;
use crate::{BindError, Limits, Stopped, bind, serve};

/// Far longer than anything here takes, so that a test fails instead of hanging.
const TIMEOUT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

pub(super) struct Running {
    pub(super) addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

impl Running {
    pub(super) async fn new(server: &Server, limits: Limits) -> Running {
        let listener = bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut context = server.context.clone();
        context.limits = limits;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, context, async {
            let _ = stopped.await;
        }));
        Running { addr, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// One request on a connection of its own; all that comes back.
    pub(super) async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    pub(super) async fn stopped(self) -> Stopped {
        self.stop.send(()).unwrap();
        timeout(TIMEOUT, self.task).await.unwrap().unwrap()
    }
}

/// What comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset closes a connection too.
    let _ = timeout(TIMEOUT, stream.read_to_end(&mut bytes)).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What comes up to the end of the first answer's head.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let byte = timeout(TIMEOUT, stream.read_u8()).await.unwrap().unwrap();
        bytes.push(byte);
    }
    String::from_utf8(bytes).unwrap()
}

const LIVE: &[u8] = b"HEAD /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn limits() -> Limits {
    Limits { head: SHORT, drain: SHORT, ..Limits::default() }
}

#[tokio::test]
async fn answers_over_a_socket() {
    let server = Server::new();
    server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
    let running = Running::new(&server, Limits::default()).await;
    let get = running.ask("GET /v1/candles/a:B").await;
    assert!(get.starts_with("HTTP/1.1 200 OK\r\n"), "{get}");
    assert!(get.contains("\r\nx-request-id: ") && get.contains("\"symbol\":\"a:B\""));
    let head = running.ask("HEAD /v1/candles/a:B").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let length = |answer: &str| {
        let line = answer.lines().find(|line| line.starts_with("content-length: "));
        line.map(str::to_owned)
    };
    assert_eq!(length(&get), length(&head));
    assert!(length(&get).is_some());
    assert_eq!(running.stopped().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn clients_that_do_not_ask_are_cut() {
    let server = Server::new();
    let running = Running::new(&server, limits()).await;
    // Nothing at all; the beginning of either protocol; half a head.
    for sent in ["", "G", "PRI * HTTP/2.0\r\n", "GET /health HTTP/1.1\r\nhost: local"] {
        let mut stream = running.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{sent:?}: {answer}");
    }
    // Idle between requests.
    let mut stream = running.connect().await;
    stream.write_all(LIVE).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    rest(&mut stream).await;
    // Others are served all the same.
    assert!(running.ask("GET /health").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn clients_beyond_the_bound_wait() {
    let server = Server::new();
    let bounds = Limits { connections: 2, ..Limits::default() };
    let running = Running::new(&server, bounds).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = running.connect().await;
        stream.write_all(LIVE).await.unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
        held.push(stream);
    }
    let mut waiting = running.connect().await;
    waiting.write_all(LIVE).await.unwrap();
    let early = timeout(SHORT, waiting.read_u8()).await;
    assert!(early.is_err(), "a third connection was served");
    held.pop();
    assert!(head(&mut waiting).await.starts_with("HTTP/1.1 200"));
    // Stopping works although all slots are taken; idle connections are closed, not cut.
    assert_eq!(running.stopped().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn heads_have_a_bound() {
    let server = Server::new();
    let running = Running::new(&server, Limits::default()).await;
    let long = format!("GET /{}", "x".repeat(200_000));
    let answer = running.ask(&long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let server = Server::new();
    server.context.catalog.resolve("a:B").unwrap();
    server.rows.panics.store(true, Ordering::SeqCst);
    let running = Running::new(&server, Limits::default()).await;
    let answer = running.ask("GET /v1/candles/a:B").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("\"code\":\"internal\""));
    assert!(!answer.contains("a panic of the test"), "internals were shown: {answer}");
    server.rows.panics.store(false, Ordering::SeqCst);
    let answer = running.ask("GET /v1/candles/a:B").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Counts the lines of errors of the thread that it is set for.
struct ErrorLines(Arc<AtomicUsize>);

impl Subscriber for ErrorLines {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        *of.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Whoever asks a thousand times for what panics does not fill the log.
#[tokio::test]
async fn panics_of_handlers_are_not_a_line_each() {
    let lines = Arc::new(AtomicUsize::new(0));
    let _guard = tracing::subscriber::set_default(ErrorLines(Arc::clone(&lines)));
    let server = Server::new();
    server.context.catalog.resolve("a:B").unwrap();
    server.rows.panics.store(true, Ordering::SeqCst);
    let running = Running::new(&server, Limits::default()).await;
    let begun = Instant::now();
    for _ in 0..20 {
        let answer = running.ask("GET /v1/candles/a:B").await;
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    }
    // One at once, and one for each pause, which last a second and more.
    let most = 1 + begun.elapsed().as_secs() as usize;
    let lines = lines.load(Ordering::SeqCst);
    assert!((1..=most).contains(&lines), "{lines} lines, and there may be {most}");
}

#[tokio::test]
async fn requests_for_another_host_are_not_answered() {
    let server = Server::new();
    let running = Running::new(&server, Limits::default()).await;
    let mut stream = running.connect().await;
    let request = "GET /health HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    assert!(answer.contains("\"code\":\"misdirected\""));
    for headers in
        ["", "host: localhost\r\nhost: evil.example\r\n", "host: localhost\r\nhost: localhost\r\n"]
    {
        let mut stream = running.connect().await;
        let request = format!("GET /health HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{headers}: {answer}");
        assert!(answer.contains("#/header/Host"), "{headers}: {answer}");
    }
}

#[tokio::test]
async fn the_drain_has_a_deadline() {
    let server = Server::new();
    server.context.catalog.resolve("a:B").unwrap();
    server.rows.hangs.store(true, Ordering::SeqCst);
    let running = Running::new(&server, limits()).await;
    let mut stream = running.connect().await;
    let request = b"GET /v1/candles/a:B HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    while server.rows.scans.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.stopped().await, Stopped { cut: 1 });
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn http_2_without_asking_first() {
    let server = Server::new();
    let running = Running::new(&server, limits()).await;
    let mut stream = running.connect().await;
    // The preface and an empty SETTINGS frame; its type is the fourth byte of a frame's head.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    let mut frame = [0; 9];
    let read = timeout(TIMEOUT, stream.read_exact(&mut frame)).await.unwrap();
    assert_eq!((read.unwrap(), frame[3]), (9, 4));
    // It asks for nothing, so it is cut.
    let mut left = Vec::new();
    let _ = timeout(TIMEOUT, stream.read_to_end(&mut left)).await.unwrap();
}

#[tokio::test]
async fn only_the_loopback_is_bound_without_keys() {
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
        let error = bind(addr.parse().unwrap(), false).await.unwrap_err();
        assert!(matches!(error, BindError::NeedsKeys(_)), "{addr}: {error}");
        assert!(error.to_string().contains("tickweave keys create"));
    }
    let first = bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let addr = first.local_addr().unwrap();
    let error = bind(addr, false).await.unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert!(error.to_string().starts_with(&format!("{addr} is in use")));
}
