//! The routes about the process itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use market::{BarState, EventTime};
use node_api::{Check, Component, Health, Readiness, Status};
use serde_json::{Value, json};

use super::Server;
use super::views::VIEW_LIST;
use crate::ROUTES;

#[tokio::test]
async fn the_index_links_to_every_route() {
    let index = Server::new().ask("/").await.json();
    assert_eq!(index["name"], "tickweave");
    assert_eq!(index["version"], "9.8.7");
    assert!(index["uptime_seconds"].is_u64());
    let links = index["links"].as_array().unwrap();
    assert_eq!(links.len(), ROUTES.iter().map(|entry| entry.endpoints.len()).sum::<usize>());
}

#[tokio::test]
async fn every_endpoint_listed_is_answered() {
    let server = Server::new();
    server.context.catalog.resolve("a:B").unwrap();
    for endpoint in ROUTES.iter().flat_map(|entry| entry.endpoints) {
        let path = endpoint.path.replace("{symbol}", "a:B").replace("{view}", "candles");
        let path = path.replace("{problem}", "validation").replace("{file}", "main.js");
        let path = path.replace("{name}", "up");
        let path = match path.as_str() {
            "/stream" => "/stream?view=candles".to_owned(),
            "/v1/explain" => "/v1/explain?key=a:B|1m|2024-08-09T12:00:00Z".to_owned(),
            _ => path,
        };
        for method in endpoint.methods {
            let path = match (method.as_str(), path.as_str()) {
                ("POST", "/streaming/control") => "/streaming/control?action=pause",
                _ => &path,
            };
            let answer = server.ask_with(method.as_str(), path, &[]).await;
            let want = match path {
                "/ws" | "/ws/streaming" => 426,  // they speak WebSocket only
                "/api/streaming/process" => 403, // and this server takes no rows
                "/streaming/drain" | "/streaming/control?action=pause" => 202,
                "/streaming/operations/{operation}" => 404, // there is none of this name
                "/v1/tickets" => 201,
                "/v1/alerts/acknowledge" => 415, // the request says of no body what it is
                "/v1/rules/up" if method == "PUT" => 415,
                _ => 200,
            };
            assert_eq!(answer.status(), want, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn health() {
    let mut server = Server::new();
    let check = |status, observed| Check {
        status,
        output: if status == Status::Pass { String::new() } else { "look".to_owned() },
        observed,
    };
    for (worst, readiness, whole, ready, word) in [
        (Status::Pass, Readiness::Ready, 200, 200, "pass"),
        (Status::Warn, Readiness::Ready, 200, 200, "warn"),
        (Status::Fail, Readiness::Ready, 503, 200, "fail"),
        (Status::Pass, Readiness::NotYet("recovering".to_owned()), 200, 503, "pass"),
    ] {
        let health = Health {
            checks: BTreeMap::from([
                ("workers".to_owned(), check(Status::Pass, None)),
                ("source:a".to_owned(), check(worst, Some((2.5, "s")))),
                ("odd".to_owned(), check(Status::Pass, Some((f64::NAN, "s")))),
            ]),
            sources: vec![Component {
                name: "a".to_owned(),
                view: None,
                kind: "kafka".to_owned(),
                state: "disconnected",
                since: EventTime(1_500_000_000),
                last_error: Some("timed out".to_owned()),
            }],
            sinks: vec![Component {
                name: "bars".to_owned(),
                view: Some("candles"),
                kind: "file".to_owned(),
                state: "running",
                since: EventTime(0),
                last_error: None,
            }],
            readiness: readiness.clone(),
        };
        server.context.health = Arc::new(move || health.clone());
        let answer = server.ask("/health").await;
        assert_eq!(answer.status(), whole, "{worst:?}");
        assert_eq!(answer.header("content-type"), "application/health+json");
        let body = answer.json();
        assert_eq!(body["status"], word);
        assert_eq!(body["checks"]["source:a"][0]["observedValue"], 2.5);
        assert_eq!(body["checks"]["source:a"][0]["observedUnit"], "s");
        assert_eq!(body["checks"]["odd"], json!([{"status": "pass"}]));
        let (source, sink) = (&body["sources"][0], &body["sinks"][0]);
        let since = "1970-01-01T00:00:01.5Z";
        let want = json!({"name": "a", "kind": "kafka", "state": "disconnected", "since": since, "last_error": "timed out"});
        assert_eq!(*source, want);
        assert_eq!((&sink["view"], &sink["last_error"]), (&json!("candles"), &json!(null)));
        assert_eq!(server.ask("/health/live").await.status(), 200);
        let answer = server.ask("/health/ready").await;
        assert_eq!(answer.status(), ready, "{worst:?} {readiness:?}");
        if let Readiness::NotYet(why) = readiness {
            assert_eq!(answer.json()["output"], why);
        }
    }
}

#[tokio::test]
async fn metrics() {
    let server = Server::new();
    server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
    let answer = server.ask("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    for line in ["view_rows{view=\"candles\"} 1", "view_rows{view=\"trades\"} 0", "# EOF"] {
        assert!(answer.text().lines().any(|l| l == line), "{line}\n{}", answer.text());
    }

    // As Prometheus asks, and as a scraper does that knows the older format only.
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    for (accept, want) in
        [(prometheus, "application/openmetrics-text"), ("text/plain", "text/plain")]
    {
        let answer = server.ask_with("GET", "/metrics", &[("accept", accept)]).await;
        let content_type = answer.header("content-type");
        assert!(content_type.starts_with(want), "{content_type}");
        assert_eq!(answer.text().contains("# EOF"), want != "text/plain");
    }
}

#[tokio::test]
async fn views() {
    let server = Server::new();
    server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
    let answer = server.ask("/v1/views").await;
    assert_eq!(answer.header("x-commit"), "17");
    let body = answer.json();
    assert_eq!(
        body["frontier"],
        json!({"run": "1970-01-01T00:00:00.000048879Z", "commit": 17, "at": "2024-12-01T00:00:00.5Z"})
    );
    let views = body["views"].as_array().unwrap();
    let names: Vec<_> = views.iter().map(|view| view["name"].as_str().unwrap()).collect();
    assert_eq!(names, VIEW_LIST.names().collect::<Vec<_>>());
    let candles = views.iter().find(|view| view["name"] == "candles").unwrap();
    assert_eq!(candles["kind"], "keyed");
    assert_eq!(candles["rows"], 1);
    assert_eq!(candles["key"], json!(["instrument", "timeframe", "open_time"]));
    let column = |view: &Value, name: &str| {
        let mut columns = view["columns"].as_array().unwrap().iter();
        let mut column = columns.find(|column| column["name"] == name).unwrap().clone();
        assert!(column.as_object_mut().unwrap().remove("doc").is_some_and(|doc| doc != ""));
        column
    };
    for (name, shown) in [
        ("instrument", json!({"type": "instrument", "nullable": false, "key": true})),
        ("trades", json!({"type": "unsigned", "unit": "trades", "nullable": false, "key": false})),
        (
            "open",
            json!({"type": "decimal", "unit": "quote currency per unit", "scale": "price",
                "nullable": true, "key": false}),
        ),
        (
            "cause",
            json!({"type": "word", "words": ["trade", "correction", "cancel"], "nullable": true,
                "key": false}),
        ),
    ] {
        let mut shown = shown;
        shown["name"] = json!(name);
        assert_eq!(column(candles, name), shown);
    }
    let sources = views.iter().find(|view| view["name"] == "sources").unwrap();
    assert_eq!(column(sources, "lag_seconds")["scale"], 9);
}

#[tokio::test]
async fn rows_of_a_view() {
    let server = Server::new();
    for (minute, price) in [("00", 1), ("01", 2), ("02", 3)] {
        let open = format!("2024-08-09T12:{minute}:00Z");
        server.bar("a:B", "1m", &open, price, BarState::Final);
    }
    let answer = server.ask("/v1/views/candles?symbol=a:B&timeframe=1m&limit=2").await;
    assert_eq!((answer.header("x-commit"), answer.header("x-more")), ("17", "true"));
    let body = answer.json();
    let opens: Vec<_> = body["rows"].as_array().unwrap().iter().map(|row| &row["open"]).collect();
    assert_eq!(opens, [&json!(2), &json!(3)], "the latest, in the order of time");
    assert_eq!(body["view"], "candles");
    let csv = server.ask("/v1/views/candles?format=csv&from=2024-08-09T12:00:00Z&limit=1").await;
    assert!(csv.text().lines().nth(1).unwrap().starts_with("a:B,1m,2024-08-09T12:00:00Z,1,"));

    let problem = server.ask("/v1/views/candels").await.json();
    assert_eq!(
        (&problem["code"], &problem["suggestions"]),
        (&json!("unknown-path"), &json!(["candles"]))
    );
    let problem = server.ask("/v1/views/candles?side=buy&limit=0").await.json();
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, [&json!("#/query/side"), &json!("#/query/limit")]);
}

#[tokio::test]
async fn the_former_name_of_a_view_is_accepted_and_deprecated() {
    let server = Server::new();
    let present = server.ask("/v1/views/sources").await;
    let former = server.ask("/v1/views/providers").await;
    assert_eq!((former.status(), former.text()), (200, present.text()));
    assert!(former.header("deprecation").starts_with('@'), "RFC 9745");
    assert_eq!(former.header("link"), "</v1/views/sources>; rel=\"successor-version\"");
    assert_eq!(present.header("deprecation"), "");
    let stream = server.ask_with("HEAD", "/stream?view=providers", &[]).await;
    assert_eq!(stream.header("link"), "</stream?view=sources>; rel=\"successor-version\"");
    let twice = server.ask("/stream?view=providers,sources").await;
    assert_eq!(twice.status(), 400);
}
