//! A job is killed at every place that matters and at any moment, on changing numbers of workers, and comes to what an
//! undisturbed one does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dataflows::failpoints::FAILPOINTS;
use redis::Connection;
use serde_json::Value;

use super::{JOB, assert_same, end, job, row, rows, start, values, wait_until_ready};
use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;
use crate::redis::server::{Server, is_here};

/// Kills at a random moment; `TICKWEAVE_KILLS` says how many, `scripts/chaos` many.
const KILLS: usize = 3;

/// The sources of [`JOB`] and a Redis stream whose trades have no ids: what is read twice counts twice. Checkpoints all
/// the time, copies of them, and a sink.
fn config(url: &str, copies: &Path) -> String {
    format!(
        "{JOB}[state]\ncheckpoint_every = \"30ms\"\ncopy_to = \"file://{}\"\n\
         [[source]]\nname = \"stream\"\nkind = \"redis-streams\"\nurl = \"{url}\"\nstreams = [\"own\"]\nformat = \"fields\"\n\
         instrument = \"x:R\"\ncolumns = {{ time = \"time\", price = \"price\", size = \"size\" }}\nunits = {{ time = \"ms\" }}\n\
         [[sink]]\nname = \"s\"\nkind = \"file\"\nviews = [\"candles\"]\npath = \"{{view}}.ndjson\"\n",
        copies.display()
    )
}

/// Adds a trade to the stream.
fn add(client: &mut Connection, number: u64) {
    let time = 1_767_623_400_000 + number * 50;
    let mut add = redis::cmd("XADD");
    add.arg("own").arg(format!("{number}-1")).arg("time").arg(time);
    add.arg("price").arg(10 + number % 13).arg("size").arg(1).exec(client).unwrap();
}

/// Posts a row; whether it was answered as durable. A process that ends meanwhile answers nothing.
fn try_post(address: SocketAddr, body: &str) -> bool {
    let answered = || {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let head = format!(
            "POST /api/streaming/process HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (answer.starts_with("HTTP/1.1 202") && answer.contains("\"durable\":true")).then_some(())
    };
    answered().is_some()
}

/// What feeds a job: rows that clients send until they are answered, and a stream.
struct Feeder {
    client: Connection,
    streamed: u64,
    posted: u64,
}

impl Feeder {
    /// Feeds until the process has ended, or for so long. Returns whether it has ended.
    fn feed(&mut self, run: &mut Going, lasts: Duration) -> bool {
        let began = Instant::now();
        let mut address = None;
        while began.elapsed() < lasts {
            if run.has_ended() {
                return true;
            }
            self.streamed += 1;
            add(&mut self.client, self.streamed);
            address = address.or_else(|| run.address_if_known());
            let kind = if self.posted.is_multiple_of(3) { "fill" } else { "trade" };
            match address {
                Some(address) if try_post(address, &row(kind, self.posted)) => self.posted += 1,
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        run.has_ended()
    }
}

/// Starts the job, to end at a failpoint if one is given.
fn start_at(folder: &Path, workers: usize, failpoint: Option<(&str, u64)>) -> Going {
    let workers = workers.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickweave"));
    command.args(["run", "job.toml", "--state", "state", "-w", &workers, "--lenient"]);
    if let Some((name, time)) = failpoint {
        command.env("TICKWEAVE_FAILPOINT", format!("{name}:{time}"));
    }
    Going::spawn(folder, &mut command)
}

/// Adds up what a sink got; each key of a commit of a start once.
fn added_up(folder: &Path) -> BTreeMap<String, Value> {
    let sent = fs::read_to_string(folder.join("candles.ndjson")).unwrap();
    let (mut rows, mut told) = (BTreeMap::new(), BTreeSet::new());
    for line in sent.lines() {
        // A line of which a killed process has written a part.
        let Ok(change) = serde_json::from_str::<Value>(line) else { continue };
        let key = change["key"].to_string();
        let op = change["op"].as_str().unwrap_or_default();
        if op == "snapshot" {
            (rows, told) = (BTreeMap::new(), BTreeSet::new()); // of another start
            continue;
        }
        let is_new = told.insert((change["commit"].to_string(), key.clone()));
        assert!(is_new || !["upsert", "delete"].contains(&op), "told twice: {line}");
        match op {
            "upsert" => drop(rows.insert(key, change["row"].clone())),
            "delete" => drop(rows.remove(&key)),
            _ => {}
        }
    }
    rows
}

#[test]
fn killed_anywhere_it_comes_to_the_same() {
    if !is_here("a job that is killed anywhere") {
        return;
    }
    let kills = std::env::var("TICKWEAVE_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills: usize = kills.unwrap_or(KILLS);
    let server = Server::durable();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    job(folder, &config(&server.url(), &folder.join("copies")));
    let mut feeder = Feeder { client: server.connect(), streamed: 0, posted: 0 };
    let mut random = crate::end_to_end::made::Rng(
        std::env::var("TICKWEAVE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7),
    );
    let workers = [1, 4, 3, 2];

    // Something to restore, and to prune.
    let mut run = start_at(folder, 1, None);
    assert!(!feeder.feed(&mut run, Duration::from_millis(600)));
    run.signal("KILL");
    run.end();
    let mut turn = 0;
    let mut missed = Vec::new();
    for name in FAILPOINTS {
        turn += 1;
        let mut run = start_at(folder, workers[turn % 4], Some((name, 1 + random.below(2) as u64)));
        if !feeder.feed(&mut run, Duration::from_secs(8)) {
            missed.push(*name);
            run.signal("KILL");
        }
        run.end();
    }
    for _ in 0..kills {
        turn += 1;
        let mut run = start_at(folder, workers[turn % 4], None);
        feeder.feed(&mut run, Duration::from_millis(random.below(700) as u64));
        run.signal("KILL");
        run.end();
    }
    assert!(missed.is_empty(), "nothing came to {missed:?}");

    let (mut run, address) = start(folder, 3, &[]);
    run.wait_for("from checkpoint");
    wait_until_ready(address);
    let (undisturbed, other) = (tempfile::tempdir().unwrap(), feeder);
    job(undisturbed.path(), &config(&server.url(), &undisturbed.path().join("copies")));
    let (anew, fresh_address) = start(undisturbed.path(), 1, &[]);
    wait_until_ready(fresh_address);
    for id in 0..other.posted {
        let kind = if id.is_multiple_of(3) { "fill" } else { "trade" };
        poll(|| try_post(fresh_address, &row(kind, id)).then_some(()), || format!("row {id}"));
    }
    // The row that was not answered last may be there.
    let kind = if other.posted.is_multiple_of(3) { "fill" } else { "trade" };
    for address in [address, fresh_address] {
        poll(
            || try_post(address, &row(kind, other.posted)).then_some(()),
            || "the last row".to_owned(),
        );
    }
    let counts = |address| {
        let answer = get(address, "/v1/views/candles?symbol=x:R&timeframe=1s&limit=10000").json();
        let rows = answer["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["trades"].as_u64().unwrap()).sum::<u64>()
    };
    for address in [address, fresh_address] {
        poll(
            || (counts(address) >= other.streamed).then_some(()),
            || format!("{} of {}", counts(address), other.streamed),
        );
        assert_eq!(counts(address), other.streamed);
    }
    let all = |address| {
        let mut all = values(address);
        all.push(("trades", rows(address, "trades")));
        all
    };
    assert_same(&all(address), &all(fresh_address));
    let candles = rows(address, "candles").len();
    end(run);
    end(anew);
    assert_eq!(added_up(folder).len(), candles);
}
