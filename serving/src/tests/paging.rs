//! `sort`, `since` and cursors: pages of a view that add up to what it was at the first one.

use std::sync::atomic::Ordering;

use market::BarState;
use rows::Cell;
use serde_json::{Value, json};

use super::{Answer, Server, app};
use crate::Route;

/// Minutes with bars of two instruments.
const MINUTES: i64 = 10;

fn bars(server: &Server, add: i64) {
    for minute in 0..MINUTES {
        let open = format!("2024-08-09T12:{minute:02}:00Z");
        for (name, price) in [("a:B", 10), ("a:C", 40)] {
            server.bar(name, "1m", &open, price + minute + add, BarState::Final);
        }
    }
}

/// A log with three rows in each of so many commits.
fn log(server: &Server, commits: u64) {
    let instrument = server.context.catalog.resolve("a:B").unwrap().id;
    let row = |commit| vec![Cell::Unsigned(commit), Cell::Instrument(instrument)];
    let rows = (0..3 * commits).map(|number| row(number / 3)).collect();
    server.rows.others.lock().unwrap().insert("trades", rows);
}

async fn ask(app: &Route, path: &str) -> Answer {
    Answer(warp::test::request().path(path).reply(app).await)
}

/// All pages from the first link on.
async fn pages(server: &Server, first: &str, between: impl Fn(&Server)) -> Vec<Value> {
    let app = app(&server.context);
    let (mut pages, mut link) = (Vec::new(), Some(first.to_owned()));
    while let Some(path) = link {
        let answer = ask(&app, &path).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        let json = answer.json();
        assert_eq!(json["more"], json["page"]["has_more"]);
        link = next(&answer);
        assert_eq!(link.is_some(), json["more"] == true);
        pages.push(json);
        assert!(pages.len() < 100, "the pages have no end");
        between(server);
    }
    pages
}

/// The link to the next page.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link").strip_suffix(">; rel=\"next\"")?;
    link.strip_prefix('<').map(str::to_owned)
}

