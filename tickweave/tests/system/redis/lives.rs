//! What is deleted, forgotten or interrupted, and comes back.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use redis::Connection;
use serde_json::Value;

use super::job::{Job, incidents, provider, rows, sinks};
use super::server::{Server, is_here};
use crate::end_to_end::binary::poll;

const FIELDS: &str = "kind = \"redis-streams\"\nstreams = [\"own\"]\nformat = \"fields\"\ninstrument = \"x:A\"\n\
                      columns = { time = \"time\", price = \"price\", size = \"size\" }\nunits = { time = \"ms\" }\n";

/// Adds a trade of this number, under an id of the producer's choice. A trade has no id of its own, so that what is read
/// twice counts twice.
fn add(client: &mut Connection, id: &str, number: u64) {
    let time = 1_767_623_400_000 + number;
    let mut add = redis::cmd("XADD");
    add.arg("own").arg(id).arg("time").arg(time).arg("price").arg(10 + number);
    // Of a field that comes twice the last counts.
    add.arg("size").arg("no size").arg("size").arg(1).exec(client).unwrap();
}

fn command(client: &mut Connection, name: &str, args: &[&str]) {
    redis::cmd(name).arg(args).exec(client).unwrap();
}

/// Waits until the bar has so many trades, and their last price is this one.
fn wait_for_bar(address: std::net::SocketAddr, trades: u64, close: u64) {
    let bars = || rows(address, "candles");
    let is_it = || {
        let bars = bars();
        let bar = bars.iter().find(|bar| bar["timeframe"] == "1m")?;
        (bar["trades"] == trades && bar["close"].as_f64() == Some(close as f64)).then_some(())
    };
    let told = || format!("{trades} trades: {:#?}\n{:#?}", bars(), rows(address, "incidents"));
    poll(is_it, told);
}

