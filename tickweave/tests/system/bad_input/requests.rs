//! Requests that are wrong: problem details that say so, and a process that goes on.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::{get, send};
use crate::end_to_end::made::Made;

/// Path, status, code, pointer of the first error (if any), and what the detail says.
const QUESTIONS: &[(&str, u16, &str, &str, &[&str])] = &[
    ("/nothing", 404, "unknown-path", "", &["/nothing"]),
    ("/v1/candels/sim:S000", 404, "unknown-path", "", &["/v1/candels/sim:S000"]),
    ("/v1/candles", 404, "unknown-path", "", &["/v1/candles"]),
    ("/v1/candles/sim:NONE", 404, "unknown-symbol", "", &["sim:NONE"]),
    ("/v1/candles/%ff", 404, "unknown-symbol", "", &["percent-encoded"]),
    (
        "/v1/candles/sim:S000?tf=7m",
        400,
        "validation.tf",
        "#/query/tf",
        &["tf=7m", "1s, 5s, 1m, 5m"],
    ),
    (
        "/v1/candles/sim:S000?limit=0",
        400,
        "validation.limit",
        "#/query/limit",
        &["limit=0", "1 to 10000"],
    ),
    ("/v1/candles/sim:S000?limit=10001", 400, "validation.limit", "#/query/limit", &["10001"]),
    ("/v1/candles/sim:S000?limit=-1", 400, "validation.limit", "#/query/limit", &["-1"]),
    (
        "/v1/candles/sim:S000?limit=99999999999999999999",
        400,
        "validation.limit",
        "#/query/limit",
        &["1 to 10000"],
    ),
    (
        "/v1/candles/sim:S000?from=noon",
        400,
        "validation.from",
        "#/query/from",
        &["from=noon", "RFC 3339"],
    ),
    ("/v1/candles/sim:S000?from=9e30s", 400, "validation.from", "#/query/from", &["from=9e30s"]),
    (
        "/v1/candles/sim:S000?from=20s&to=10s",
        400,
        "validation.from",
        "#/query/from",
        &["is after to="],
    ),
    ("/v1/candles/sim:S000?fill=all", 400, "validation.fill", "#/query/fill", &["none, previous"]),
    (
        "/v1/candles/sim:S000?format=xml",
        400,
        "validation.format",
        "#/query/format",
        &["json, csv, ndjson"],
    ),
    ("/v1/candles/sim:S000?tf=1m&tf=5m", 400, "validation.tf", "#/query/tf", &["more than once"]),
    (
        "/v1/candles/sim:S000?tf=1m&timeframe=5m",
        400,
        "validation.timeframe",
        "#/query/timeframe",
        &["same parameter"],
    ),
    (
        "/v1/candles/sim:S000?speed=1",
        400,
        "validation.speed",
        "#/query/speed",
        &["known: timeframe"],
    ),
    ("/v1/views/nope", 404, "unknown-path", "", &["no view is named `nope`", "candles"]),
    (
        "/v1/views/dead_letters?from=20s",
        400,
        "validation.from",
        "#/query/from",
        &["no column `open_time`"],
    ),
    (
        "/v1/views/dead_letters?symbol=x",
        400,
        "validation.symbol",
        "#/query/symbol",
        &["`instrument`"],
    ),
    // What no row can have: an empty answer would say that there is none now.
    (
        "/v1/views/candles?state=finl",
        400,
        "validation.state",
        "#/query/state",
        &["state=finl is not one of ", "(did you mean `final`?)"],
    ),
    (
        "/v1/views/candles?volume=abc",
        400,
        "validation.volume",
        "#/query/volume",
        &["volume=abc is not a decimal number"],
    ),
    (
        "/v1/views/candles?state=open,Final",
        400,
        "validation.state",
        "#/query/state",
        &["state=Final is not one of "],
    ),
    (
        "/stream?view=candles,alerts&fields=settled",
        400,
        "validation.fields",
        "#/query/fields",
        &["of view `candles`: fields=settled names `settled`"],
    ),
    (
        "/v1/views/candles?as_of=commit:999999999",
        425,
        "frontier-not-reached",
        "",
        &["not yet at commit 999999999"],
    ),
    (
        "/v1/candles/sim:S000?as_of=2130-01-01T00:00:00Z",
        425,
        "frontier-not-reached",
        "",
        &["as_of=2130-01-01T00:00:00Z lies ahead"],
    ),
    ("/v1/views/conflicts?tf=1m", 400, "validation.tf", "#/query/tf", &["no column `timeframe`"]),
    (
        "/v1/indicators/sim:S000?name=sma21",
        400,
        "validation.name",
        "#/query/name",
        &["sma20", "bb20_2"],
    ),
    ("/v1/indicators/sim:NONE", 404, "unknown-symbol", "", &["sim:NONE"]),
    ("/docs/problems/nope", 404, "unknown-path", "", &["`nope`", "unknown-symbol"]),
    ("/v1/views?limit=1", 400, "validation.limit", "#/query/limit", &["has none"]),
    ("/?x=1", 400, "validation.x", "#/query/x", &["known: format"]),
    ("/page/none.js", 404, "unknown-path", "", &["no file `none.js`"]),
    ("/v1/symbols?limit=0", 400, "validation.limit", "#/query/limit", &["1 to 10000"]),
    ("/health?verbose", 400, "validation.verbose", "#/query/verbose", &["has none"]),
    ("/metrics?x=1", 400, "validation.x", "#/query/x", &["has none"]),
];

