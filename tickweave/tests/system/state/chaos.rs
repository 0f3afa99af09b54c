//! A job is killed at every place that matters and at any moment, on changing numbers of workers, and comes to what an
//! undisturbed one does. Clients send each request, with a key of its own, until it is answered: no row of theirs is lost,
//! and none counts twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dataflows::failpoints::FAILPOINTS;
use redis::Connection;
use serde_json::{Value, json};

use super::{JOB, assert_same, end, job, row, rows, start, values, wait_until_ready};
use crate::end_to_end::binary::{Going, poll};
use crate::end_to_end::http::get;
use crate::kafka::topics::{Produced, Topic};
use crate::redis::server::{Server, is_here};
use crate::servers;

/// Kills at a random moment; `TICKWEAVE_KILLS` says how many, `scripts/chaos` many.
const KILLS: usize = 3;

/// The sources of [`JOB`], a Redis stream and a Kafka topic whose trades have no ids: what is read twice counts twice.
/// Checkpoints all the time, copies of them, and a sink.
fn config(url: &str, kafka: Option<&servers::Server>, copies: &Path) -> String {
    let topic = kafka.map_or_else(String::new, |kafka| {
        format!(
            "[[source]]\nname = \"topic\"\nkind = \"kafka\"\nservers = \"{}\"\ntopics = [\"chaos\"]\n\
             instrument = \"x:K\"\ncolumns = {{ time = \"time\", price = \"price\", size = \"size\" }}\n\
             units = {{ time = \"ms\" }}\n",
            kafka.address
        )
    });
    format!(
        "{JOB}[state]\ncheckpoint_every = \"30ms\"\ncopy_to = \"file://{}\"\n{topic}\
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

/// Produces trades with these numbers, by turns to both partitions.
fn produce(topic: &Topic<'_>, numbers: Range<u64>) {
    let message = |number: u64| {
        let time = 1_767_623_400_000 + number * 50;
        let message = json!({"time": time, "price": 10 + number % 13, "size": 1}).to_string();
        (i32::from(number % 2 == 1), message)
    };
    let messages: Vec<_> = numbers.map(message).collect();
    topic.produce(messages.iter().map(|(partition, message)| Produced {
        partition: *partition,
        payload: Some(message.as_bytes()),
        ..Produced::default()
    }));
}

/// The request with this number: a fill, or a trade that has no id, so that it would count twice if it were taken twice.
fn request(number: u64) -> String {
    if number.is_multiple_of(3) {
        return row("fill", number);
    }
    let time = format!("2026-01-05T11:00:{:02}Z", number % 60);
    let trade = json!({
        "type": "trade", "instrument": "x:P", "time": time, "price": 10 + number % 7, "quantity": 1
    });
    format!("{trade}\n")
}

/// Sends a request; whether it was answered as durable. A process that ends meanwhile answers nothing.
fn try_post(address: SocketAddr, number: u64) -> bool {
    let body = request(number);
    let answered = || {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let head = format!(
            "POST /api/streaming/process HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Idempotency-Key: request-{number}\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n\
             {body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (answer.starts_with("HTTP/1.1 202") && answer.contains("\"durable\":true")).then_some(())
    };
    answered().is_some()
}

/// What feeds a job: rows that clients send until they are answered, a stream, and a topic.
struct Feeder {
    client: Connection,
    topic: Option<Topic<'static>>,
    streamed: u64,
    produced: u64,
    posted: u64,
}

/// So many entries of the stream are added between messages to the topic, so many at once.
const PRODUCED_EVERY: u64 = 40;
const PRODUCED: u64 = 10;

impl Feeder {
    /// Feeds until the process has ended, or for so long. Returns whether it has ended.
    fn feed(&mut self, run: &mut Going, lasts: Duration) -> bool {
        let began = Instant::now();
        let mut address = None;
        while began.elapsed() < lasts {
            if run.has_ended() {
                return true;
            }
            if let Some(topic) = &self.topic
                && self.streamed.is_multiple_of(PRODUCED_EVERY)
            {
                produce(topic, self.produced..self.produced + PRODUCED);
                self.produced += PRODUCED;
            }
            self.streamed += 1;
            add(&mut self.client, self.streamed);
            address = address.or_else(|| run.address_if_known());
            match address {
                Some(address) if try_post(address, self.posted) => self.posted += 1,
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
    let kafka = servers::kafka();
    job(folder, &config(&server.url(), kafka, &folder.join("copies")));
    let topic = kafka.map(|kafka| Topic::new(kafka, "chaos", 2));
    let (streamed, produced, posted) = (0, 0, 0);
    let mut feeder = Feeder { client: server.connect(), topic, streamed, produced, posted };
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
        let times = if *name == "restore.end" { 1 } else { 2 }; // a start comes there once
        let time = 1 + random.below(times) as u64;
        let mut run = start_at(folder, workers[turn % 4], Some((name, time)));
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
    let copies = undisturbed.path().join("copies");
    job(undisturbed.path(), &config(&server.url(), kafka, &copies));
    let (anew, fresh_address) = start(undisturbed.path(), 1, &[]);
    wait_until_ready(fresh_address);
    let sent = |address, number| {
        poll(|| try_post(address, number).then_some(()), || format!("request {number}"));
    };
    (0..other.posted).for_each(|number| sent(fresh_address, number));
    // The request that was not answered last may be there.
    [address, fresh_address].iter().for_each(|address| sent(*address, other.posted));
    let counts_of = |address, symbol| {
        let path = format!("/v1/views/candles?symbol={symbol}&timeframe=1s&limit=10000");
        let rows = get(address, &path).json()["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["trades"].as_u64().unwrap()).sum::<u64>()
    };
    let counts = |address| counts_of(address, "x:R");
    for address in [address, fresh_address] {
        poll(
            || (counts(address) >= other.streamed).then_some(()),
            || format!("{} of {}", counts(address), other.streamed),
        );
        assert_eq!(counts(address), other.streamed);
        let of_topic = || counts_of(address, "x:K");
        poll(
            || (of_topic() >= other.produced).then_some(()),
            || format!("{} of {} from the topic", of_topic(), other.produced),
        );
        assert_eq!(of_topic(), other.produced);
        let posted = (0..=other.posted).filter(|number| !number.is_multiple_of(3)).count() as u64;
        poll(|| (counts_of(address, "x:P") >= posted).then_some(()), || "posted trades".to_owned());
        assert_eq!(counts_of(address, "x:P"), posted, "each request counts once");
    }
    let all = |address| {
        let mut all = values(address);
        // Beyond so many rows, each answer has the newest of its own order.
        if other.streamed + other.produced + other.posted < 6_000 {
            all.push(("trades", rows(address, "trades")));
        }
        all
    };
    assert_same(&all(address), &all(fresh_address));
    let candles = rows(address, "candles").len();
    end(run);
    end(anew);
    assert_eq!(added_up(folder).len(), candles);
}

/// The checker itself: a loss and a doubled change are found.
#[test]
fn a_planted_loss_and_a_planted_duplicate_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let change = |op: &str, commit: u64, key: u64, close: u64| {
        json!({"op": op, "commit": commit, "key": [key], "row": {"close": close}}).to_string()
    };
    let write = |lines: &[String]| {
        fs::write(folder.path().join("candles.ndjson"), lines.join("\n") + "\n").unwrap();
    };
    let lines = [
        change("snapshot", 1, 0, 0),
        change("upsert", 1, 1, 10),
        change("upsert", 2, 1, 11),
        change("upsert", 2, 2, 20),
        change("delete", 3, 2, 20),
    ];
    write(&lines);
    let told = added_up(folder.path());
    assert_eq!(told.values().collect::<Vec<_>>(), [&json!({"close": 11})]);
    let twice = [&lines[..], &[lines[4].clone()]].concat();
    write(&twice);
    let found = std::panic::catch_unwind(|| added_up(folder.path()));
    assert!(found.is_err(), "a change that was told twice");
    let whole = vec![("candles", vec!["a".to_owned(), "b".to_owned()])];
    let lost = vec![("candles", vec!["a".to_owned()])];
    let doubled = vec![("candles", vec!["a".to_owned(), "b".to_owned(), "b".to_owned()])];
    for other in [lost, doubled] {
        let whole = whole.clone();
        assert!(std::panic::catch_unwind(|| assert_same(&whole, &other)).is_err());
    }
}
