//! Whom the server answers: pages of other sites, and origins that are allowed.

use std::sync::Arc;

use node_api::HttpAccess;
use serde_json::json;

use super::Server;
use crate::routes::app;

const CROSS_SITE: (&str, &str) = ("sec-fetch-site", "cross-site");
const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");

/// Links lead to the page from anywhere; else pages of other sites get nothing.
#[tokio::test]
async fn pages_of_other_sites_read_nothing() {
    let server = Server::new();
    server.context.catalog.resolve("a:B").unwrap();
    let own =
        [("host", "localhost"), ("origin", "http://localhost"), ("sec-fetch-site", "same-origin")];
    let script = [CROSS_SITE, ("sec-fetch-mode", "no-cors")];
    let of_same_site = [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")];
    let cors = [("host", "localhost"), ("origin", "http://evil.example")];
    let typed = [("sec-fetch-site", "none"), NAVIGATE, ("sec-fetch-dest", "document")];
    let link = [CROSS_SITE, NAVIGATE, ("sec-fetch-dest", "document")];
    let frame = [CROSS_SITE, NAVIGATE, ("sec-fetch-dest", "iframe")];
    for path in [
        "/",
        "/docs/problems/gone",
        "/page/main.js",
        "/v1/views",
        "/v1/views/trades",
        "/v1/candles/a:B",
        "/v1/candles/none",
        "/v1/indicators/a:B",
        "/v1/symbols",
        "/stream?view=candles",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/nowhere",
    ] {
        let is_page = path == "/" || path.starts_with("/docs");
        for (headers, refused) in [
            (&own[..], false),
            (&script, true),
            (&of_same_site, true),
            (&cors, true),
            (&typed, false),
            (&link, !is_page),
            (&frame, true),
            (&[], false),
        ] {
            let answer = server.ask_with("GET", path, headers).await;
            assert_eq!(answer.status() == 403, refused, "{path} {headers:?}");
            if refused {
                assert_eq!(answer.json()["code"], "cross-site", "{path} {headers:?}");
                assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
            }
        }
    }
}

#[tokio::test]
async fn pages_of_other_sites_get_no_socket() {
    let server = Server::new();
    for (origin, status) in [
        ("http://localhost:8080", 426),
        ("http://LOCALHOST:8080", 426),
        ("http://localhost:8081", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
    ] {
        let headers = [("host", "localhost:8080"), ("origin", origin)];
        let answer = server.ask_with("GET", "/ws", &headers).await;
        assert_eq!(answer.status(), status, "{origin}: {}", answer.text());
        let upgrade = warp::test::ws().path("/ws").header("host", "localhost:8080");
        let upgraded = upgrade.header("origin", origin).handshake(app(&server.context)).await;
        assert_eq!(upgraded.is_ok(), status == 426, "{origin}");
    }
}

/// A page of an allowed origin reads, follows and posts; its browser asks first, and is told what it may read.
#[tokio::test]
async fn pages_of_allowed_origins_are_served() {
    const ORIGIN: &str = "http://localhost:3000";
    let mut server = Server::new();
    server.context.access = Arc::new(HttpAccess::new(&[""; 0], &[ORIGIN]).unwrap());
    server.context.catalog.resolve("a:B").unwrap();
    let of =
        |origin| [("host", "localhost:8080"), ("origin", origin), ("sec-fetch-site", "same-site")];
    for path in ["/v1/symbols", "/v1/candles/a:B", "/v1/candles/none", "/health", "/metrics"] {
        let answer = server.ask_with("GET", path, &of(ORIGIN)).await;
        assert_ne!(answer.status(), 403, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), ORIGIN, "{path}");
        assert!(answer.header("access-control-expose-headers").contains("x-commit"), "{path}");
        let varies = answer.0.headers().get_all("vary").iter().any(|value| value == "origin");
        assert!(varies, "{path}");

        let answer = server.ask_with("GET", path, &of("http://localhost:3001")).await;
        assert_eq!(
            (answer.status(), &answer.json()["code"]),
            (403, &json!("cross-site")),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    let asks = ("access-control-request-method", "POST");
    let private = ("access-control-request-private-network", "true");
    let preflight = [&of(ORIGIN)[..], &[asks, private]].concat();
    let answer = server.ask_with("OPTIONS", "/api/streaming/process", &preflight).await;
    assert_eq!((answer.status(), answer.text()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, POST, PUT, DELETE");
    assert!(answer.header("access-control-allow-headers").contains("idempotency-key"));
    assert_eq!(answer.header("access-control-allow-private-network"), "true");
    let foreign = [&of("http://evil.example")[..], &[asks]].concat();
    assert_eq!(server.ask_with("OPTIONS", "/v1/views", &foreign).await.status(), 403);

    let upgrade = warp::test::ws().path("/ws").header("host", "localhost:8080");
    let upgraded = upgrade.header("origin", ORIGIN).handshake(app(&server.context)).await;
    assert!(upgraded.is_ok(), "a page of an allowed origin follows");
    let posted = server.ask_with("POST", "/api/streaming/process", &of(ORIGIN)).await;
    assert_eq!(posted.json()["code"], "inlet-closed", "the route itself answered");
}
