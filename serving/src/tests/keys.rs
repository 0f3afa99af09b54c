//! Who is answered where there are keys: route by route, by scope, and row by row.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use market::{BarState, EventTime};
use node_api::{ApiKey, ClientLimits, KeySecret, KeySet, PresentedKey, RowLimits, Scope, Scopes};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Server;
use super::sockets::Running;
use crate::rates::KeyRates;
use crate::routes::app;
use crate::visible_rows::VisibleReader;
use crate::{Access, Client, Endpoint, Limits, ROUTES};

/// Far longer than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A key, and what its holder presents.
fn key(number: u8, scopes: &[Scope], limits: RowLimits) -> (ApiKey, String) {
    let presented = PresentedKey::new([number; 6], KeySecret::of([number; 32]));
    let key = ApiKey {
        id: presented.id().to_owned(),
        name: format!("key {number}"),
        hash: presented.secret().hash(),
        scopes: Scopes::of(scopes),
        limits,
        created: EventTime(0),
        expires: None,
    };
    (key, presented.text())
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

impl Server {
    /// The same process, as there is for the holder of a key.
    pub(super) fn of_key(&self, scopes: &[Scope], limits: RowLimits) -> Server {
        let mut context = self.context.clone();
        let rates = Arc::new(KeyRates::new(ClientLimits::default(), 0));
        context.client = Client::of_key(Arc::new(key(1, scopes, limits).0), rates);
        let (reader, visible) = (context.reader, context.client.visible().clone());
        context.reader = Arc::new(VisibleReader { reader, visible });
        Server { rows: Arc::clone(&self.rows), context }
    }

    /// The same process, as there is for clients without a key.
    fn of_stranger(&self) -> Server {
        let context = crate::Context { client: Client::stranger(), ..self.context.clone() };
        Server { rows: Arc::clone(&self.rows), context }
    }
}

/// Every method of every endpoint, with a path that it answers.
fn requests() -> Vec<(&'static Endpoint, &'static str, String)> {
    let endpoints = ROUTES.iter().flat_map(|entry| entry.endpoints);
    let requests = endpoints.flat_map(|endpoint| {
        let path = endpoint.path.replace("{symbol}", "a:B").replace("{view}", "candles");
        let path = path.replace("{problem}", "validation").replace("{file}", "main.js");
        let path = if path == "/stream" { "/stream?view=candles".to_owned() } else { path };
        endpoint.methods.iter().map(move |method| (endpoint, method.as_str(), path.clone()))
    });
    requests.collect()
}

#[tokio::test]
async fn nothing_is_answered_without_a_key_but_that_the_process_is_there() {
    let server = Server::new();
    server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
    let stranger = server.of_stranger();
    let mut open = Vec::new();
    for (endpoint, method, path) in requests() {
        let answer = stranger.ask_with(method, &path, &[]).await;
        if endpoint.access == Access::Open {
            assert_eq!(answer.status(), 200, "{method} {path}");
            // (The server leaves out the body of an answer to `HEAD`.)
            assert_eq!(answer.text(), r#"{"status":"pass"}"#, "{method} {path} tells more");
            open.push(endpoint.path);
            continue;
        }
        assert_eq!(answer.status(), 401, "{method} {path}");
        assert_eq!(answer.json()["code"], "unauthorized", "{method} {path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer "), "{method} {path}");
    }
    open.dedup();
    assert_eq!(open, ["/health/live", "/health/ready"]);
    // Other ways to write a path, other methods, and what is not there tell nothing either.
    for (method, path) in [
        ("GET", "/v1/views/"),
        ("GET", "//v1/views"),
        ("GET", "/v1//views"),
        ("GET", "/v1/view%73"),
        ("GET", "/V1/views"),
        ("GET", "/./v1/views"),
        ("GET", "/v1/views;a"),
        ("GET", "/v1/views/candles/"),
        ("GET", "/nowhere"),
        ("OPTIONS", "/v1/views"),
        ("DELETE", "/health/live"),
        ("TRACE", "/v1/views"),
        ("POST", "/v1/views"),
        ("GET", "/streaming/drain"),
    ] {
        let answer = stranger.ask_with(method, path, &[]).await;
        assert_eq!(answer.status(), 401, "{method} {path}: {}", answer.text());
    }
    let upgrade = warp::test::ws().path("/ws").handshake(app(&stranger.context)).await;
    assert!(upgrade.is_err(), "a stranger gets a socket");
}

#[tokio::test]
async fn every_route_asks_for_its_scope() {
    let server = Server::new();
    server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
    for scope in Scope::ALL {
        let holder = server.of_key(&[scope], RowLimits::default());
        for (endpoint, method, path) in requests() {
            let allowed = match endpoint.access {
                Access::Open | Access::Key => true,
                Access::Rows(needed) | Access::Process(needed) => {
                    needed == scope || scope == Scope::Admin
                }
            };
            let answer = holder.ask_with(method, &path, &[]).await;
            let forbidden = answer.status() == 403
                && (method == "HEAD" || answer.json()["code"] == "forbidden");
            assert_eq!(forbidden, !allowed, "{scope}: {method} {path}: {}", answer.text());
            if forbidden && method != "HEAD" {
                let detail = answer.json()["detail"].as_str().unwrap().to_owned();
                assert!(detail.contains(endpoint.access.name()), "{detail}");
            }
        }
        let answer = holder.ask("/nowhere").await;
        assert_eq!(answer.status(), 404);
        assert_eq!(holder.ask_with("DELETE", "/v1/views", &[]).await.status(), 405);
    }
}

/// What a limited key may not see does not show in any answer, by whatever path it is asked for.
#[tokio::test]
async fn rows_beyond_the_limits_are_as_if_they_were_not_there() {
    let server = Server::new();
    for name in ["a:SEEN", "a:HIDDEN", "b:HIDDEN"] {
        server.bar(name, "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
        server.numbers(name, "1m", "2024-08-09T12:00:00Z", "sma20", &[1.0]);
    }
    let limits = RowLimits { symbols: names(&["a:SEEN"]), ..RowLimits::default() };
    let holder = server.of_key(&[Scope::Admin], limits);
    let all = server.ask("/v1/views/candles").await;
    assert!(all.text().contains("HIDDEN") && all.text().contains("SEEN"));
    for (endpoint, method, path) in requests() {
        if endpoint.path.contains("{view}") || method != "GET" || path.starts_with("/stream") {
            continue;
        }
        for path in [path.clone(), path.replace("a:B", "a:HIDDEN"), path.replace("a:B", "HIDDEN")] {
            let answer = holder.ask(&path).await;
            // The path of the request itself is in an error.
            let text = answer.text().replace(&path, "");
            let text = text.replace("`a:HIDDEN`", "").replace("`HIDDEN`", "");
            assert!(!text.contains("HIDDEN"), "{path}: {text}");
        }
    }
    for view in ["candles", "indicators"] {
        let rows = holder.ask(&format!("/v1/views/{view}")).await;
        assert!(rows.text().contains("SEEN") && !rows.text().contains("HIDDEN"), "{}", rows.text());
        let asked = holder.ask(&format!("/v1/views/{view}?symbol=a:HIDDEN")).await;
        let never = holder.ask(&format!("/v1/views/{view}?symbol=a:NEVER")).await;
        assert_eq!((asked.status(), never.status()), (404, 404), "{view}");
        let as_never = asked.text().replace("HIDDEN", "NEVER");
        assert_eq!(as_never, never.text(), "one that is hidden shows by its error");
    }
    assert_eq!(holder.ask("/v1/candles/a:SEEN").await.status(), 200);
    assert_eq!(holder.ask("/v1/candles/a:HIDDEN").await.status(), 404);
    let symbols = holder.ask("/v1/symbols").await.json();
    assert_eq!(symbols["symbols"].as_array().unwrap().len(), 1, "{symbols}");
    for view in holder.ask("/v1/views").await.json()["views"].as_array().unwrap() {
        assert!(view.get("rows").is_none(), "{view}: counts tell of hidden rows");
    }
    for path in ["/metrics", "/health"] {
        assert_eq!(holder.ask(path).await.json()["code"], "forbidden", "{path}");
    }
}

#[tokio::test]
async fn there_are_no_views_but_those_of_the_key() {
    let server = Server::new();
    let limits = RowLimits { views: names(&["candles"]), ..RowLimits::default() };
    let holder = server.of_key(&[Scope::Read], limits);
    let views = holder.ask("/v1/views").await.json();
    let listed: Vec<&Value> =
        views["views"].as_array().unwrap().iter().map(|v| &v["name"]).collect();
    assert_eq!(listed, [&json!("candles")]);
    assert_eq!(holder.ask("/v1/views/candles").await.status(), 200);
    for path in
        ["/v1/views/trades", "/stream?view=trades", "/v1/indicators/a:B", "/v1/views/providers"]
    {
        let answer = holder.ask(path).await;
        assert_eq!(answer.status(), 404, "{path}: {}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().ends_with("(known: candles)"), "{path}");
    }
}

/// A server over a socket with two keys, and what changes them.
struct Keyed {
    running: Running,
    keys: watch::Sender<Arc<KeySet>>,
    all: Vec<ApiKey>,
    texts: Vec<String>,
}

impl Keyed {
    async fn new() -> Keyed {
        let mut server = Server::new();
        server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
        let keys = [
            key(1, &[Scope::Read], RowLimits::default()),
            key(2, &[Scope::Ingest], RowLimits::default()),
        ];
        let (all, texts): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        let (sender, live) = watch::channel(Arc::new(KeySet::new(all.clone()).unwrap()));
        server.context.keys = Some(live);
        let running = Running::new(&server, Limits::default()).await;
        Keyed { running, keys: sender, all, texts }
    }

    async fn ask(&self, request: &str, headers: &str) -> String {
        self.running.ask(&format!("{request} HTTP/1.1\r\n{headers}x-unused:")).await
    }

    fn bearer(&self, number: usize) -> String {
        format!("authorization: Bearer {}\r\n", self.texts[number])
    }

    /// A WebSocket of the first key, after the answer to its request has begun.
    async fn socket(&self) -> TcpStream {
        let mut socket = TcpStream::connect(self.running.addr).await.unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
            self.bearer(0)
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        socket.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 101");
        socket
    }

    async fn ticket(&self, more: &str) -> String {
        let answer = self.ask(&format!("POST /v1/tickets{more}"), &self.bearer(0)).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        body["ticket"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }
}

fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn keys_open_what_they_are_for() {
    let keyed = Keyed::new().await;
    for (headers, path, code) in [
        (String::new(), "/v1/views", 401),
        (String::new(), "/health/live", 200),
        (keyed.bearer(0), "/v1/views", 200),
        (keyed.bearer(0), "/health", 200),
        (keyed.bearer(1), "/v1/views", 403),
        (keyed.bearer(0).replace("Bearer", "Basic"), "/v1/views", 401),
        ("authorization: Bearer tw_0101\r\n".to_owned(), "/v1/views", 401),
        (keyed.bearer(0) + &keyed.bearer(0), "/v1/views", 401),
        ("authorization: Bearer tw_0101\r\n".to_owned(), "/health/live", 200),
    ] {
        let answer = keyed.ask(&format!("GET {path}"), &headers).await;
        assert_eq!(status(&answer), code, "{path} {headers}: {answer}");
        assert!(!answer.contains(&keyed.texts[0][16..]), "the answer shows the key: {answer}");
    }
    let invalid = keyed.ask("GET /v1/views", "authorization: Bearer nothing\r\n").await;
    assert!(invalid.contains("error=\"invalid_token\"") && !invalid.contains("Basic"), "{invalid}");
    let page = keyed.ask("GET /", "accept: text/html\r\n").await;
    assert!(page.contains("www-authenticate: Basic realm="), "a browser asks its user: {page}");
    // With keys a process is asked by any of its addresses, and by no other name.
    let answer = keyed.running.ask("GET /health/live HTTP/1.1\r\nhost: 192.0.2.7:80\r\nx:").await;
    assert_eq!(status(&answer), 400, "two hosts: {answer}");
}

#[tokio::test]
async fn a_ticket_is_good_for_one_request() {
    let keyed = Keyed::new().await;
    let ticket = keyed.ticket("").await;
    let answer = keyed.ask(&format!("GET /v1/views?ticket={ticket}"), "").await;
    assert_eq!(status(&answer), 200, "{answer}");
    let again = keyed.ask(&format!("GET /v1/views?ticket={ticket}"), "").await;
    assert_eq!(status(&again), 401, "{again}");
    assert!(!again.contains(&ticket), "{again}");
    // A ticket allows no more than its key, and makes no tickets that do.
    let more = keyed.ask("POST /v1/tickets?scopes=ingest", &keyed.bearer(0)).await;
    assert_eq!(status(&more), 403, "{more}");
    let ticket = keyed.ticket("").await;
    let answer = keyed.ask(&format!("POST /streaming/drain?ticket={ticket}"), "").await;
    assert_eq!(status(&answer), 403, "{answer}");
    let ticket = keyed.ticket("").await;
    let another = keyed.ask(&format!("POST /v1/tickets?ticket={ticket}"), "").await;
    assert_eq!(status(&another), 403, "{another}");
    // That of a key which is gone is gone.
    let ticket = keyed.ticket("").await;
    keyed.keys.send_replace(Arc::new(KeySet::new(keyed.all[1..].to_vec()).unwrap()));
    let answer = keyed.ask(&format!("GET /v1/views?ticket={ticket}"), "").await;
    assert_eq!(status(&answer), 401, "{answer}");
}

/// What comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(TIMEOUT, stream.read_to_end(&mut bytes)).await.expect("it goes on");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn what_a_revoked_key_follows_ends() {
    let keyed = Keyed::new().await;
    let mut socket = keyed.socket().await;
    // Another key comes and goes: nothing ends.
    keyed.keys.send_replace(Arc::new(KeySet::new(keyed.all[..1].to_vec()).unwrap()));
    assert_eq!(status(&keyed.ask("GET /v1/views", &keyed.bearer(0)).await), 200);
    keyed.keys.send_replace(Arc::new(KeySet::new(keyed.all[1..].to_vec()).unwrap()));
    assert!(rest(&mut socket).await.contains("closing"), "it is said");
    assert_eq!(status(&keyed.ask("GET /v1/views", &keyed.bearer(0)).await), 401);
}

#[tokio::test]
async fn what_an_expired_key_follows_ends() {
    let keyed = Keyed::new().await;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let soon = EventTime(i64::try_from((since_1970 + Duration::from_secs(5)).as_nanos()).unwrap());
    let key = ApiKey { expires: Some(soon), ..keyed.all[0].clone() };
    keyed.keys.send_replace(Arc::new(KeySet::new(vec![key]).unwrap()));
    let mut socket = keyed.socket().await;
    assert!(rest(&mut socket).await.contains("closing"), "it is said");
    assert_eq!(status(&keyed.ask("GET /v1/views", &keyed.bearer(0)).await), 401);
}
