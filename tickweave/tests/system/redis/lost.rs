//! Entries that cannot be read any more are reported.

use serde_json::{Value, json};

use super::capture::{Capture, add};
use super::job::{
    Job, STREAMS, assert_becomes, in_hash, in_stream, incidents, provider, rows, served, sinks,
    wait_for,
};
use super::server::{Server, is_here};
use crate::end_to_end::binary::poll;
use crate::end_to_end::http::get;

/// A server that keeps nothing is killed: the job says that it has gone back, keeps what it had read, and gives
/// its sinks everything anew.
#[test]
fn a_server_that_forgets_is_a_gap() {
    let Some(capture) = Capture::get("a forgetful Redis server") else { return };
    let mut server = Server::forgetful();
    let job = Job::new(&server.url(), STREAMS, &sinks(&server.url()));
    let mut run = job.start(2);
    let address = run.address();
    add(&mut server.connect(), &capture.share(0, 500));
    poll(
        || {
            let provider = provider(address);
            let half = capture.trades() / 3;
            (provider["rows_behind"] == 0 && provider["rows"].as_u64() > Some(half)).then_some(())
        },
        || "half of all is read".to_owned(),
    );
    let kept = served(address).len();
    server.kill_and_restart();
    poll(
        || (incidents(address).iter().filter(|kind| *kind == "gap").count() == 2).then_some(()),
        || format!("a gap in each stream: {:?}", incidents(address)),
    );
    let gap = rows(address, "incidents").into_iter().find(|row| row["kind"] == "gap").unwrap();
    assert!(gap["detail"].as_str().unwrap().contains("less than it had"), "{gap}");
    assert!(kept > 100 && served(address).len() >= kept);

    add(&mut server.connect(), &capture.share(500, 1_000));
    wait_for(address, capture.trades());
    assert_becomes(|| served(address), &capture.bars, "from both lives");
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));
    let mut client = server.connect();
    assert_becomes(|| in_hash(&mut client), &capture.bars, "the hash of the second life");
    let stream = in_stream(&mut client);
    assert_becomes(|| stream.bars(), &capture.bars, "the stream of the second life");
}

