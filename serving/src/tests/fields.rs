//! `fields=` on answers of rows: which columns, in every form.

use market::BarState;
use serde_json::{Value, json};

use super::Server;

const BTC: &str = "/v1/candles/binance:BTCUSDT";

fn server() -> Server {
    let server = Server::new();
    let open = "2024-08-09T12:00:00Z";
    server.bar("binance:BTCUSDT", "1m", open, 10, BarState::Final);
    server.numbers("binance:BTCUSDT", "1m", open, "bb20_2", &[3.5, 3.0, 2.5]);
    server
}

/// The names in the first row of a JSON answer.
fn names(answer: &Value, list: &str) -> Vec<String> {
    let mut names: Vec<_> = answer[list][0].as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

#[tokio::test]
async fn columns_are_left_out_but_never_the_key() {
    let server = server();
    for (path, list, want) in [
        (format!("{BTC}?fields=close,state"), "candles", &["close", "open_time", "state"][..]),
        (format!("{BTC}?fields=open_time"), "candles", &["open_time"]),
        (format!("{BTC}?fields=instrument"), "candles", &["open_time"]), // which the head says
        (
            "/v1/views/candles?fields=close".to_owned(),
            "rows",
            &["close", "instrument", "open_time", "timeframe"],
        ),
        // Words of posts and files.
        (
            "/v1/views/candles?fields=symbol,tf,close".to_owned(),
            "rows",
            &["close", "instrument", "open_time", "timeframe"],
        ),
        (
            "/v1/indicators/binance:BTCUSDT?fields=value".to_owned(),
            "indicators",
            &["indicator", "open_time", "output", "value"],
        ),
    ] {
        let answer = server.ask(&path).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        assert_eq!(names(&answer.json(), list), want, "{path}");
    }
}

#[tokio::test]
async fn lines_leave_out_the_same() {
    let server = server();
    let ask = |rest: &str| format!("/v1/views/candles?fields=state, close&format={rest}");
    let csv = server.ask(&ask("csv").replace(' ', "%20")).await;
    let want = "instrument,timeframe,open_time,close,state\r\n\
                binance:BTCUSDT,1m,2024-08-09T12:00:00Z,10,final\r\n";
    assert_eq!(csv.text(), want);
    let lines = server.ask(&ask("ndjson&numbers=string").replace(' ', "%20")).await;
    let line: Value = serde_json::from_str(lines.text().trim_end()).unwrap();
    let want = json!({
        "instrument": "binance:BTCUSDT", "timeframe": "1m", "open_time": "2024-08-09T12:00:00Z",
        "close": "10", "state": "final",
    });
    assert_eq!(line, want);
    let filled = server.ask(&format!("{BTC}?fields=close&fill=previous&format=csv&limit=1")).await;
    assert_eq!(
        filled.text().lines().next().unwrap(),
        "instrument,timeframe,open_time,close,filled"
    );
}

#[tokio::test]
async fn what_is_no_column_is_refused() {
    let server = server();
    for path in [BTC, "/v1/views/candles", "/v1/indicators/binance:BTCUSDT"] {
        let answer = server.ask(&format!("{path}?fields=clsoe")).await;
        let fault = &answer.json()["errors"][0];
        assert_eq!((answer.status(), &fault["pointer"]), (400, &json!("#/query/fields")), "{path}");
        assert!(fault["allowed"].as_array().unwrap().contains(&json!("open_time")), "{fault}");
    }
}
