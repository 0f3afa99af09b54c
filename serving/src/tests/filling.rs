//! `fill=previous`: where bars are made up, and where not.

use std::sync::atomic::Ordering;

use market::{BarState, Updates};
use proptest::prelude::*;
use serde_json::json;

use super::{Server, time};

/// Minutes 12:00 (close 10) and 12:03 (13), both final; 12:05 (15) provisional.
fn server() -> Server {
    let server = Server::new();
    for (minute, state) in
        [(0, BarState::Final), (3, BarState::Revised), (5, BarState::Provisional)]
    {
        let open = format!("2024-08-09T12:0{minute}:00Z");
        server.bar("x:A", "1m", &open, 10 + minute, state);
    }
    server
}

fn path(query: &str) -> String {
    let at = |minute: &str| format!("2024-08-09T12:{minute}:00Z");
    let query: Vec<_> = query
        .split_whitespace()
        .map(|part| match part.split_once('=') {
            Some((name @ ("from" | "to"), minute)) => format!("{name}={}", at(minute)),
            _ => part.to_owned(),
        })
        .collect();
    format!("/v1/candles/x:A?fill=previous&{}", query.join("&"))
}

async fn minutes(server: &Server, query: &str) -> Vec<String> {
    let closes = server.closes(&path(query)).await;
    closes.iter().map(|close| close[9..].to_owned()).collect()
}

#[tokio::test]
async fn gaps_between_rows_and_up_to_the_end_asked_for() {
    let server = server();
    for (query, want) in [
        // Between rows; nothing before the first and after the last.
        ("", &["00 10", "01 10~", "02 10~", "03 13", "04 13~", "05 15"][..]),
        // `to` inside a gap, at a row, past the last row.
        ("to=02", &["00 10", "01 10~"]),
        ("to=03", &["00 10", "01 10~", "02 10~"]),
        ("to=07", &["00 10", "01 10~", "02 10~", "03 13", "04 13~", "05 15", "06 15~"]),
        // `from` inside a gap takes the close before it; before the first trade there is none.
        ("from=02 to=04", &["02 10~", "03 13"]),
        ("from=01 to=03", &["01 10~", "02 10~"]),
        ("from=06 to=08", &["06 15~", "07 15~"]),
        ("from=06", &[]),
        // The limit keeps the earliest with `from`, the latest without.
        ("from=00 limit=3", &["00 10", "01 10~", "02 10~"]),
        ("from=01 limit=1", &["01 10~"]),
        ("limit=3", &["03 13", "04 13~", "05 15"]),
        ("limit=2", &["04 13~", "05 15"]),
        ("to=09 limit=2", &["07 15~", "08 15~"]),
        ("to=03 limit=1", &["02 10~"]),
    ] {
        assert_eq!(minutes(&server, query).await, want, "{query}");
    }
    let earlier = "/v1/candles/x:A?fill=prev&from=2024-08-09T11:00:00Z&to=2024-08-09T12:02:00Z";
    assert_eq!(server.closes(earlier).await, ["08-09T12:00 10", "08-09T12:01 10~"]);
    let none = "/v1/candles/x:A?fill=prev&from=2024-08-09T11:00:00Z&to=2024-08-09T12:00:00Z";
    assert_eq!(server.closes(none).await, [] as [&str; 0]);
}

#[tokio::test]
async fn more_counts_filled_bars_too() {
    let server = server();
    for (query, more) in [
        ("", false),
        ("limit=6", false),
        ("limit=5", true),
        ("from=00 to=06 limit=6", false),
        ("from=00 to=06 limit=5", true),
        ("from=06 to=08 limit=1", true),
        ("from=06 to=08 limit=2", false),
    ] {
        assert_eq!(server.ask(&path(query)).await.json()["more"], more, "{query}");
    }
}

