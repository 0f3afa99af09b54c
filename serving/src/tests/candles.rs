//! `GET /v1/candles/{symbol}`: which rows, in which form.

use std::sync::atomic::Ordering;

use market::{BarState, EventTime};
use serde_json::json;

use super::{NO_COMMIT, Server};

const BTC: &str = "/v1/candles/binance:BTCUSDT";

/// Five minutes from 12:00 with a hole at 12:02, closes 10 to 14 by minute; one hour.
fn server() -> Server {
    let server = Server::new();
    for (minute, state) in [
        (0, BarState::Final),
        (1, BarState::Revised),
        (3, BarState::Provisional),
        (4, BarState::Open),
    ] {
        let open = format!("2024-08-09T12:0{minute}:00Z");
        server.bar("binance:BTCUSDT", "1m", &open, 10 + minute, state);
    }
    server.bar("binance:BTCUSDT", "1h", "2024-08-09T12:00:00Z", 14, BarState::Open);
    server
}

#[tokio::test]
async fn the_whole_answer() {
    let server = server();
    let answer = server.ask(&format!("{BTC}?limit=1")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.json(),
        json!({
            "symbol": "binance:BTCUSDT",
            "timeframe": "1m",
            "frontier": {"run": "1970-01-01T00:00:00.000048879Z", "commit": 17, "at": "2024-12-01T00:00:00.5Z"},
            "view_version": answer.json()["view_version"],
            "candles": [{
                "open_time": "2024-08-09T12:04:00Z",
                "open": 14, "high": 14, "low": 14, "close": 14,
                "volume": 2, "notional": 28, "trades": 1,
                "state": "open", "revision": 0, "cause": null, "cause_id": null,
                "buy_volume": 0, "buy_notional": 0,
                "end_time": "2024-08-09T12:05:00Z",
                "first_time": "2024-08-09T12:04:00Z",
                "last_time": "2024-08-09T12:04:00Z",
            }],
            "more": true,
        })
    );
    assert_eq!(answer.json()["view_version"].as_str().unwrap().len(), 8);
    for (name, want) in [
        ("content-type", "application/json"),
        ("x-commit", "17"),
        ("x-frontier", "2024-12-01T00:00:00.5Z"),
        ("x-more", "true"),
        ("vary", "accept, accept-encoding"),
    ] {
        assert_eq!(answer.header(name), want, "{name}");
    }
    let etag = answer.header("etag");
    assert!(etag.starts_with("W/\"candles-") && etag.len() == 44, "{etag}");
}

#[tokio::test]
async fn which_rows() {
    let server = server();
    for (query, want) in [
        ("", &["08-09T12:00 10", "08-09T12:01 11", "08-09T12:03 13", "08-09T12:04 14"][..]),
        ("?limit=2", &["08-09T12:03 13", "08-09T12:04 14"]),
        ("?to=2024-08-09T12:03:00Z&limit=1", &["08-09T12:01 11"]),
        ("?from=2024-08-09T12:01:00Z&limit=2", &["08-09T12:01 11", "08-09T12:03 13"]),
        (
            "?from=2024-08-09T14:00:01+02:00&to=1723204980001ms",
            &["08-09T12:01 11", "08-09T12:03 13"],
        ),
        ("?from=2024-08-09T12:01:00Z&to=2024-08-09T12:01:00Z", &[]),
        ("?tf=1h", &["08-09T12:00 14"]),
        ("?timeframe=3600s", &["08-09T12:00 14"]),
        ("?tf=4h", &[]),
        (
            "?fill=none&numbers=number",
            &["08-09T12:00 10", "08-09T12:01 11", "08-09T12:03 13", "08-09T12:04 14"],
        ),
    ] {
        assert_eq!(server.closes(&format!("{BTC}{query}")).await, want, "{query}");
    }
}

#[tokio::test]
async fn more_says_whether_the_limit_left_any_out() {
    let server = server();
    for (query, more) in
        [("limit=3", true), ("limit=4", false), ("from=0s&limit=3", true), ("from=0s", false)]
    {
        let answer = server.ask(&format!("{BTC}?{query}")).await;
        assert_eq!(answer.json()["more"], more, "{query}");
        assert_eq!(answer.header("x-more"), more.to_string(), "{query}");
    }
}

