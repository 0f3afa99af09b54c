//! The binary beyond the loopback: keys made and revoked while it runs, limits of keys, shares under load, TLS.

mod limited;
mod shares;
mod tls;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::end_to_end::binary::{Going, poll, tickweave};
use crate::end_to_end::http::{Answer, get, send};

const JOB: &str = r#"
[job]
timeframes = ["1m"]
indicators = ["sma2"]
[commit]
period = "2ms"
round = "20ms"
[http]
keys = "keys.toml"
listen = "0.0.0.0:0"
"#;

/// Makes a key, as a user does.
fn create(folder: &Path, args: &[&str]) -> String {
    let made = tickweave(folder, &[&["keys", "create", "--name", "test"], args].concat());
    assert_eq!(made.code, Some(0), "{made:?}");
    made.out.trim().to_owned()
}

/// The id in a key.
fn id(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

/// Starts a job whose configuration begins with [`JOB`]; gives its address on the loopback.
fn run(folder: &Path, more: &str, args: &[&str]) -> (Going, SocketAddr) {
    fs::write(folder.join("job.toml"), format!("{JOB}{more}")).unwrap();
    let mut going = Going::start(folder, &[&["run", "job.toml"], args].concat());
    let address = going.address();
    assert!(address.ip().is_unspecified(), "it listens on {address}");
    (going, SocketAddr::from(([127, 0, 0, 1], address.port())))
}

/// Sends a request with a key.
fn ask(address: SocketAddr, key: &str, request: &str, body: Option<&str>) -> Answer {
    let body = body.map_or("\r\n".to_owned(), |body| {
        let length = body.len();
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
    });
    let key =
        if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") };
    let request =
        format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{key}{body}");
    send(address, request.as_bytes()).unwrap_or_else(|| panic!("no answer to {request}"))
}

/// Posts rows until the run takes them.
fn post(address: SocketAddr, key: &str, rows: &str) -> Answer {
    let request = "POST /api/streaming/process?wait=visible&wait_ms=30000";
    let sent =
        || Some(ask(address, key, request, Some(rows))).filter(|answer| answer.status != 503);
    poll(sent, || "rows are taken".to_owned())
}

/// Begins a request and gives the connection after the head of the answer.
fn begin(address: SocketAddr, key: &str, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n");
    let upgrade = match request.ends_with("/ws") {
        true => {
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
        false => "",
    };
    stream.write_all(format!("{head}{upgrade}\r\n").as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    let status = String::from_utf8_lossy(&status).into_owned();
    assert!(["HTTP/1.1 200", "HTTP/1.1 101"].contains(&&*status), "{status}");
    stream
}

/// What comes until the connection ends.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    assert!(ended.is_ok(), "it goes on: {ended:?}");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn nothing_is_answered_beyond_the_loopback_without_a_key_which_comes_and_goes_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let reads = create(folder, &["--scopes", "read"]);
    let (mut going, address) =
        run(folder, "management = \"127.0.0.1:0\"\n", &["--record", "live.rec"]);
    going.wait_for("keys and rows cross the network readable");

    // Every path of the index, without a key.
    let index = ask(address, &reads, "GET /", None).json();
    let links = index["links"].as_array().unwrap();
    assert!(links.len() > 15);
    for link in links {
        let path = link["path"].as_str().unwrap().replace(['{', '}'], "");
        for method in link["methods"].as_array().unwrap() {
            let method = method.as_str().unwrap();
            let request = format!("{method} {path}");
            if method == "HEAD" {
                continue; // its answer has a length and no body
            }
            let status = ask(address, "", &request, None).status;
            let is_open = ["/health/live", "/health/ready"].contains(&&*path);
            assert_eq!(status == 401, !is_open, "{request}: {status}");
        }
    }
    let live = get(address, "/health/live");
    assert_eq!((live.status, &*live.body), (200, r#"{"status":"pass"}"#));

    // Probes and scrapers have a listener of their own.
    going.wait_for("health and metrics: http://");
    let err = going.stderr_text();
    let (_, rest_of_line) = err.split_once("health and metrics: http://").unwrap();
    let management: SocketAddr = rest_of_line.split('/').next().unwrap().parse().unwrap();
    assert_eq!(get(management, "/health").status, 200);
    let metrics = get(management, "/metrics");
    assert!(metrics.body.contains("tickweave_clients_refused_total{reason=\"unauthorized\"}"));
    for path in ["/v1/views", "/", "/stream?view=candles", "/ws", "/v1/tickets"] {
        assert_eq!(get(management, path).status, 404, "{path}");
    }

    // A key is good a moment after it was made, …
    let trade = r#"[{"type":"trade","instrument":"a:B","id":"1","time":"2026-01-05T10:00:00Z","price":"2","quantity":"1"}]"#;
    assert_eq!(post(address, &reads, trade).status, 403);
    let sends = create(folder, &["--scopes", "ingest"]);
    let taken = || Some(post(address, &sends, trade)).filter(|answer| answer.status != 401);
    let taken = poll(taken, || "the key counts".to_owned());
    assert_eq!(taken.status, 202, "{taken:?}");
    assert_eq!(ask(address, &sends, "GET /v1/views", None).status, 403);
    assert_eq!(ask(address, &sends, "POST /streaming/drain", None).status, 403);

    // … and good no more a moment after it was revoked, also for what it follows.
    let followed = ["GET /stream?view=candles", "GET /ws"].map(|one| begin(address, &reads, one));
    let revoked = tickweave(folder, &["keys", "revoke", id(&reads)]);
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    for stream in followed {
        let said = rest(stream);
        assert!(said.contains("closing") && said.contains("\"reason\":\"key\""), "{said}");
    }
    assert_eq!(ask(address, &reads, "GET /v1/views", None).status, 401);

    let ends = create(folder, &["--scopes", "control"]);
    let drained =
        || Some(ask(address, &ends, "POST /streaming/drain", None)).filter(|a| a.status != 401);
    assert_eq!(poll(drained, || "the key counts".to_owned()).status, 202);
    let ran = going.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for said in [id(&ends), "unauthorized", "forbidden", "controlled", "/streaming/drain"] {
        assert!(
            ran.err.lines().any(|line| line.contains("audit") && line.contains(said)),
            "{said}"
        );
    }

    // No secret and no hash of one is anywhere but in the file of keys and on the standard output of `create`.
    let listed = tickweave(folder, &["keys", "list"]);
    assert!(listed.out.contains(id(&sends)) && !listed.out.contains(id(&reads)), "{listed:?}");
    let checked = tickweave(folder, &["check", "job.toml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let recording = fs::read(folder.join("live.rec")).unwrap();
    let recording = String::from_utf8_lossy(&recording);
    let keys = fs::read_to_string(folder.join("keys.toml")).unwrap();
    for key in [&reads, &sends, &ends] {
        let secret = key.splitn(3, '_').nth(2).unwrap();
        assert!(!keys.contains(secret));
        for text in [&*recording, &ran.err, &ran.out, &listed.out, &checked.out, &metrics.body] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let hashes = keys.lines().filter_map(|line| line.strip_prefix("sha256 = "));
    for hash in hashes.map(|hash| hash.trim_matches('"')) {
        assert!(![&*recording, &ran.err, &checked.out].iter().any(|text| text.contains(hash)));
    }
}

#[test]
fn it_does_not_start_without_keys_and_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("open.toml"), "[http]\nlisten = \"0.0.0.0:0\"\n").unwrap();
    fs::write(folder.join("job.toml"), JOB).unwrap();
    let local = "[http]\nlisten = \"127.0.0.1:0\"\nmanagement = \"0.0.0.0:0\"\n";
    fs::write(folder.join("management.toml"), local).unwrap();
    const HOW: &str = "tickweave keys create --file";
    for file in ["open.toml", "job.toml", "management.toml"] {
        for command in ["run", "check"] {
            tickweave(folder, &[command, file]).failed(2, &[HOW]);
        }
    }
    fs::write(folder.join("keys.toml"), "").unwrap();
    tickweave(folder, &["run", "job.toml"]).failed(2, &["holds no key", HOW]);
    fs::write(folder.join("keys.toml"), "key = 1\n").unwrap();
    tickweave(folder, &["check", "job.toml"]).failed(2, &["keys.toml", "line 1"]);
}

/// With keys, they are needed on the loopback, too; without, all stays open there.
#[test]
fn on_the_loopback_keys_are_asked_for_where_there_are_some() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    create(folder, &["--scopes", "read"]);
    for (keys, status) in [("keys = \"keys.toml\"", 401), ("", 200)] {
        fs::write(folder.join("local.toml"), format!("[http]\nlisten = \"127.0.0.1:0\"\n{keys}\n"))
            .unwrap();
        let mut going = Going::start(folder, &["run", "local.toml"]);
        let address = going.address();
        assert_eq!(get(address, "/v1/views").status, status);
        going.signal("INT");
        assert_eq!(going.end().code, Some(0));
    }
}

/// The texts of all rows of all views.
fn everything(address: SocketAddr, key: &str) -> Vec<(String, Value)> {
    let views = ask(address, key, "GET /v1/views", None).json();
    let names = views["views"].as_array().unwrap().iter();
    let names = names.map(|view| view["name"].as_str().unwrap().to_owned());
    let rows = names.map(|name| {
        let answer = ask(address, key, &format!("GET /v1/views/{name}?limit=10000"), None);
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        (name, answer.json()["rows"].clone())
    });
    rows.collect()
}
