//! `GET /v1/latest`: the newest bar of each, at one frontier.

use market::BarState;
use serde_json::{Value, json};

use super::Server;

/// Three minutes of two instruments, of which the last is open, and an hour.
fn server() -> Server {
    let server = Server::new();
    for (minute, state) in
        [(0, BarState::Final), (1, BarState::Revised), (2, BarState::Provisional)]
    {
        let open = format!("2024-08-09T12:0{minute}:00Z");
        server.bar("a:B", "1m", &open, 10 + minute, state);
        server.bar("a:C", "1m", &open, 20 + minute, state);
    }
    server.bar("a:B", "1m", "2024-08-09T12:03:00Z", 13, BarState::Open);
    server.bar("a:B", "1h", "2024-08-09T12:00:00Z", 13, BarState::Open);
    for (minute, value) in [(2, 1.5), (3, 2.5)] {
        let open = format!("2024-08-09T12:0{minute}:00Z");
        server.numbers("a:B", "1m", &open, "bb5_2", &[value, value, value]);
    }
    server
}

/// The instrument, timeframe and close of each row, sorted.
async fn closes(server: &Server, query: &str) -> Vec<String> {
    let answer = server.ask(&format!("/v1/latest?{query}")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let json = answer.json();
    let rows = json["rows"].as_array().unwrap().iter();
    let text = |row: &Value, name: &str| row[name].to_string().replace('"', "");
    let rows = rows.map(|row| ["instrument", "timeframe", "close"].map(|name| text(row, name)));
    let mut rows: Vec<_> = rows.map(|row| row.join(" ")).collect();
    rows.sort_unstable();
    rows
}

#[tokio::test]
async fn the_newest_bar_of_each_instrument_and_timeframe() {
    let server = server();
    for (query, want) in [
        ("", &["a:B 1h 13", "a:B 1m 13", "a:C 1m 22"][..]),
        ("symbol=a:B,a:C&timeframe=1m", &["a:B 1m 13", "a:C 1m 22"]),
        ("symbol=C&tf=1m", &["a:C 1m 22"]),
        ("symbol=a:B,a:C&timeframe=1m&closed=true", &["a:B 1m 11", "a:C 1m 21"]),
        ("timeframe=1m&to=2024-08-09T12:01:00Z", &["a:B 1m 10", "a:C 1m 20"]),
        ("timeframe=1m&state=final", &["a:B 1m 10", "a:C 1m 20"]),
    ] {
        assert_eq!(closes(&server, query).await, want, "{query}");
    }
    let few = server.ask("/v1/latest?timeframe=1m&limit=1").await.json();
    assert_eq!((few["rows"].as_array().unwrap().len(), &few["more"]), (1, &json!(true)));
}

#[tokio::test]
async fn the_answer_has_one_frontier_and_all_numbers_of_a_bar() {
    let server = server();
    let commit = server.rows.commit.load(std::sync::atomic::Ordering::SeqCst);
    let answer = server.ask("/v1/latest?view=indicators&symbol=a:B&timeframe=1m").await;
    assert_eq!(answer.header("x-commit"), commit.to_string());
    let json = answer.json();
    assert_eq!(
        (&json["view"], &json["frontier"]["commit"]),
        (&json!("indicators"), &json!(commit))
    );
    let values: Vec<&Value> =
        json["rows"].as_array().unwrap().iter().map(|row| &row["value"]).collect();
    assert_eq!(
        values,
        [&json!(2.5); 3],
        "the numbers of the newest bar, and none of the one before"
    );
}

#[tokio::test]
async fn unknown_names_are_told() {
    let server = server();
    for (query, status, code) in [
        ("symbol=a:B,a:D", 404, "unknown-symbol"),
        ("view=candels", 404, "unknown-path"),
        ("view=sources&closed=true", 400, "validation.closed"),
        ("cursor=*", 400, "validation.cursor"),
    ] {
        let answer = server.ask(&format!("/v1/latest?{query}")).await;
        assert_eq!((answer.status(), &answer.json()["code"]), (status, &json!(code)), "{query}");
    }
}