#[test]
fn a_wrong_request_is_answered_with_what_is_wrong_and_possible() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Made::new(31, 2_000, 600_000).write(folder, None, "");
    let mut run = Going::start(folder, &["run", "job.toml", "--json"]);
    let address = run.address();
    let known = || (get(address, "/v1/candles/sim:S000").status == 200).then_some(());
    poll(known, || "candles".to_owned());

    for (path, status, code, pointer, message) in QUESTIONS {
        let answer = get(address, path);
        assert_eq!(answer.status, *status, "{path}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["code"], *code, "{path}: {problem}");
        assert_eq!(problem["status"].as_u64(), Some(u64::from(*status)));
        assert!(problem["type"].as_str().unwrap().starts_with("/docs/problems/"));
        assert!(problem["title"].is_string() && problem["instance"].is_string(), "{problem}");
        assert_eq!(problem["errors"][0]["pointer"].as_str().unwrap_or(""), *pointer, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        message.iter().for_each(|message| {
            assert!(detail.contains(message), "{path}: `{message}` not in {detail}")
        });
    }
    let near = get(address, "/v1/candles/sim:S00").json();
    assert!(near["suggestions"].to_string().contains("sim:S00"), "{near}");
    let both = get(address, "/v1/candles/sim:S000?tf=9m&limit=x&foo=1").json();
    assert_eq!(both["errors"].as_array().unwrap().len(), 3, "all faults at once: {both}");

    let host = format!("Host: {address}\r\nConnection: close\r\n");
    let long = "x".repeat(300_000);
    for (request, possible) in [
        (format!("POST /v1/views HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n"), &[405][..]),
        (format!("DELETE /v1/candles/sim:S000 HTTP/1.1\r\n{host}\r\n"), &[405]),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(), &[421]),
        (format!("GET /v1/views HTTP/1.1\r\n{host}Accept: text/html\r\n\r\n"), &[406]),
        (format!("GET /v1/views?{long} HTTP/1.1\r\n{host}\r\n"), &[400, 414, 431]),
        (format!("GET / HTTP/1.1\r\n{host}X-Long: {long}\r\n\r\n"), &[400, 431]),
        (format!("GET /v1/candles/{} HTTP/1.1\r\n{host}\r\n", &long[..40_000]), &[404]),
        ("nonsense\r\n\r\n".to_owned(), &[400]),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), &[400, 505]),
        ("\0\0\0\0\r\n\r\n".to_owned(), &[400]),
    ] {
        // A client that sends more than is read may find the connection gone before the answer.
        if let Some(answer) = send(address, request.as_bytes()) {
            let head: String = request.chars().take(60).collect();
            assert!(possible.contains(&answer.status), "{head}: {answer:?}");
            assert!(answer.body.len() < request.len() + 4_000, "{head}: {answer:?}");
        }
        assert_eq!(get(address, "/health/live").status, 200);
    }

    // Clients that say half a word, or never read, hold nobody up: not even the end.
    let mut idle = Vec::new();
    for part in
        ["", "G", "GET / HTTP/1.1\r\nHost:", "GET /v1/views HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(part.as_bytes()).unwrap();
            idle.push(stream);
        }
    }
    assert_eq!(get(address, "/health").status, 200);
    run.signal("TERM");
    let ran = run.end();
    ran.json();
    for mut stream in idle {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // comes to an end
    }
    assert!(!ran.err.contains("panicked") && !ran.err.contains("ERROR"), "{}", ran.err);
}