/// Entries that were trimmed away unread are a gap with their number; those that were read are none; and a start
/// at a time that the stream does not reach back to is refused.
#[test]
fn what_was_trimmed_unread_is_a_gap() {
    if !is_here("a trimmed Redis stream") {
        return;
    }
    let server = Server::durable();
    let mut client = server.connect();
    let source = "kind = \"redis-streams\"\nstreams = [\"s\"]\nformat = \"fields\"\ninstrument = \"x:A\"\nbatch = 100\n\
                  columns = { time = \"ts\", price = \"px\", size = \"qty\" }\nunits = { time = \"ms\" }\n";
    let mut number = 0;
    let mut add = |count: u64| {
        let mut adding = redis::pipe();
        for _ in 0..count {
            number += 1;
            adding.cmd("XADD").arg("s").arg(format!("{number}-0"));
            adding.arg(&["ts", "1723161601437", "px", "1", "qty", "2"]).ignore();
        }
        adding.exec(&mut server.connect()).unwrap();
    };
    let mut trim =
        |keep: u64| redis::cmd("XTRIM").arg("s").arg("MAXLEN").arg(keep).exec(&mut client).unwrap();
    let job = Job::without_codec(&server.url(), source);
    let mut run = job.start(1);
    let address = run.address();
    add(500);
    wait_for(address, 500);
    trim(10);
    add(20);
    wait_for(address, 520);
    assert_eq!(incidents(address), ["connected"], "what was read is not lost");

    run.signal("STOP");
    add(3_000);
    trim(1_000);
    run.signal("CONT");
    let gaps = || rows(address, "incidents").into_iter().filter(|row| row["kind"] == "gap");
    poll(|| gaps().next(), || "a gap".to_owned());
    // What had been answered before it was stopped is read.
    let is_read = || {
        let own = provider(address);
        // At least what there was before and what was left; the view may be of a round before the gap.
        (own["rows_behind"] == 0 && own["rows"].as_u64() >= Some(1_520)).then_some(())
    };
    poll(is_read, || "all is read".to_owned());
    let read = super::job::brought(address);
    let count = |row: Value| {
        let detail = row["detail"].as_str().unwrap().to_owned();
        let place = |column: &str| row[column].as_str().unwrap().parse::<u64>().unwrap();
        assert!(place("lost_from") <= place("lost_to"), "{row}");
        detail.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let lost = gaps().map(count).sum::<u64>();
    assert_eq!(read + lost, 3_520);
    // Counted, and not as many as ids would have room for.
    let counted = [
        "tickweave_source_lost_rows_total{source=\"ticks\"}",
        "tickweave_partition_lost_rows_total{source=\"ticks\",partition=\"s\"}",
    ];
    for counted in counted.map(|name| format!("{name} {lost}\n")) {
        poll(|| get(address, "/metrics").body.contains(&counted).then_some(()), || counted.clone());
    }
    let health = get(address, "/health").json();
    let said = &health["checks"]["losses"][0]["output"];
    assert!(said.as_str().unwrap().contains(&format!(" lost {lost} rows; the last at ")), "{said}");
    assert!((1_520..2_520).contains(&read), "{read} were read");
    run.signal("TERM");
    assert_eq!(run.end().code, Some(0));

    let source = format!("{source}start = \"1970-01-01T00:00:01Z\"\n");
    let job = Job::without_codec(&server.url(), &source);
    let ran = job.start(1).end();
    ran.failed(1, &["1970-01-01T00:00:01Z", "keeps nothing before entry 2521-0"]);
}

/// What no position holds stops the partition, after what came before it: it is no row, and no end.
#[test]
fn an_id_beyond_positions_stops_its_stream() {
    if !is_here("ids of Redis streams") {
        return;
    }
    let server = Server::durable();
    let mut client = server.connect();
    for id in ["5-1", "5-4194304", "6-0"] {
        let mut add = redis::cmd("XADD");
        add.arg("s").arg(id).arg(&["data", "x"]).exec(&mut client).unwrap();
    }
    let source =
        "kind = \"redis-streams\"\nstreams = [\"s\"]\npayload = \"data\"\nformat = \"entries\"\n";
    let job = Job::without_codec(&server.url(), source);
    let mut run = job.start(1);
    let address = run.address();
    poll(
        || (provider(address)["state"] == "failed").then_some(()),
        || provider(address).to_string(),
    );
    assert_eq!(incidents(address), ["connected", "failed"]);
    let text = rows(address, "incidents")[1]["detail"].as_str().unwrap().to_owned();
    assert!(text.contains("5-4194304") && text.contains("below 4194304"), "{text}");
    assert_eq!(rows(address, "dead_letters").len(), 1, "of the entry before it");
}

/// The key of a stream holds something else for a while: its bars wait, and nothing is lost.
#[test]
fn a_stream_that_cannot_be_read_for_a_while_has_not_ended() {
    if !is_here("a Redis stream that fails") {
        return;
    }
    let server = Server::durable();
    let mut client = server.connect();
    let source = "kind = \"redis-streams\"\nstreams = [\"s\"]\nformat = \"fields\"\ninstrument = \"x:A\"\n\
                  columns = { time = \"ts\", price = \"px\", size = \"qty\" }\nunits = { time = \"ms\" }\n";
    let mut add = |number: u64, ms: u64| {
        let mut entry = redis::cmd("XADD");
        entry.arg("s").arg(format!("{number}-0"));
        entry.arg(&["ts", &format!("{ms}"), "px", "1", "qty", "2"]).exec(&mut client).unwrap();
    };
    let minute = 1_723_161_600_000;
    let job = Job::without_codec(&server.url(), source);
    let mut run = job.start(1);
    let address = run.address();
    add(1, minute);
    wait_for(address, 1);
    let mut other = server.connect();
    redis::cmd("RENAME").arg("s").arg("kept").exec(&mut other).unwrap();
    redis::cmd("SET").arg("s").arg("text").exec(&mut other).unwrap();
    poll(
        || (provider(address)["state"] == "disconnected").then_some(()),
        || provider(address).to_string(),
    );
    let bar = || get(address, "/v1/candles/x:A?tf=1m&numbers=string").json()["candles"][0].clone();
    assert_eq!(bar()["state"], "open", "half a bar is not final");
    let source = || get(address, "/health").json()["sources"][0].clone();
    let shown = source();
    assert_eq!(shown["state"], "disconnected", "{shown}");
    assert!(shown["last_error"].as_str().unwrap().contains("WRONGTYPE"), "{shown}");

    redis::cmd("DEL").arg("s").exec(&mut other).unwrap();
    redis::cmd("RENAME").arg("kept").arg("s").exec(&mut other).unwrap();
    add(2, minute + 30_000);
    poll(|| (bar()["trades"] == 2).then_some(()), || bar().to_string());
    assert_eq!(bar()["state"], "open");
    poll(
        || (provider(address)["state"] == "running").then_some(()),
        || provider(address).to_string(),
    );
    let told = incidents(address);
    let by_turns = told
        .iter()
        .enumerate()
        .all(|(at, kind)| *kind == if at % 2 == 0 { "connected" } else { "disconnected" });
    assert!(by_turns && told.len() % 2 == 1 && told.len() >= 3, "{told:?}");
    assert_eq!(get(address, "/health/ready").status, 200);
    assert!(rows(address, "dead_letters").is_empty());
    let back = source();
    assert_eq!((&back["state"], &back["last_error"]), (&json!("running"), &shown["last_error"]));
    assert!(back["since"].as_str() > shown["since"].as_str(), "{shown} {back}");
    run.signal("TERM");
    let ran = run.end();
    assert_eq!(ran.code, Some(0));
    let [lost, found] =
        ["disconnected: ", "connected again after "].map(|text| ran.err.matches(text).count());
    assert!(lost > 0 && found > 0 && lost + found <= told.len() + 1, "{}", ran.err);
}
