//! Requests that cannot be answered, and what their answers say.

use serde_json::{Value, json};

use super::Server;
use crate::KINDS;

const FRAMES: [&str; 4] = ["1m", "1h", "4h", "1d"];
const KNOWN: [&str; 15] = [
    "timeframe",
    "from",
    "to",
    "as_of",
    "fields",
    "limit",
    "closed",
    "session",
    "fill",
    "numbers",
    "format",
    "shape",
    "min_frontier",
    "max_staleness",
    "wait_ms",
];
const TIMES: [&str; 3] = ["2024-08-09T00:00:00.123Z", "1700000000s", "1700000000000ms"];

fn server() -> Server {
    let server = Server::new();
    for name in ["binance:BTCUSDT", "binance-usdm:BTCUSDT", "binance:ETHUSDT", "us:AAPL"] {
        server.context.catalog.resolve(name).unwrap();
    }
    server
}

#[tokio::test]
async fn bad_queries() {
    let server = server();
    let no_time = "is not an RFC 3339 time such as 2024-08-09T00:00:00.123Z (or a number with its unit, such as 1700000000s)";
    let cases: [(&str, &str, &str, String, Value); 19] = [
        ("tf=7x", "tf", "enum", "tf=7x is not a timeframe that is computed (1m, 1h, 4h, 1d)".into(), json!(FRAMES)),
        ("timeframe=5m", "timeframe", "enum", "timeframe=5m is not a timeframe that is computed (1m, 1h, 4h, 1d)".into(), json!(FRAMES)),
        ("tf=60", "tf", "enum", "tf=60 is not a timeframe that is computed (1m, 1h, 4h, 1d); did you mean 1m (60s) or 1h (60m)?".into(), json!(FRAMES)),
        ("tf=", "tf", "enum", "tf= is not a timeframe that is computed (1m, 1h, 4h, 1d)".into(), json!(FRAMES)),
        ("from=yesterday", "from", "format", format!("from=yesterday {no_time}"), json!(TIMES)),
        ("to=1700000000", "to", "format", format!("to=1700000000 {no_time}"), json!(TIMES)),
        ("from=xs", "from", "format", "from=xs as a number of s since 1970 is not a decimal number".into(), json!(TIMES)),
        ("to=99999999999s", "to", "format", "to=99999999999s lies outside the years 1700 to 2200".into(), json!(TIMES)),
        ("from=2s&to=1s", "from", "order", "from=1970-01-01T00:00:02Z is after to=1970-01-01T00:00:01Z".into(), Value::Null),
        ("limit=0", "limit", "range", "limit=0 is not a whole number from 1 to 10000".into(), json!(["1 to 10000"])),
        ("limit=10001", "limit", "range", "limit=10001 is not a whole number from 1 to 10000".into(), json!(["1 to 10000"])),
        ("limit=%2B5", "limit", "range", "limit=+5 is not a whole number from 1 to 10000".into(), json!(["1 to 10000"])),
        ("limit=", "limit", "range", "limit= is not a whole number from 1 to 10000".into(), json!(["1 to 10000"])),
        ("fill=zero", "fill", "enum", "fill=zero is not one of none, previous, prev".into(), json!(["none", "previous", "prev"])),
        ("numbers=hex", "numbers", "enum", "numbers=hex is not one of number, string".into(), json!(["number", "string"])),
        ("format=xml", "format", "enum", "format=xml is not one of json, csv, ndjson".into(), json!(["json", "csv", "ndjson"])),
        ("Limit=5", "Limit", "unknown", "`Limit` is not a parameter of this path (known: timeframe, from, to, as_of, fields, limit, closed, session, fill, numbers, format, shape, min_frontier, max_staleness, wait_ms)".into(), json!(KNOWN)),
        ("limit=5&limit=5", "limit", "repeated", "`limit` is given more than once".into(), Value::Null),
        ("tf=1m&timeframe=1m", "timeframe", "repeated", "`timeframe` and `tf` are the same parameter".into(), Value::Null),
    ];
    for (query, parameter, code, detail, allowed) in cases {
        let answer = server.ask(&format!("/v1/candles/us:AAPL?{query}")).await;
        let mut fault = json!({
            "pointer": format!("#/query/{parameter}"), "code": code, "detail": detail,
        });
        if !allowed.is_null() {
            fault["allowed"] = allowed;
        }
        let want = json!({
            "type": "/docs/problems/validation",
            "title": "Invalid parameter",
            "status": 400,
            "detail": detail,
            "instance": "/v1/candles/us:AAPL",
            "code": format!("validation.{parameter}"),
            "retryable": false,
            "errors": [fault],
        });
        assert_eq!(answer.json(), want, "{query}");
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{query}");
    }
}

#[tokio::test]
async fn all_errors_are_reported_at_once() {
    let problem = server().ask("/v1/candles/us:AAPL?tf=2m&limit=x&colour=red").await.json();
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pointers, ["#/query/colour", "#/query/tf", "#/query/limit"]);
}

#[tokio::test]
async fn paths_without_parameters_know_none() {
    for path in
        ["/page/main.js", "/health", "/health/live", "/health/ready", "/metrics", "/v1/views"]
    {
        let answer = server().ask(&format!("{path}?x=1")).await;
        assert_eq!(answer.status(), 400, "{path}");
        let detail = &answer.json()["errors"][0]["detail"];
        assert_eq!(detail, "`x` is not a parameter: this path has none", "{path}");
    }
}