#[tokio::test]
async fn a_filled_bar() {
    let server = server();
    let answer = server.ask(&path("from=01 to=02")).await.json();
    assert_eq!(
        answer["candles"],
        json!([{
            "open_time": "2024-08-09T12:01:00Z",
            "open": 10, "high": 10, "low": 10, "close": 10,
            "volume": 0, "notional": 0, "trades": 0,
            "state": "final", "revision": 0, "cause": null, "cause_id": null,
            "buy_volume": 0, "buy_notional": 0,
            "end_time": "2024-08-09T12:02:00Z",
            "first_time": null, "last_time": null,
            "filled": true,
        }])
    );
    let csv = server.ask(&path("from=00 to=02 format=csv")).await;
    let ends: Vec<_> = csv.text().lines().filter_map(|l| l.rsplit(',').next()).collect();
    assert_eq!(ends, ["filled", "false", "true"]);
}

#[tokio::test]
async fn states_follow_from_the_row_after() {
    let server = server();
    let answer = server.ask(&path("to=07")).await.json();
    let candles = answer["candles"].as_array().unwrap();
    let states: Vec<_> = candles.iter().map(|c| c["state"].as_str().unwrap()).collect();
    assert_eq!(
        states,
        ["final", "final", "final", "revised", "provisional", "provisional", "open"]
    );
}

#[tokio::test]
async fn nothing_is_made_up_past_the_frontier() {
    let server = server();
    *server.rows.at.lock().unwrap() = time("2024-08-09T12:06:30Z");
    assert_eq!(minutes(&server, "from=05 to=30").await, ["05 15", "06 15~"]);
    assert_eq!(minutes(&server, "to=30 limit=2").await, ["05 15", "06 15~"]);
    // A frontier that is behind the data says nothing about what lies between rows.
    *server.rows.at.lock().unwrap() = time("2024-01-01T00:00:00Z");
    assert_eq!(minutes(&server, "from=03 to=30").await, ["03 13", "04 13~", "05 15"]);
    assert_eq!(minutes(&server, "from=01 to=02").await, ["01 10~"]);
}

#[tokio::test]
async fn gaps_longer_than_any_limit() {
    let server = server();
    server.bar("x:A", "1m", "1999-01-01T00:00:00Z", 1, BarState::Final);
    let early = "/v1/candles/x:A?fill=previous&from=1999-01-01T00:00:00Z&limit=3";
    assert_eq!(server.closes(early).await, ["01-01T00:00 1", "01-01T00:01 1~", "01-01T00:02 1~"]);
    let late = "/v1/candles/x:A?fill=previous&to=2024-08-09T12:00:00Z&limit=2";
    assert_eq!(server.closes(late).await, ["08-09T11:58 1~", "08-09T11:59 1~"]);
    let forever = server.ask("/v1/candles/x:A?fill=previous&to=2199-12-31T23:59:59Z&limit=10000");
    assert_eq!(forever.await.json()["candles"].as_array().unwrap().len(), 10_000);
}

#[tokio::test]
async fn rows_without_a_close_pass_the_one_before_on() {
    let server = server();
    let volume = |minute: u8| {
        let open = format!("2024-08-09T12:0{minute}:00Z");
        server.traded("x:A", "1m", &open, 99, BarState::Final, Updates::VOLUME);
    };
    volume(1);
    volume(2);
    // The row before `from` has no close, the one before that neither.
    server.bar("x:A", "1m", "2024-08-09T12:04:00Z", 14, BarState::Final);
    server
        .rows
        .candles
        .lock()
        .unwrap()
        .retain(|key, _| key.open_time != time("2024-08-09T12:03:00Z"));
    assert_eq!(minutes(&server, "from=03 to=05").await, ["03 10~", "04 14"]);
    assert_eq!(minutes(&server, "to=04 limit=2").await, ["02 10~", "03 10~"]);
    // It keeps its volume, and has the prices of the close before it.
    let answer = server.ask(&path("from=00 to=03")).await.json();
    let bare = &answer["candles"][2];
    let shown = ["open", "high", "low", "close", "volume", "trades", "state", "filled"];
    let shown = shown.map(|name| bare[name].clone());
    let want = [
        json!(10),
        json!(10),
        json!(10),
        json!(10),
        json!(2),
        json!(1),
        json!("final"),
        json!(true),
    ];
    assert_eq!(shown, want);
}