/// A stream whose producer gives the ids is deleted and made anew, with fewer entries, and with as many as there were: all
/// of them are read, once. A key that is no stream for a moment ends nothing.
#[test]
fn a_stream_that_is_made_anew_is_read_from_its_beginning() {
    if !is_here("a Redis stream that is made anew") {
        return;
    }
    let server = Server::durable();
    let mut client = server.connect();
    let job = Job::without_codec(&server.url(), FIELDS);
    (1..=5).for_each(|number| add(&mut client, &format!("{number}-1"), number));
    let mut run = job.start(2);
    let address = run.address();
    wait_for_bar(address, 5, 15);
    let again = |client: &mut Connection, ids: std::ops::RangeInclusive<u64>, first: u64| {
        let mut all = redis::pipe();
        all.atomic().cmd("DEL").arg("own");
        for id in ids.clone() {
            let number = first + id - ids.start();
            let time = 1_767_623_400_000 + number;
            let mut add = redis::cmd("XADD");
            add.arg("own").arg(format!("{id}-1")).arg("time").arg(time);
            all.add_command(add.arg("price").arg(10 + number).arg("size").arg(1).clone());
        }
        all.exec(client).unwrap();
    };
    again(&mut client, 1..=3, 6);
    wait_for_bar(address, 8, 18);
    again(&mut client, 1..=3, 9); // as many
    wait_for_bar(address, 11, 21);
    again(&mut client, 1..=7, 12); // more
    wait_for_bar(address, 18, 28);
    add(&mut client, "8-1", 19);
    wait_for_bar(address, 19, 29);
    let told = rows(address, "incidents");
    let anew = told.iter().filter(|row| {
        row["kind"] == "gap" && row["detail"].as_str().unwrap().contains("made anew")
    });
    assert_eq!(anew.count(), 3, "{told:#?}");

    command(&mut client, "DEL", &["own"]);
    command(&mut client, "SET", &["own", "no stream"]);
    let state = || provider(address)["state"].clone();
    poll(|| (state() == "disconnected").then_some(()), || state().to_string());
    command(&mut client, "DEL", &["own"]);
    add(&mut client, "1-1", 20);
    wait_for_bar(address, 20, 30);
    poll(|| (state() == "running").then_some(()), || state().to_string());
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

/// The server of the sinks comes back empty while nothing changes: within seconds it has everything again.
#[test]
fn a_server_of_sinks_that_forgets_gets_everything_anew() {
    if !is_here("a forgetful Redis server of sinks") {
        return;
    }
    let (source, mut target) = (Server::durable(), Server::forgetful());
    let job = Job::without_codec(&source.url(), &format!("{FIELDS}{}", sinks(&target.url())));
    let mut client = source.connect();
    (1..=5).for_each(|number| add(&mut client, &format!("{number}-1"), number));
    let mut run = job.start(1);
    let address = run.address();
    let hash = |client: &mut Connection| -> BTreeMap<String, String> {
        redis::cmd("HGETALL").arg("tickweave:candles").query(client).unwrap()
    };
    let of_two = |rows: &BTreeMap<String, String>| {
        rows.len() == 2
            && rows
                .iter()
                .all(|(_, row)| row.contains("\"trades\":\"5\"") || row.contains("\"trades\":5"))
    };
    let is_there = |client: &mut Connection| {
        let rows = hash(client);
        of_two(&rows).then_some(rows)
    };
    let mut to = target.connect();
    let before = poll(|| is_there(&mut to), || format!("{:?}", hash(&mut target.connect())));
    target.kill_and_restart();
    let mut to = target.connect();
    let after = poll(|| is_there(&mut to), || format!("{:?}", hash(&mut target.connect())));
    assert_eq!(before, after);
    let told = || rows(address, "sinks");
    let is_told = || {
        let rows = told();
        rows.iter().all(|row| row["state"] == "running" && row["resyncs"] == 1).then_some(())
    };
    poll(is_told, || format!("{:#?}", told()));
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

/// A run whose clock has gone back takes the place of one that began later, as soon as that shows itself no more.
#[test]
fn a_run_whose_clock_went_back_delivers() {
    if !is_here("a clock that goes back") {
        return;
    }
    let server = Server::durable();
    let mut client = server.connect();
    let now: (u64, u64) = redis::cmd("TIME").query(&mut client).unwrap();
    let told = |client: &mut Connection, kind: &str, seen: u64| {
        let key = format!("tickweave:candles:told:{kind}");
        let mut set = redis::cmd("HSET");
        set.arg(key).arg(&["run", "2099-01-01T00:00:00Z", "commit", "7", "part", "0", "last", "1"]);
        set.arg("seen").arg(seen).exec(client).unwrap();
    };
    told(&mut client, "hash", now.0 - 12);
    told(&mut client, "changes", now.0 - 100);
    (1..=5).for_each(|number| add(&mut client, &format!("{number}-1"), number));
    let job = Job::without_codec(&server.url(), &format!("{FIELDS}{}", sinks(&server.url())));
    let mut run = job.start(1);
    let address = run.address();
    let sinks = || rows(address, "sinks");
    let delivered = || {
        let rows = sinks();
        let is_it = |row: &Value| row["state"] == "running" && row["rows"] == 2;
        (rows.len() == 3 && rows.iter().all(is_it)).then_some(rows)
    };
    let rows = poll(delivered, || format!("{:#?}", sinks()));
    let hash = rows.iter().find(|row| row["name"] == "hash").unwrap();
    let why = hash["last_error"].as_str().unwrap();
    assert!(why.contains("has written there in the last 15 s"), "it waited: {why}");
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

/// A job that is stopped and goes on, which interrupts its system calls, has lost no connection.
#[test]
fn an_interrupted_call_is_no_lost_connection() {
    if !is_here("interrupted calls to Redis") {
        return;
    }
    let server = Server::durable();
    let mut client = server.connect();
    let channel = "[[source]]\nname = \"channel\"\nkind = \"redis-pubsub\"\nchannels = [\"c\"]\n";
    let own = FIELDS.split_once('\n').unwrap().1.split_once('\n').unwrap().1;
    let own = own.replace("format = \"fields\"", "format = \"json\"");
    let channel = format!("{channel}url = \"{}\"\n{own}", server.url());
    let job =
        Job::without_codec(&server.url(), &format!("{FIELDS}{channel}{}", sinks(&server.url())));
    let mut run = job.start(1);
    let address = run.address();
    for number in 1..=30 {
        run.signal("STOP");
        add(&mut client, &format!("{number}-1"), number);
        run.signal("CONT");
        sleep(Duration::from_millis(20));
    }
    wait_for_bar(address, 30, 40);
    assert_eq!(incidents(address), ["connected"; 2], "{:#?}", rows(address, "incidents"));
    let retries: Vec<_> = rows(address, "sinks").iter().map(|row| row["retries"].clone()).collect();
    assert_eq!(retries, [0, 0, 0]);
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
}

/// A job that keeps its state is killed while a stream goes on. It goes on behind what it had bound: nothing is missing,
/// nothing is read twice, and the sink's last start adds up to the view.
#[test]
fn a_job_that_keeps_its_state_goes_on_where_it_was_killed() {
    if !is_here("a Redis stream of a job that is killed") {
        return;
    }
    let server = Server::durable();
    let sink = "[[sink]]\nname = \"s\"\nkind = \"file\"\nviews = [\"candles\"]\npath = \"{view}.ndjson\"\n";
    let job = Job::without_codec(&server.url(), &format!("{FIELDS}{sink}"));
    let mut client = server.connect();
    let mut number = 0;
    for (turn, workers) in [1, 3, 2, 1, 2].into_iter().enumerate() {
        let mut run = job.start_with(workers, &["--state", "state"]);
        run.address();
        for _ in 0..200 {
            number += 1;
            add(&mut client, &format!("{number}-1"), number);
        }
        sleep(Duration::from_millis(40 * turn as u64));
        run.signal("KILL");
        assert_eq!(run.end().code, None);
    }
    let mut run = job.start_with(3, &["--state", "state"]);
    let address = run.address();
    wait_for_bar(address, number, 10 + number);
    let source = provider(address);
    assert_eq!((&source["rows"], &source["partitions"]), (&number.into(), &1.into()), "{source:#}");
    let lost = || rows(address, "incidents").into_iter().find(|row| row["kind"] == "gap");
    assert_eq!(lost(), None);
    let view = rows(address, "candles").len();
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
    let sent = std::fs::read_to_string(job.folder().join("candles.ndjson")).unwrap();
    let mut added_up = BTreeMap::new();
    for line in sent.lines() {
        let change: Value = serde_json::from_str(line).unwrap();
        match change["op"].as_str() {
            Some("snapshot") => added_up.clear(),
            Some("upsert") => {
                drop(added_up.insert(change["key"].to_string(), change["row"].clone()))
            }
            Some("delete") => drop(added_up.remove(&change["key"].to_string())),
            _ => {}
        }
    }
    assert_eq!(added_up.len(), view);
    let trades = added_up.values().filter(|row| row["timeframe"] == "1m");
    let trades: u64 = trades.map(|row| row["trades"].as_u64().unwrap()).sum();
    assert_eq!(trades, number);
}