fn rows(pages: &[Value]) -> Vec<Value> {
    pages.iter().flat_map(|page| page["rows"].as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn pages_are_the_view_at_the_first_one_while_rows_change() {
    for (sort, limit) in [("open_time", 3), ("-open_time", 3), ("-open_time", 1), ("open_time", 7)]
    {
        let server = Server::new();
        bars(&server, 0);
        let path = format!("/v1/views/candles?timeframe=1m&sort={sort}&cursor=*");
        let whole = server.ask(&format!("{path}&limit=1000")).await.json();
        assert_eq!((&whole["page"]["next"], &whole["more"]), (&json!(null), &json!(false)));
        let commit = server.rows.commit.load(Ordering::SeqCst);
        let all =
            pages(&server, &format!("{path}&limit={limit}"), |server| bars(server, 100)).await;
        assert_eq!(rows(&all), *whole["rows"].as_array().unwrap(), "{sort} {limit}");
        assert_eq!(rows(&all).len() as i64, 2 * MINUTES);
        for page in &all {
            assert_eq!(page["frontier"]["commit"], commit, "{sort} {limit}");
            assert_eq!(page["page"]["limit"], limit);
        }
        let opens: Vec<String> =
            rows(&all).iter().map(|row| row["open_time"].to_string()).collect();
        let newest_first = sort.starts_with('-');
        assert!(opens.is_sorted_by(|a, b| if newest_first { a >= b } else { a <= b }));
    }
}

#[tokio::test]
async fn a_page_that_is_read_again_is_the_same() {
    let server = Server::new();
    bars(&server, 0);
    let app = app(&server.context);
    let first = ask(&app, "/v1/views/candles?limit=3&cursor=*").await;
    let link = next(&first).unwrap();
    let second = ask(&app, &link).await;
    bars(&server, 5);
    assert_eq!(ask(&app, &link).await.json(), second.json());
    let csv = ask(&app, &format!("{link}&format=csv")).await;
    assert_eq!(csv.text().lines().count(), 4, "the same rows in another format");
    assert!(next(&csv).is_some());
}

#[tokio::test]
async fn a_log_is_read_whole_from_either_end() {
    let server = Server::new();
    log(&server, 40);
    let commits = |pages: &[Value]| -> Vec<u64> {
        rows(pages).iter().map(|row| row["commit"].as_u64().unwrap()).collect()
    };
    let oldest_first: Vec<u64> = (0..120).map(|number| number / 3).collect();
    let newest_first: Vec<u64> = oldest_first.iter().rev().copied().collect();
    let path = "/v1/views/trades?cursor=*";
    let grown = |server: &Server| log(server, 60);
    for (query, want) in [
        ("limit=7", &oldest_first[..]),
        ("sort=commit&limit=2", &oldest_first),
        ("sort=-commit&limit=2", &newest_first),
        ("sort=-commit&limit=3", &newest_first),
        ("sort=-commit&limit=500", &newest_first),
        ("since=37&limit=2", &[38, 38, 38, 39, 39, 39]),
        ("since=beef-37&limit=500", &[38, 38, 38, 39, 39, 39]),
        ("since=39", &[]),
    ] {
        log(&server, 40);
        let all = pages(&server, &format!("{path}&{query}"), grown).await;
        assert_eq!(commits(&all), want, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_is_of_its_query_only() {
    let server = Server::new();
    bars(&server, 0);
    log(&server, 9);
    let app = app(&server.context);
    let first = ask(&app, "/v1/views/candles?symbol=a:B&limit=3&cursor=*").await;
    let own = first.json()["page"]["next"].as_str().unwrap().to_owned();
    for (query, status) in [
        ("candles?symbol=a:B&limit=3", 200),
        ("candles?symbol=a:B&limit=50&fields=close", 200),
        ("candles?symbol=a:B&limit=3&sort=open_time", 200),
        ("candles?symbol=a:B&limit=3&sort=-open_time", 400),
        ("candles?symbol=a:C&limit=3", 400),
        ("candles?symbol=a:B&limit=3&as_of=commit:3", 400),
        ("candles?limit=3", 400),
        ("indicators?symbol=a:B&limit=3", 400),
    ] {
        let answer = ask(&app, &format!("/v1/views/{query}&cursor={own}")).await;
        assert_eq!(answer.status(), status, "{query}: {}", answer.text());
        if status == 400 {
            assert_eq!(answer.json()["errors"][0]["pointer"], "#/query/cursor");
        }
    }
    for wrong in ["x", "%00", ""] {
        let answer = ask(&app, &format!("/v1/views/candles?cursor={wrong}")).await;
        assert_eq!((answer.status(), &answer.json()["errors"][0]["code"]), (400, &json!("enum")));
    }
}

#[tokio::test]
async fn a_cursor_whose_frontier_is_gone_says_how_to_begin_anew() {
    let server = Server::new();
    bars(&server, 0);
    let path = "/v1/views/candles?symbol=a:B&limit=3&cursor=*";
    let (before, app) = (app(&server.context), app(&server.context));
    let gone = ask(&app, &next(&ask(&before, path).await).unwrap()).await;
    assert_eq!(
        (gone.status(), &gone.json()["code"]),
        (410, &json!("cursor-expired")),
        "another run"
    );
    let link = next(&ask(&app, path).await).unwrap();
    assert_eq!(ask(&app, &link).await.status(), 200);
    for _ in 0..40 {
        assert_eq!(ask(&app, "/v1/views/candles?limit=3&cursor=*").await.status(), 200);
    }
    let gone = ask(&app, &link).await;
    assert_eq!(gone.status(), 410);
    let restart = gone.json()["restart"].as_str().unwrap().to_owned();
    let again = ask(&app, &restart).await;
    assert_eq!((again.status(), again.json()["rows"].as_array().unwrap().len()), (200, 3));
}

#[tokio::test]
async fn orders_that_a_view_has_not_are_refused_with_those_that_it_has() {
    let server = Server::new();
    for (query, allowed) in [
        ("candles?sort=commit", json!(["open_time", "-open_time"])),
        ("candles?sort=close", json!(["open_time", "-open_time"])),
        ("trades?sort=open_time", json!(["commit", "-commit"])),
        ("sources?sort=name", Value::Null),
    ] {
        let answer = server.ask(&format!("/v1/views/{query}")).await;
        assert_eq!(
            (answer.status(), &answer.json()["errors"][0]["allowed"]),
            (400, &allowed),
            "{query}"
        );
    }
    let answer = server.ask("/v1/views/candles?since=3").await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "#/query/since");
}

#[tokio::test]
async fn without_a_cursor_sort_decides_which_rows_the_limit_keeps() {
    let server = Server::new();
    bars(&server, 0);
    for (query, want) in [
        ("limit=2", [18, 19]),
        ("limit=2&sort=open_time", [10, 11]),
        ("limit=2&sort=-open_time", [19, 18]),
        ("limit=2&sort=-open_time&from=2024-08-09T12:03:00Z", [19, 18]),
        ("limit=2&from=2024-08-09T12:03:00Z", [13, 14]),
    ] {
        let json = server.ask(&format!("/v1/views/candles?symbol=a:B&{query}")).await.json();
        let closes: Vec<&Value> =
            json["rows"].as_array().unwrap().iter().map(|row| &row["close"]).collect();
        assert_eq!(closes, want.map(|close| json!(close)).iter().collect::<Vec<_>>(), "{query}");
        assert_eq!(json["page"], json!({"limit": 2, "next": null, "has_more": true}), "{query}");
    }
}