#[tokio::test]
async fn days_that_clocks_change() {
    let server = Server::new();
    // 2024-03-10 has 23 hours in New York; its first 4-hour bar lasts three.
    server.bar("us:AAPL", "4h", "2024-03-10T01:00:00Z", 7, BarState::Final);
    server.bar("us:AAPL", "4h", "2024-03-10T16:00:00Z", 8, BarState::Final);
    assert_eq!(
        server.closes("/v1/candles/AAPL?tf=4h&fill=previous").await,
        ["03-10T01:00 7", "03-10T05:00 7~", "03-10T08:00 7~", "03-10T12:00 7~", "03-10T16:00 8"]
    );
    let from = "/v1/candles/AAPL?tf=4h&fill=previous&from=2024-03-10T05:00:01Z&limit=2";
    assert_eq!(server.closes(from).await, ["03-10T08:00 7~", "03-10T12:00 7~"]);

    server.bar("us:AAPL", "1d", "2024-03-09T05:00:00Z", 7, BarState::Final);
    let days = "/v1/candles/AAPL?tf=1d&fill=previous&to=2024-03-13T00:00:00Z";
    assert_eq!(
        server.closes(days).await,
        ["03-09T05:00 7", "03-10T05:00 7~", "03-11T04:00 7~", "03-12T04:00 7~"]
    );
    let ends = server.ask(days).await.json();
    assert_eq!(ends["candles"][1]["end_time"], "2024-03-11T04:00:00Z");
}

#[tokio::test]
async fn all_reads_of_an_answer_share_one_frontier() {
    let server = server();
    // Each cut of these tests is followed by a commit, so what is read beside the cut has another frontier.
    for commit in ["17", "18"] {
        let answer = server.ask(&path("from=01 to=03")).await;
        assert_eq!((answer.status(), answer.header("x-commit")), (200, commit));
    }
    assert_eq!(server.rows.scans.load(Ordering::SeqCst), 0);
}

/// The definition read slowly: every minute of the hour in turn, then the limit.
fn slowly(rows: &[bool], from: Option<usize>, to: Option<usize>, limit: usize) -> Vec<String> {
    let last = rows.iter().rposition(|row| *row);
    let end = to.or(last.map(|last| last + 1)).unwrap_or(0);
    let mut close = None;
    let mut all = Vec::new();
    for (minute, row) in rows.iter().enumerate().take(end) {
        let mark = if *row { "" } else { "~" };
        close = if *row { Some(minute) } else { close };
        if let Some(close) = close.filter(|_| from.is_none_or(|from| from <= minute)) {
            all.push(format!("08-09T12:{minute:02} {}{mark}", close + 1));
        }
    }
    // Without `to`, the last row ends what is filled, and it may be before `from`.
    if from.is_some_and(|from| to.is_none() && last.is_none_or(|last| last < from)) {
        all.clear();
    }
    match from {
        Some(_) => all.truncate(limit),
        None => drop(all.drain(..all.len().saturating_sub(limit))),
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn filling_is_what_it_is_defined_to_be(
        rows in prop::collection::vec(prop::bool::weighted(0.2), 60),
        from in prop::option::of(0..60_usize),
        to in prop::option::of(0..60_usize),
        limit in 1..80_usize,
    ) {
        prop_assume!(from.is_none() || to.is_none() || from <= to);
        let server = Server::new();
        server.context.catalog.resolve("x:A").unwrap();
        for minute in (0..60).filter(|minute| rows[*minute]) {
            let open = format!("2024-08-09T12:{minute:02}:00Z");
            server.bar("x:A", "1m", &open, minute as i64 + 1, BarState::Final);
        }
        let at = |name, minute: Option<usize>| match minute {
            Some(minute) => format!("&{name}=2024-08-09T12:{minute:02}:00Z"),
            None => String::new(),
        };
        let (start, end) = (at("from", from), at("to", to));
        let path = format!("/v1/candles/x:A?fill=previous&limit={limit}{start}{end}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let got = runtime.block_on(server.closes(&path));
        prop_assert_eq!(&got, &slowly(&rows, from, to, limit), "{}", path);
        // `more` is whether a larger limit would have shown more.
        let more = slowly(&rows, from, to, 100).len() > got.len();
        prop_assert_eq!(&runtime.block_on(server.ask(&path)).json()["more"], more, "{}", path);
    }
}
