//! `GET /api/streaming/data/{symbol}`: several views of an instrument in one cut.

use std::sync::atomic::Ordering;

use market::BarState;
use rows::Cell;
use serde_json::{Value, json};

use super::Server;

fn server() -> Server {
    let server = Server::new();
    for minute in 0..4 {
        let open = format!("2024-08-09T12:0{minute}:00Z");
        let state = if minute < 3 { BarState::Final } else { BarState::Open };
        server.bar("a:B", "1m", &open, 10 + minute, state);
        server.bar("a:C", "1m", &open, 20 + minute, state);
        server.numbers("a:B", "1m", &open, "bb5_2", &[minute as f64, 0.0, 1.0]);
    }
    let instrument = |name: &str| server.context.catalog.resolve(name).unwrap().id;
    let trade = |commit, name| vec![Cell::Unsigned(commit), Cell::Instrument(instrument(name))];
    let trades = [(3, "a:B"), (5, "a:C"), (7, "a:B"), (9, "a:C")];
    let trades = trades.map(|(commit, name)| trade(commit, name)).to_vec();
    server.rows.others.lock().unwrap().insert("trades", trades);
    server
}

fn opens(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| &row["open_time"].as_str().unwrap()[14..16]).collect()
}

#[tokio::test]
async fn all_parts_are_of_one_frontier() {
    let server = server();
    let commit = server.rows.commit.load(Ordering::SeqCst);
    let answer = server.ask("/api/streaming/data/B?timeframe=1m").await;
    assert_eq!((answer.status(), answer.header("x-commit")), (200, &*commit.to_string()));
    let json = answer.json();
    assert_eq!((&json["symbol"], &json["timeframe"]), (&json!("a:B"), &json!("1m")));
    assert_eq!(json["frontier"]["commit"], commit);
    assert_eq!(opens(&json["candles"]), ["00", "01", "02", "03"]);
    assert_eq!(opens(&json["indicators"]).len(), 4 * 3);
    assert_eq!(json["trade"], json!({"commit": 7}));
    assert!(json["candles"][0].get("instrument").is_none(), "the head has it");
    // This job has no signals and no gaps.
    assert_eq!((json.get("signals"), &json["more"]), (None, &json!([])));

    let etag = answer.header("etag");
    let again = "/api/streaming/data/a:B?timeframe=1m";
    let again = server.ask_with("GET", again, &[("if-none-match", etag)]).await;
    assert_eq!((again.status(), again.text()), (304, ""), "a later commit with the same rows");
}

#[tokio::test]
async fn parts_are_chosen_and_limited() {
    let server = server();
    let path = "/api/streaming/data/a:B";
    let json = server.ask(&format!("{path}?include=candles,trades&limit=2&tf=1m")).await.json();
    assert_eq!(opens(&json["candles"]), ["02", "03"], "the newest, in the order of time");
    assert_eq!(json["trades"], json!([{"commit": 3}, {"commit": 7}]));
    assert_eq!(json["more"], json!(["candles"]));
    for include in ["indicators,candles", "indicators"] {
        let json = server.ask(&format!("{path}?include={include}&limit=2&tf=1m")).await.json();
        assert_eq!(
            opens(&json["indicators"]),
            ["02", "02", "02", "03", "03", "03"],
            "all of two bars"
        );
        assert!(json["more"].as_array().unwrap().contains(&json!("indicators")));
    }
    let json =
        server.ask(&format!("{path}?include=candles&closed=true&limit=1&tf=1m")).await.json();
    assert_eq!(opens(&json["candles"]), ["02"], "the newest closed bar");
    let json = server.ask(&format!("{path}?include=trade&numbers=string")).await.json();
    assert_eq!((&json["trade"], json.get("candles")), (&json!({"commit": 7}), None));
    let nothing = server.context.catalog.resolve("a:D").map(|_| "/api/streaming/data/a:D");
    let json = server.ask(nothing.unwrap()).await.json();
    assert_eq!((&json["trade"], &json["candles"]), (&json!(null), &json!([])));
}

#[tokio::test]
async fn what_cannot_be_answered_is_told() {
    let server = server();
    let path = "/api/streaming/data";
    let unknown = server.ask(&format!("{path}/a:BB")).await;
    assert_eq!((unknown.status(), &unknown.json()["suggestions"][0]), (404, &json!("a:B")));
    for (query, pointer) in [
        ("include=candles,candels", "#/query/include"),
        ("include=indicators&as_of=commit:3", "#/query/as_of"),
        ("limit=2001", "#/query/limit"),
        ("format=csv", "#/query/format"),
    ] {
        let answer = server.ask(&format!("{path}/a:B?{query}")).await;
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{query}");
    }
    let past = server.ask(&format!("{path}/a:B?as_of=commit:3&timeframe=1m")).await.json();
    assert_eq!(past.get("indicators"), None, "without `include` only what has a history");
    assert_eq!(opens(&past["candles"]).len(), 4);
}