#[tokio::test]
async fn names_of_instruments() {
    let server = server();
    server.context.catalog.resolve("a:QUIET").unwrap();
    server.context.catalog.resolve("b:ODD/NAME?").unwrap();
    for (path, symbol) in [
        ("BTCUSDT", "binance:BTCUSDT"),
        ("binance%3ABTCUSDT", "binance:BTCUSDT"),
        ("QUIET", "a:QUIET"),
        ("b:ODD%2FNAME%3f", "b:ODD/NAME?"),
    ] {
        let answer = server.ask(&format!("/v1/candles/{path}")).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.json()["symbol"], symbol, "{path}");
    }
    let quiet = server.ask("/v1/candles/a:QUIET").await.json();
    assert_eq!((&quiet["candles"], &quiet["more"]), (&json!([]), &json!(false)));
    // Asking never makes an instrument.
    server.ask("/v1/candles/a:NEW").await;
    assert_eq!(server.context.catalog.all().len(), 3);
}

#[tokio::test]
async fn numbers_stay_exact() {
    let server = Server::new();
    let big = 9_007_199_254; // × 10⁹ is past what a double holds
    server.bar("x:A", "1m", "2024-08-09T12:00:00Z", big, BarState::Final);
    let text = server.ask("/v1/candles/x:A").await;
    assert!(text.text().contains("\"close\":9007199254,"), "{}", text.text());
    assert!(text.text().contains("\"notional\":18014398508,"));
    let strings = server.ask("/v1/candles/x:A?numbers=string").await.json();
    assert_eq!(strings["candles"][0]["close"], "9007199254");
    assert_eq!(strings["candles"][0]["trades"], 1);
}

#[tokio::test]
async fn forms() {
    let server = server();
    let csv = server.ask(&format!("{BTC}?format=csv&limit=1")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(
        csv.text(),
        "instrument,timeframe,open_time,open,high,low,close,volume,notional,trades,state,revision,\
         cause,cause_id,buy_volume,buy_notional,end_time,first_time,last_time\r\n\
         binance:BTCUSDT,1m,2024-08-09T12:04:00Z,14,14,14,14,2,28,1,open,0,,,0,0,\
         2024-08-09T12:05:00Z,2024-08-09T12:04:00Z,2024-08-09T12:04:00Z\r\n"
    );
    assert!(csv.header("etag").ends_with(".csv\""), "{}", csv.header("etag"));
    assert_eq!(csv.header("x-more"), "true");

    let lines = server.ask_with("GET", BTC, &[("accept", "application/x-ndjson")]).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let closes: Vec<_> = lines
        .text()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| (row["instrument"].clone(), row["close"].clone()))
        .collect();
    let want = [10, 11, 13, 14].map(|close| (json!("binance:BTCUSDT"), json!(close)));
    assert_eq!(closes, want);

    // The query outranks `Accept`.
    let path = format!("{BTC}?format=json");
    let json = server.ask_with("GET", &path, &[("accept", "text/csv")]).await;
    assert_eq!(json.header("content-type"), "application/json");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let server = server();
    let etag = server.ask(BTC).await.header("etag").to_owned();
    let strong = etag.trim_start_matches("W/");
    let csv = server.ask(&format!("{BTC}?format=csv")).await.header("etag").to_owned();
    let less = server.ask(&format!("{BTC}?limit=1")).await.header("etag").to_owned();
    for (tag, status) in [
        (&*etag, 304),
        (strong, 304),
        (&format!("\"x\", {etag}"), 304),
        ("*", 304),
        (&csv, 200),
        (&less, 200),
    ] {
        let answer = server.ask_with("GET", BTC, &[("if-none-match", tag)]).await;
        assert_eq!(answer.status(), status, "{tag}");
        assert_eq!(answer.header("etag"), etag, "{tag}");
        assert_eq!(answer.header("x-commit"), "17", "{tag}");
        assert_eq!(answer.text().is_empty(), status == 304);
    }
    // The same rows at a later commit.
    server.rows.commit.store(18, Ordering::SeqCst);
    let answer = server.ask_with("GET", BTC, &[("if-none-match", &*etag)]).await;
    assert_eq!((answer.status(), answer.header("x-commit")), (304, "18"));
    // What is wrong with a request does not depend on what the client has.
    let wrong = format!("{BTC}?limit=0");
    let answer = server.ask_with("GET", &wrong, &[("if-none-match", "*")]).await;
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn many_rows_are_compressed() {
    let server = server();
    let path = format!("{BTC}?fill=previous");
    let plain = server.ask(&path).await;
    assert!(plain.text().len() > 1_024, "{}", plain.text().len());
    let asked = |coding: &'static str| {
        let (server, path) = (&server, &path);
        async move { server.ask_with("GET", path, &[("accept-encoding", coding)]).await }
    };
    for coding in ["gzip", "zstd"] {
        let packed = asked(coding).await;
        assert_eq!(packed.header("content-encoding"), coding);
        assert_eq!(packed.header("etag"), plain.header("etag"));
        assert!(packed.bytes().len() * 2 < plain.bytes().len());
    }
    assert_eq!(asked("br").await.header("content-encoding"), "");
    let one = format!("{BTC}?limit=1");
    let short = server.ask_with("GET", &one, &[("accept-encoding", "gzip")]).await;
    assert_eq!(short.header("content-encoding"), "");
}

