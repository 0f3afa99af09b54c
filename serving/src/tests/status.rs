//! `/streaming/status`, `/api/streaming/status`, `/api/streaming/metrics`, `/streaming/health`, and how old views may be.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use market::{BarState, EventTime};
use node_api::{Component, Health, MetricsText, Readiness};
use serde_json::{Value, json};

use super::{NO_COMMIT, Server};

/// Counters of two sources.
struct Counted;

impl MetricsText for Counted {
    fn set_view_rows(&self, _: &'static str, _: u64) {}

    fn content_type(&self) -> &'static str {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    }

    fn render(&self) -> String {
        "# HELP tickweave_records Records read.\n# TYPE tickweave_records counter\n\
         tickweave_records_total{source=\"a\"} 5\ntickweave_records_total{source=\"b\"} 2\n\
         # TYPE tickweave_late counter\ntickweave_late_total{source=\"a\",reason=\"x\"} 1\n\
         # TYPE tickweave_watermark_lag_seconds gauge\ntickweave_watermark_lag_seconds{source=\"a\"} 1.5\n\
         tickweave_watermark_lag_seconds{source=\"b\"} 0.5\n\
         # TYPE tickweave_state_bytes gauge\ntickweave_state_bytes 4096\n\
         # TYPE tickweave_tick_to_view_seconds histogram\ntickweave_tick_to_view_seconds_sum 1.0\n\
         tickweave_tick_to_view_seconds_count 2\ntickweave_tick_to_view_seconds_bucket{le=\"1.0\"} 2\n# EOF\n"
            .to_owned()
    }

    fn add_subscriptions(&self, _: &'static str, _: i64) {}

    fn count_refused(&self, _: &'static str) {}
}

fn server() -> Server {
    let mut server = Server::new();
    server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
    server.context.metrics = Arc::new(Counted);
    let source = |name: &str, state| Component {
        name: name.to_owned(),
        view: None,
        kind: "kafka".to_owned(),
        state,
        since: EventTime(0),
        last_error: None,
    };
    let health = Health {
        sources: vec![source("a", "running"), source("b", "disconnected")],
        ..Health::default()
    };
    server.context.health = Arc::new(move || health.clone());
    server
}

#[tokio::test]
async fn the_whole_status() {
    let mut server = server();
    let answer = server.ask("/streaming/status").await;
    assert_eq!((answer.status(), answer.header("x-commit")), (200, "17"));
    let json = answer.json();
    assert_eq!((&json["state"], &json["health"]), (&json!("running"), &json!("pass")));
    assert_eq!((&json["version"], &json["frontier"]["commit"]), (&json!("9.8.7"), &json!(17)));
    assert!(json["frontier_age_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(json["views"]["candles"], json!({"kind": "keyed", "rows": 1}));
    let counters = json["counters"].as_object().unwrap();
    assert_eq!((&counters["records"], &counters["too_late"]), (&json!(7), &json!(1)));
    assert_eq!((counters.len(), &counters["cancels"]), (9, &json!(0)), "what did not occur is 0");
    assert_eq!(json["sources"][1]["state"], "disconnected");
    assert_eq!(
        (&json["watermark_lag_seconds"], &json["retained_bytes"]),
        (&json!(1.5), &json!(4096))
    );
    assert_eq!(json["tick_to_view_seconds"], json!({"p50": 0.5, "p90": 0.9, "p99": 0.99}));
    assert_eq!((&json["retained_bytes_max"], &json["kept"]), (&Value::Null, &json!("nothing")));

    let health =
        Health { readiness: Readiness::NotYet("recovering".to_owned()), ..Health::default() };
    server.context.health = Arc::new(move || health.clone());
    let json = server.ask("/streaming/status").await.json();
    assert_eq!((&json["state"], &json["detail"]), (&json!("not_ready"), &json!("recovering")));
}

#[tokio::test]
async fn the_brief_status_has_ten_fields() {
    let server = server();
    let json = server.ask("/api/streaming/status").await.json();
    assert_eq!(json.as_object().unwrap().len(), 10, "{json}");
    assert_eq!((&json["sources"], &json["sources_disconnected"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&json["commit"], &json["frontier"]),
        (&json!(17), &json!("2024-12-01T00:00:00.5Z"))
    );
    server.rows.commit.store(NO_COMMIT, Ordering::SeqCst);
    let json = server.ask("/api/streaming/status").await.json();
    for field in ["commit", "frontier", "frontier_age_seconds"] {
        assert_eq!(json[field], Value::Null, "{field} before the first commit");
    }
}

#[tokio::test]
async fn metrics_as_json() {
    let json = server().ask("/api/streaming/metrics").await.json();
    let records = json!({
        "type": "counter", "help": "Records read",
        "samples": [{"labels": {"source": "a"}, "value": 5}, {"labels": {"source": "b"}, "value": 2}],
    });
    assert_eq!(json["metrics"]["tickweave_records"], records);
}

#[tokio::test]
async fn health_under_its_other_path() {
    let server = server();
    let (one, other) = (server.ask("/health").await, server.ask("/streaming/health").await);
    assert_eq!((one.status(), one.json()), (other.status(), other.json()));
}

#[tokio::test]
async fn views_that_are_too_old_are_refused() {
    let server = server();
    let path = "/v1/candles/a:B?max_staleness=1h";
    let old = server.ask(&format!("{path}&wait_ms=0")).await;
    let problem = old.json();
    assert_eq!((old.status(), &problem["code"]), (503, &json!("stale")));
    assert_eq!((&problem["retryable"], old.header("retry-after")), (&json!(true), "1"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // It becomes new while the request waits.
    let patient = format!("{path}&wait_ms=30000");
    let waiting = server.ask(&patient);
    let moving = async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        *server.rows.at.lock().unwrap() = EventTime(now.as_nanos() as i64);
    };
    let (answer, ()) = tokio::join!(waiting, moving);
    assert_eq!(answer.status(), 200);
    assert_eq!(server.ask(path).await.status(), 200);
    server.rows.commit.store(NO_COMMIT, Ordering::SeqCst);
    let none = server.ask(&format!("{path}&wait_ms=0")).await;
    assert_eq!(none.status(), 503, "there is nothing yet");
    let wrong = server.ask("/v1/candles/a:B?max_staleness=5").await;
    assert_eq!(
        (wrong.status(), &wrong.json()["errors"][0]["pointer"]),
        (400, &json!("#/query/max_staleness"))
    );
    let alone = server.ask("/v1/candles/a:B?wait_ms=5").await;
    assert_eq!(alone.json()["errors"][0]["pointer"], "#/query/wait_ms");
}
