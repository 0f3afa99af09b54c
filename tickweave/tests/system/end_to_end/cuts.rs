//! Reads of several views and instruments, and of pages, while the job commits all the time: each answer adds up at the
//! frontier that it states.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::binary::Going;
use super::http::get;
use super::posted::{JSON, now, run, send};

const POSTS: u64 = 120;

/// Posts a trade of each of two instruments in one request, so that both are in one commit.
fn post_pairs(address: SocketAddr, from: u64) -> String {
    let time = now() - 300;
    let mut token = Value::Null;
    for id in from..from + POSTS {
        let trade = |instrument| {
            let time = format!("{}s", time + id % 120);
            json!({"type": "trade", "instrument": instrument, "id": id, "time": time, "price": 10, "quantity": 3})
        };
        let body = json!([trade("us:AAPL"), trade("us:MSFT")]).to_string();
        let answer = send(address, "", &[JSON], &body);
        assert_eq!(answer.status, 202, "{answer:?}");
        token = answer.json()["completion_token"].clone();
    }
    token.as_str().unwrap().to_owned()
}

fn end(going: Going) {
    going.signal("TERM");
    going.end();
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a Vec<Value> {
    answer[name].as_array().unwrap_or_else(|| panic!("no list {name}: {answer}"))
}

fn sum(rows: &[Value], column: &str) -> u64 {
    rows.iter().map(|row| row[column].as_u64().unwrap()).sum()
}

/// Bars and trades of one instrument agree; returns the number of trades.
fn assert_data_adds_up(address: SocketAddr) -> u64 {
    let path = "/api/streaming/data/us:AAPL?include=candles,trades,trade&timeframe=1m&limit=2000";
    let answer = get(address, path);
    assert_eq!(answer.status, 200, "{answer:?}");
    let (json, commit) = (answer.json(), answer.commit());
    assert_eq!((&json["more"], json["frontier"]["commit"].as_u64()), (&json!([]), commit));
    let (bars, trades) = (list(&json, "candles"), list(&json, "trades"));
    assert_eq!(sum(bars, "trades"), trades.len() as u64, "at {commit:?}");
    assert_eq!(sum(bars, "volume"), sum(trades, "size"), "at {commit:?}");
    assert_eq!(json["trade"]["id"], trades.last().map_or(Value::Null, |last| last["id"].clone()));
    assert!(trades.iter().all(|trade| trade["commit"].as_u64() <= commit));
    trades.len() as u64
}

/// What was posted in pairs is there in pairs.
fn assert_latest_agrees(address: SocketAddr) {
    let answer = get(address, "/v1/latest?symbol=us:AAPL,us:MSFT&timeframe=1m");
    let json = answer.json();
    let rows = list(&json, "rows");
    let of = |row: &Value| (row["open_time"].clone(), row["volume"].clone());
    assert_eq!(rows.len(), 2, "{answer:?}");
    assert_eq!(of(&rows[0]), of(&rows[1]), "at {:?}", answer.commit());
}

/// All trades that pages have from this link on, and the commit of their frontier.
fn paged(address: SocketAddr, first: &str) -> (Vec<Value>, u64) {
    let (mut rows, mut commits, mut path) = (Vec::new(), Vec::new(), first.to_owned());
    loop {
        let answer = get(address, &path);
        assert_eq!(answer.status, 200, "{answer:?}");
        rows.extend(list(&answer.json(), "rows").clone());
        commits.push(answer.commit().unwrap());
        let link = answer.headers.get("link").and_then(|link| link.strip_suffix(">; rel=\"next\""));
        let Some(next) = link else { break };
        next.trim_start_matches('<').clone_into(&mut path);
    }
    commits.dedup();
    assert_eq!(commits.len(), 1, "one frontier: {commits:?}");
    (rows, commits[0])
}

#[test]
fn answers_add_up_at_their_frontier() {
    let folder = tempfile::tempdir().unwrap();
    let (going, address) = run(folder.path(), "");
    post_pairs(address, 0);
    let is_done = AtomicBool::new(false);
    let (reads, pages, bars) = thread::scope(|scope| {
        let posting = scope.spawn(|| {
            let token = post_pairs(address, POSTS);
            is_done.store(true, Ordering::SeqCst);
            token
        });
        let (mut reads, mut pages, mut bars) = (Vec::new(), Vec::new(), Vec::new());
        while !is_done.load(Ordering::SeqCst) || reads.is_empty() {
            reads.push(assert_data_adds_up(address));
            assert_latest_agrees(address);
            bars.push(paged(address, "/v1/views/candles?timeframe=1m&limit=1&cursor=*"));
            for query in ["limit=50", "limit=33&sort=-commit"] {
                pages.push((query, paged(address, &format!("/v1/views/trades?{query}&cursor=*"))));
            }
        }
        let token = posting.join().unwrap();
        let path = format!("/v1/candles/us:AAPL?min_frontier={token}&wait_ms=30000");
        assert_eq!(get(address, &path).status, 200);
        (reads, pages, bars)
    });
    assert_eq!(assert_data_adds_up(address), 2 * POSTS);
    assert!(reads.is_sorted(), "{reads:?}");

    // Each read of pages has what all rows have up to its frontier.
    let (all, _) = paged(address, "/v1/views/trades?limit=10000&cursor=*");
    assert_eq!(all.len() as u64, 4 * POSTS);
    for (query, (mut rows, commit)) in pages {
        if query.contains("-commit") {
            rows.reverse();
        }
        let there = all.iter().filter(|row| row["commit"].as_u64() <= Some(commit));
        assert_eq!(rows, there.cloned().collect::<Vec<_>>(), "{query} at {commit}");
    }
    // Rows that are restated all the time: those of all pages are of one commit.
    for (rows, commit) in bars {
        let there = all.iter().filter(|row| row["commit"].as_u64() <= Some(commit)).count();
        assert_eq!(sum(&rows, "trades"), there as u64, "at {commit}");
    }
    // What came since a commit is what all rows have after it.
    let middle = &all[all.len() / 2]["commit"];
    let since = get(address, &format!("/v1/views/trades?since={middle}&limit=10000")).json();
    let later = all.iter().filter(|row| row["commit"].as_u64() > middle.as_u64());
    assert_eq!(list(&since, "rows").iter().collect::<Vec<_>>(), later.collect::<Vec<_>>());
    end(going);
}

/// A live job commits also while nothing comes, so its views stay young.
#[test]
fn views_of_an_idle_job_are_not_stale() {
    let folder = tempfile::tempdir().unwrap();
    let (going, address) = run(folder.path(), "");
    post_pairs(address, 0);
    // What was posted is older than that by then, so a later commit must have come, though nothing else was posted.
    thread::sleep(std::time::Duration::from_millis(1_500));
    let answer = get(address, "/v1/latest?max_staleness=1s&wait_ms=30000");
    assert_eq!(answer.status, 200, "{answer:?}");
    let status = get(address, "/streaming/status").json();
    assert_eq!(
        (&status["state"], &status["counters"]["accepted"]),
        (&json!("running"), &json!(2 * POSTS))
    );
    assert_eq!(status["views"]["trades"]["rows"], 2 * POSTS);
    assert_eq!(get(address, "/api/streaming/status").json()["state"], "running");
    let metrics = get(address, "/api/streaming/metrics").json();
    let latency = &metrics["metrics"]["tickweave_tick_to_view_seconds"]["samples"][0];
    assert!(latency["count"].as_u64() > Some(0) && latency["p99"].as_f64().is_some(), "{latency}");
    end(going);
}