#[tokio::test]
async fn head_is_allowed_where_get_is() {
    let server = server();
    let answer = server.ask_with("HEAD", BTC, &[]).await;
    assert_eq!((answer.status(), answer.header("x-commit")), (200, "17"));
}

#[tokio::test]
async fn a_stopped_process_says_so() {
    let server = server();
    server.rows.closed.store(true, Ordering::SeqCst);
    let answer = server.ask(BTC).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json()["code"], "unavailable");
    assert_eq!(answer.json()["retryable"], true);
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn before_the_first_commit() {
    let server = server();
    *server.rows.at.lock().unwrap() = EventTime::NEVER;
    server.rows.commit.store(NO_COMMIT, Ordering::SeqCst);
    let answer = server.ask(BTC).await;
    assert_eq!(
        answer.json()["frontier"],
        json!({"run": "1970-01-01T00:00:00.000048879Z", "commit": null, "at": null})
    );
    assert_eq!(answer.header("x-frontier"), "");
    assert_eq!(answer.header("x-commit"), "");
    assert!(!answer.header("etag").is_empty());
}

#[tokio::test]
async fn the_newest_closed_bar() {
    let server = server();
    let closed = format!("{BTC}?closed=true&limit=1");
    assert_eq!(server.closes(&closed).await, ["08-09T12:01 11"], "neither open nor provisional");
    assert_eq!(server.closes(&format!("{BTC}?closed=false&limit=1")).await, ["08-09T12:04 14"]);
    for with in ["fill=previous", "session=regular"] {
        let answer = server.ask(&format!("{closed}&{with}")).await;
        let problem = answer.json();
        assert_eq!(
            (answer.status(), &problem["code"]),
            (400, &json!("validation.closed")),
            "{with}"
        );
    }
}

#[tokio::test]
async fn a_plain_list_has_whole_rows() {
    let server = server();
    let answer = server.ask(&format!("{BTC}?shape=rows&limit=2&fields=close")).await;
    let row = |open, close| json!({"instrument": "binance:BTCUSDT", "timeframe": "1m", "open_time": open, "close": close});
    let want = json!([row("2024-08-09T12:03:00Z", 13), row("2024-08-09T12:04:00Z", 14)]);
    assert_eq!((answer.json(), answer.header("x-more")), (want, "true"));
    assert_eq!(answer.header("x-commit"), "17");
    let object = server.ask(&format!("{BTC}?limit=2&fields=close")).await;
    assert_ne!(object.header("etag"), answer.header("etag"));
}