#[tokio::test]
async fn unknown_and_ambiguous_symbols() {
    let server = server();
    let both = ["binance-usdm:BTCUSDT", "binance:BTCUSDT"];
    for (symbol, status, code, suggestions) in [
        ("us:APPL", 404, "unknown-symbol", json!(["us:AAPL"])),
        ("ETHUSD", 404, "unknown-symbol", json!(["binance:ETHUSDT"])),
        ("BTC", 404, "unknown-symbol", json!(both)),
        ("us:ZZZZZZ", 404, "unknown-symbol", Value::Null),
        ("%FF", 404, "unknown-symbol", Value::Null),
        ("BTCUSDT", 400, "ambiguous-symbol", json!(both)),
    ] {
        let answer = server.ask(&format!("/v1/candles/{symbol}")).await;
        let problem = answer.json();
        assert_eq!(answer.status(), status, "{symbol}");
        assert_eq!(problem["status"], status, "{symbol}");
        assert_eq!(problem["code"], code, "{symbol}");
        assert_eq!(problem["type"], format!("/docs/problems/{code}"), "{symbol}");
        assert_eq!(problem["instance"], format!("/v1/candles/{symbol}"));
        let mut got = problem["suggestions"].clone();
        if let Some(list) = got.as_array_mut() {
            list.sort_by_key(Value::to_string);
        }
        assert_eq!(got, suggestions, "{symbol}");
    }
}

#[tokio::test]
async fn unknown_paths_list_what_there_is() {
    let server = server();
    for path in ["/v1/candels/us:AAPL", "/v1/candles", "/v1/candles/a/b", "/v1/view", "/x", "//"] {
        let answer = server.ask(path).await;
        let problem = answer.json();
        assert_eq!((answer.status(), &problem["code"]), (404, &json!("unknown-path")), "{path}");
        let routes = problem["routes"].as_array().unwrap();
        assert!(routes.contains(&json!("GET|HEAD /v1/candles/{symbol}")), "{path}");
    }
    let problem = server.ask("/v1/view").await.json();
    let near = ["/v1/views", "/v1/views/{view}", "/v1/views/{view}/changes"];
    assert_eq!(problem["suggestions"], json!(near));
}

#[tokio::test]
async fn wrong_methods() {
    let server = server();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
        for path in
            ["/", "/health", "/health/ready", "/metrics", "/v1/views", "/v1/candles/us:AAPL"]
        {
            let answer = server.ask_with(method, path, &[]).await;
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert_eq!(answer.header("allow"), "GET, HEAD", "{method} {path}");
            assert_eq!(answer.json()["code"], "method-not-allowed");
        }
    }
}

#[tokio::test]
async fn forms_that_cannot_be_answered() {
    let server = server();
    let all = json!(["application/json", "text/csv", "application/x-ndjson"]);
    for (path, allowed) in
        [("/v1/candles/us:AAPL", all), ("/v1/views", json!(["application/json"]))]
    {
        let answer = server.ask_with("GET", path, &[("accept", "text/html")]).await;
        let problem = answer.json();
        assert_eq!((answer.status(), &problem["code"]), (406, &json!("not-acceptable")));
        assert_eq!(problem["errors"][0]["pointer"], "#/header/accept");
        assert_eq!(problem["errors"][0]["allowed"], allowed);
    }
}

#[tokio::test]
async fn long_nonsense_makes_short_answers() {
    let server = server();
    let long = "9".repeat(6_000);
    for path in [
        format!("/v1/candles/{long}"),
        format!("/v1/candles/us:AAPL?tf={long}"),
        format!("/v1/candles/us:AAPL?from={long}s"),
        format!("/v1/candles/us:AAPL?limit={long}"),
        format!("/{long}"),
    ] {
        let answer = server.ask(&path).await;
        assert!((400..=404).contains(&answer.status()));
        assert!(answer.json()["detail"].as_str().unwrap().len() < 300);
    }
}

#[tokio::test]
async fn every_kind_of_error_is_explained_where_its_type_leads() {
    let server = server();
    let all = server.ask("/docs/problems").await;
    for kind in KINDS {
        let answer = server.ask(&format!("/docs/problems/{}", kind.name)).await;
        assert_eq!(answer.status(), 200, "{}", kind.name);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let first = format!("{} ({}, status {})", kind.title, kind.name, kind.status.as_u16());
        assert_eq!(answer.text().lines().next(), Some(first.as_str()));
        assert!(answer.text().contains(kind.doc) && all.text().contains(answer.text()));
        assert!(kind.doc.len() > 40 && kind.doc.ends_with('.'), "{}", kind.doc);
    }
    // As a client goes: from an error to what it means.
    let problem = server.ask("/v1/candles/us:APPL").await.json();
    let meaning = server.ask(problem["type"].as_str().unwrap()).await;
    assert!(meaning.text().starts_with("Unknown symbol (unknown-symbol, status 404)\n\n"));
    let unknown = server.ask("/docs/problems/validatoin").await;
    assert_eq!((unknown.status(), &unknown.json()["suggestions"]), (404, &json!(["validation"])));
}
