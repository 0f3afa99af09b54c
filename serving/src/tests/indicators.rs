//! `GET /v1/indicators/{symbol}`: which numbers, in which form.

use serde_json::{Value, json};

use super::Server;

const BTC: &str = "/v1/indicators/binance:BTCUSDT";

/// Six minutes from 12:00; bands of 5 have values from the third on, the mean of 20 only in the last.
fn server() -> Server {
    let server = Server::new();
    for minute in 0..6 {
        let open = format!("2024-08-09T12:0{minute}:00Z");
        let middle = f64::from(minute) + 0.5;
        if minute == 5 {
            server.numbers("binance:BTCUSDT", "1m", &open, "sma20", &[7.25]);
        }
        server.numbers(
            "binance:BTCUSDT",
            "1m",
            &open,
            "bb20_2",
            &[middle + 2.0, middle, middle - 2.0],
        );
        if minute >= 2 {
            server.numbers(
                "binance:BTCUSDT",
                "1m",
                &open,
                "bb5_2",
                &[middle + 1.0, middle, middle - 1.0],
            );
        }
    }
    server.numbers("binance:BTCUSDT", "1h", "2024-08-09T12:00:00Z", "sma20", &[1.0]);
    server
}

/// Each row as minute, indicator, output and value.
async fn rows_of(server: &Server, query: &str) -> Vec<String> {
    let answer = server.ask(&format!("{BTC}?{query}")).await.json();
    let rows = answer["indicators"].as_array().unwrap_or_else(|| panic!("{query}: {answer}"));
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| {
            let (minute, of) = (&word(row, "open_time")[14..16], word(row, "indicator"));
            format!("{minute} {of}.{} {}", word(row, "output"), row["value"])
        })
        .collect()
}

#[tokio::test]
async fn the_whole_answer() {
    let server = server();
    let answer = server.ask(&format!("{BTC}?name=sma20")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.json(),
        json!({
            "symbol": "binance:BTCUSDT",
            "timeframe": "1m",
            "frontier": {"run": "1970-01-01T00:00:00.000048879Z", "commit": 17, "at": "2024-12-01T00:00:00.5Z"},
            "view_version": answer.json()["view_version"],
            "indicators": [{
                "open_time": "2024-08-09T12:05:00Z",
                "indicator": "sma20",
                "output": "sma",
                "value": 7.25,
                "state": "closed",
            }],
            "more": false,
        })
    );
    for (name, want) in
        [("content-type", "application/json"), ("x-commit", "17"), ("x-more", "false")]
    {
        assert_eq!(answer.header(name), want, "{name}");
    }
    let etag = server.ask(BTC).await.header("etag").to_owned();
    let same = server.ask_with("GET", BTC, &[("if-none-match", &*etag)]).await;
    assert_eq!((same.status(), same.text()), (304, ""));
}

#[tokio::test]
async fn which_numbers() {
    let server = server();
    for (query, want) in [
        ("limit=1", &["05 bb5_2.lower 4.5"][..]),
        ("name=bb5_2&output=upper&limit=2", &["04 bb5_2.upper 5.5", "05 bb5_2.upper 6.5"]),
        // A name without parameters is all of this kind.
        ("name=bb&output=middle&limit=2", &["05 bb20_2.middle 5.5", "05 bb5_2.middle 5.5"]),
        ("output=sma", &["05 sma20.sma 7.25"]),
        ("from=2024-08-09T12:00:00Z&name=bb5_2&limit=1", &["02 bb5_2.upper 3.5"]),
        ("from=2024-08-09T12:00:00Z&name=sma20", &["05 sma20.sma 7.25"]),
        ("name=sma20&to=2024-08-09T12:05:00Z", &[]),
        ("tf=1h", &["00 sma20.sma 1"]),
        ("tf=H1", &["00 sma20.sma 1"]),
        ("timeframe=60min", &["00 sma20.sma 1"]),
    ] {
        assert_eq!(rows_of(&server, query).await, want, "{query}");
    }
    assert_eq!(rows_of(&server, "").await.len(), 6 * 3 + 4 * 3 + 1);
}

#[tokio::test]
async fn more_says_whether_wanted_rows_were_left_out() {
    let server = server();
    for (query, more) in [
        ("name=bb5_2&output=lower&limit=3", true),
        ("name=bb5_2&output=lower&limit=4", false),
        ("name=bb5_2&output=lower&from=0s&limit=3", true),
        ("name=bb5_2&output=lower&from=0s&limit=4", false),
        ("name=sma20&limit=1", false),
    ] {
        assert_eq!(server.ask(&format!("{BTC}?{query}")).await.json()["more"], more, "{query}");
    }
}

#[tokio::test]
async fn an_indicator_that_begins_late_is_found() {
    let server = Server::new();
    for minute in 0..50 {
        let open = format!("2024-08-09T12:{minute:02}:00Z");
        if minute == 49 {
            server.numbers("binance:BTCUSDT", "1m", &open, "sma20", &[1.5]);
        }
        server.numbers("binance:BTCUSDT", "1m", &open, "bb20_2", &[3.0, 2.0, 1.0]);
    }
    assert_eq!(rows_of(&server, "from=0s&name=sma20&limit=1").await, ["49 sma20.sma 1.5"]);
}

#[tokio::test]
async fn forms() {
    let server = server();
    let csv = server.ask(&format!("{BTC}?name=sma20&format=csv")).await;
    assert_eq!(
        csv.text(),
        "instrument,timeframe,open_time,indicator,output,value,state\r\n\
         binance:BTCUSDT,1m,2024-08-09T12:05:00Z,sma20,sma,7.25,closed\r\n"
    );
    assert!(csv.header("etag").ends_with(".csv\""), "{}", csv.header("etag"));
    let lines = server.ask(&format!("{BTC}?name=bb&format=ndjson&limit=2")).await;
    assert_eq!(lines.text().lines().count(), 2);
    assert!(lines.text().starts_with("{\"instrument\":\"binance:BTCUSDT\",\"timeframe\":\"1m\","));
}

#[tokio::test]
async fn unknown_indicators_are_errors_with_suggestions() {
    let server = server();
    for (query, pointer, detail, suggestions) in [
        (
            "name=sma21",
            "#/query/name",
            "name=sma21 is not an indicator that is computed (sma20, bb20_2, bb5_2)",
            json!(["sma20"]),
        ),
        (
            "name=bb&output=uper",
            "#/query/output",
            "output=uper is not an output of bb (lower, middle, upper)",
            json!(["upper"]),
        ),
        (
            "output=signal",
            "#/query/output",
            "output=signal is not an output of an indicator that is computed (lower, middle, sma, upper)",
            Value::Null,
        ),
        (
            "timeframe=5m",
            "#/query/timeframe",
            "timeframe=5m is not a timeframe that is computed (1m, 1h, 4h, 1d)",
            Value::Null,
        ),
    ] {
        let answer = server.ask(&format!("{BTC}?{query}")).await;
        let problem = answer.json();
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
        assert_eq!(problem["errors"][0]["detail"], detail, "{query}");
        assert_eq!(problem["suggestions"], suggestions, "{query}");
    }
    let unknown = server.ask("/v1/indicators/binance:BTCUSD").await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(unknown.json()["suggestions"], json!(["binance:BTCUSDT"]));
}
